"""Events by API: everything a partner was told, and telling it again."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.common.ids import new_id
from engine.webhooks import services
from engine.webhooks.models import Delivery, Endpoint, Message
from tests.connect.test_webhooks_endpoints import create, said

SPAN = {"from": "2020-01-01", "to": "2099-01-01"}


@pytest.fixture
def tell(acme, api):
    """Write messages of Acme's in the mode of `api`; returns them."""

    def make(count=1, **changes):
        return services.owe_messages(
            [
                services.Draft(
                    **{
                        "partner_id": acme.pk,
                        "livemode": api.livemode,
                        "door": "connect",
                        "dialect": "standard",
                        "type": "payout.delivered",
                        "reference": f"tests:{new_id().hex}",
                        "subject": f"pay_{new_id().hex}",
                        "sequence": 1,
                        "body": json.dumps({"number": number}).encode(),
                    }
                    | changes
                )
                for number in range(count)
            ]
        )

    return make


def date_back(message, at):
    """Messages are for ever, so a test that needs an old one goes around the trigger."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE webhooks_message DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE webhooks_message SET created_at = %s WHERE id = %s", [at, message.pk]
        )
        cursor.execute("ALTER TABLE webhooks_message ENABLE ALWAYS TRIGGER message_is_for_ever")


def settle():
    """As if everything owed had arrived."""
    Delivery.objects.update(state="delivered", tries=1, due_at=None)


def deliveries():
    return list(
        Delivery.objects.order_by("pk").values_list(
            "message_id", "endpoint_id", "state", "tries", "is_replay"
        )
    )


def ids(answer):
    return [row["id"] for row in answer.json()["data"]]


def test_every_word_of_a_payout_is_an_event_that_says_what_get_said(api, finish):
    endpoint = create(api, types=["payout.delivered"])["id"]
    payout = api.pay()
    finish()
    delivered, broadcast = api.get("/events").json()["data"]

    message = Message.objects.get(type="payout.delivered")
    assert delivered.pop("deliveries")[0].items() >= {
        "endpoint": endpoint, "state": "pending", "tries": 0
    }.items()  # fmt: skip
    assert broadcast["deliveries"] == []
    assert (broadcast["type"], broadcast["sequence"]) == ("payout.broadcast", 1)
    body = delivered.pop("body")
    at = message.created_at.astimezone(UTC)
    assert delivered == {
        "id": f"evt_{message.pk.hex}",
        "type": "payout.delivered",
        "subject": payout["id"],
        "sequence": 2,
        "created_at": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
        "livemode": api.livemode,
    }
    assert body["data"] == api.get(f"/payouts/{payout['id']}").json()
    assert set(body) == {"type", "timestamp", "sequence", "livemode", "data"}


def test_the_body_is_the_very_bytes_that_are_sent(api, tell):
    odd = b'{"b" : 1.50,\n "a":"\\u00fc", "big":12345678901234567890}'
    (message,) = tell(body=odd)

    for answer in (api.get("/events"), api.get(f"/events/{message.public_id}")):
        assert b'"body":' + odd + b"," in answer.content


def test_a_delivery_is_due_only_while_it_waits(api, tell):
    create(api)
    (message,) = tell()
    path = f"/events/{message.public_id}"

    (waiting,) = api.get(path).json()["deliveries"]
    due = Delivery.objects.get().due_at.astimezone(UTC)
    assert waiting["due_at"] == f"{due:%Y-%m-%dT%H:%M:%S}.{due.microsecond // 1000:03}Z"
    settle()
    (arrived,) = api.get(path).json()["deliveries"]
    assert (arrived["state"], arrived["tries"]) == ("delivered", 1)
    assert "due_at" not in arrived


def test_pages_hold_every_event_once_newest_first(api, tell):
    told = [tell()[0].public_id for _ in range(5)][::-1]
    # Those of one database transaction have one moment and differ by id.
    for limit in (1, 2, 5):
        seen, cursor = [], {}
        while cursor is not None:
            answer = api.get("/events", limit=limit, **cursor)
            seen += ids(answer)
            cursor = answer.json()["cursor"] and {"cursor": answer.json()["cursor"]}
        assert seen == told


def test_a_page_is_two_statements_however_long(api, tell):
    create(api)
    create(api)
    tell(7)
    with CaptureQueriesContext(connection) as seen:
        assert len(ids(api.get("/events"))) == 7

    assert len(seen) == 2


def test_events_are_filtered_by_type_subject_and_moment(api, tell):
    old, new = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    (failed,) = tell(type="payout.failed")
    (delivered,) = tell()
    (broadcast,) = tell(type="payout.broadcast")
    date_back(failed, old)
    date_back(delivered, new)

    def found(**query):
        return ids(api.get("/events", **query))

    assert found(type="payout.failed") == [failed.public_id]
    assert found(type="payout.failed,payout.broadcast") == [
        broadcast.public_id,
        failed.public_id,
    ]
    assert found(type="webhook.test") == []
    assert found(subject=delivered.subject) == [delivered.public_id]
    assert found(subject="pay_nothing") == []
    assert found(to="2026-01-02") == [failed.public_id]
    assert found(**{"from": "2026-01-02", "to": "2026-01-03"}) == [delivered.public_id]
    assert found(**{"from": "2026-01-02T00:00:00.000001Z"}) == [broadcast.public_id]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"type": "payout.invented"}, "type"),
        ({"type": "payout.pending"}, "type"),
        ({"from": "yesterday"}, "from"),
        ({"limit": "0"}, "limit"),
        ({"status": "dead"}, "status"),
        ({"subject": ""}, "subject"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(api, query, parameter):
    answer = api.get("/events", **query)

    assert said(answer) == (400, "invalid_input")
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


def test_an_event_is_sent_again_to_whoever_wants_it_or_got_it_before(api, tell):
    got = create(api)["id"]
    (message,) = tell()
    api.patch(f"/webhook_endpoints/{got}", {"types": ["payout.failed"]})
    late = create(api, types=["payout.delivered"])["id"]
    create(api, types=["payout.failed"])
    off = create(api)["id"]
    api.patch(f"/webhook_endpoints/{off}", {"state": "disabled"})
    settle()

    answer = api.post(f"/events/{message.public_id}/resend", {})

    assert (answer.status_code, answer.json()) == (202, {"deliveries": 2})
    keys = {one.public_id: one.pk for one in Endpoint.objects.all()}
    assert deliveries() == [
        (message.pk, keys[got], "pending", 0, True),
        (message.pk, keys[late], "pending", 0, True),
    ]
    assert Message.objects.count() == 1


def test_an_event_is_sent_again_to_one_endpoint_alone(api, tell):
    create(api)
    chosen = create(api)["id"]
    (message,) = tell()
    settle()

    answer = api.post(f"/events/{message.public_id}/resend", {"endpoint": chosen})

    assert answer.json() == {"deliveries": 1}
    (pending,) = Delivery.objects.filter(state="pending")
    assert pending.endpoint.public_id == chosen


def test_a_test_goes_again_only_where_it_went(api):
    tested = create(api)["id"]
    create(api)
    event = api.post(f"/webhook_endpoints/{tested}/test", {}).json()["event"]
    settle()

    assert api.post(f"/events/{event}/resend", {}).json() == {"deliveries": 1}
    assert api.post("/events/resend", SPAN).json() == {"events": 0, "deliveries": 0}


def test_nothing_goes_to_a_disabled_endpoint_that_is_named(api, tell):
    off = create(api)["id"]
    (message,) = tell()
    settle()
    api.patch(f"/webhook_endpoints/{off}", {"state": "disabled"})
    before = deliveries()

    for path, body in (
        (f"/events/{message.public_id}/resend", {}),
        ("/events/resend", SPAN),
    ):
        refused = api.post(path, body | {"endpoint": off})
        assert said(refused) == (409, "webhook_endpoint_disabled")
    assert deliveries() == before


def test_an_event_of_another_door_is_neither_listed_nor_sent(api, tell, acme):
    create(api)
    (message,) = tell(door="disbursements", dialect="x_zo", type="payout.completed")

    assert ids(api.get("/events")) == []
    assert said(api.get(f"/events/{message.public_id}")) == (404, "event_not_found")
    assert api.post("/events/resend", SPAN).json() == {"events": 0, "deliveries": 0}
    # Nor by somebody in the admin, who may send it to the endpoints of its own door.
    assert services.resend([message]) == 0
    theirs, _ = services.create_endpoint(
        partner_id=acme.pk,
        livemode=api.livemode,
        url="https://hooks.example.com/",
        dialect="x_zo",
    )
    assert services.resend([message]) == 1
    assert Delivery.objects.get().endpoint == theirs


def test_a_span_of_time_is_sent_again_and_nothing_else(api, tell):
    create(api)
    create(api, types=["payout.failed"])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    told = [tell(type=kind)[0] for kind in ("payout.failed", "payout.delivered") * 3]
    for hour, message in enumerate(told):
        date_back(message, start + timedelta(hours=hour))
    settle()

    body = {"from": "2026-01-01T01:00:00Z", "to": "2026-01-01T04:00:00Z"}
    answer = api.post("/events/resend", body)

    assert (answer.status_code, answer.json()) == (202, {"events": 3, "deliveries": 4})
    pending = Delivery.objects.filter(state="pending", is_replay=True)
    assert {one.message_id for one in pending} == {message.pk for message in told[1:4]}

    settle()
    answer = api.post("/events/resend", body | {"types": ["payout.failed"]})
    assert answer.json() == {"events": 1, "deliveries": 2}


def test_a_thousand_events_are_sent_again_in_few_statements_and_one_more_in_none(api, tell):
    create(api)
    create(api)
    tell(1000)
    settle()
    with CaptureQueriesContext(connection) as seen:
        answer = api.post("/events/resend", SPAN)
    assert answer.json() == {"events": 1000, "deliveries": 2000}
    assert len(seen) < 15

    tell()
    settle()
    before = deliveries()
    refused = api.post("/events/resend", SPAN)
    assert said(refused) == (422, "too_many_events")
    assert refused.json()["most"] == 1000
    assert deliveries() == before


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/from", "/to"]),
        ({"from": "2026-01-01"}, ["/to"]),
        (SPAN | {"to": "tomorrow"}, ["/to"]),
        (SPAN | {"types": ["payout.invented"]}, ["/types/0"]),
        (SPAN | {"type": "payout.failed"}, ["/type"]),
        (SPAN | {"endpoint": 5}, ["/endpoint"]),
    ],
)
def test_a_span_that_is_not_said_properly_sends_nothing(api, tell, body, pointers):
    create(api)
    tell()
    settle()
    before = deliveries()

    answer = api.post("/events/resend", body)
    assert said(answer) == (400, "invalid_input")
    assert sorted(error["pointer"] for error in answer.json()["errors"]) == pointers
    assert deliveries() == before


def test_the_same_key_sends_again_once(live_api, acme):
    create(live_api)
    live_api.post(f"/webhook_endpoints/{Endpoint.objects.get().public_id}/test", {})
    path = f"/events/{Message.objects.get().public_id}/resend"

    first = live_api.post(path, {}, key="again-1")
    settle()
    second = live_api.post(path, {}, key="again-1")

    assert (first.status_code, second.status_code) == (202, 202)
    assert (second.content, second["Idempotent-Replayed"]) == (first.content, "true")
    assert Delivery.objects.get().state == "delivered"
