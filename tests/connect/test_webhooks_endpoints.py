"""Webhook endpoints by API: where a partner wants to be told, and with which secret."""

import json
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction

from engine.partners.models import StoredAnswer
from engine.webhooks import services
from engine.webhooks.errors import TooManyEndpoints
from engine.webhooks.models import Delivery, Endpoint, Message
from tests.meeting import Session, wait_until_somebody_waits_for_me

URL = "https://hooks.example.com/zopay"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
NOT_FOUND = (404, "webhook_endpoint_not_found")


def said(answer):
    return answer.status_code, answer.json()["code"]


def create(api, **changes):
    """A new endpoint, as its one answer shows it."""
    answer = api.post("/webhook_endpoints", {"url": URL} | changes)
    assert answer.status_code == 201, answer.content
    return answer.json()


def rows():
    """All endpoints, to the last byte of their secrets."""
    return [
        {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row}
        for row in (row.items() for row in Endpoint.objects.order_by("pk").values())
    ]


def everything_stored():
    """The whole database as text, byte columns as text too."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
            found += [row for (row,) in cursor.fetchall()]
    found += [
        bytes(body).decode() for body in StoredAnswer.objects.values_list("body", flat=True)
    ]
    return "\n".join(found)


def test_a_new_endpoint_is_what_was_asked_for(api):
    answer = api.post(
        "/webhook_endpoints",
        {"url": URL, "types": ["payout.failed", "payout.delivered"], "description": "Payroll"},
    )

    made = answer.json()
    endpoint = Endpoint.objects.get()
    assert answer.status_code == 201
    assert SECRET.fullmatch(made.pop("secret"))
    assert made == {
        "id": f"whe_{endpoint.pk.hex}",
        "url": URL,
        "types": ["payout.failed", "payout.delivered"],
        "description": "Payroll",
        "state": "enabled",
        "created_at": endpoint.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        + "Z",
    }
    assert (endpoint.livemode, endpoint.dialect) == (api.livemode, "standard")


def test_what_is_not_said_means_every_type_and_no_description(api):
    made = create(api)

    assert (made["types"], made["description"]) == ([], "")


def test_a_type_named_twice_counts_once(api):
    assert create(api, types=["payout.failed", "payout.failed"])["types"] == ["payout.failed"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example.com/", "scheme"),
        ("https://user:pw@hooks.example.com/", "userinfo"),
        ("https://169.254.169.254/latest/meta-data", "numeric_host"),
        ("https://[::1]/", "numeric_host"),
        ("https://localhost/", "not_public"),
        ("https://hooks.example.com:22/", "port"),
        ("https://hooks.example.com/#a", "fragment"),
        ("hooks.example.com", "malformed"),
        ("https://hooks.example.com/a b", "characters"),
    ],
)
def test_an_address_we_do_not_send_to_is_refused_with_a_reason(api, settings, url, reason):
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    answer = api.post("/webhook_endpoints", {"url": url})

    assert said(answer) == (422, "webhook_url_refused")
    assert answer.json()["reason"] == reason
    assert rows() == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": 5}, "/url"),
        ({"url": None}, "/url"),
        ({"url": "https://hooks.example.com/" + "a" * 2023}, "/url"),
        ({"url": URL, "types": ["payout.invented"]}, "/types/0"),
        ({"url": URL, "types": ["payout.pending"]}, "/types/0"),
        ({"url": URL, "types": ["webhook.test"]}, "/types/0"),
        ({"url": URL, "types": "payout.failed"}, "/types"),
        ({"url": URL, "types": None}, "/types"),
        ({"url": URL, "description": "a" * 256}, "/description"),
        ({"url": URL, "description": "a\nb"}, "/description"),
        ({"url": URL, "state": "disabled"}, "/state"),
        ({"url": URL, "secret": "whsec_mine"}, "/secret"),
        ({"url": URL, "dialect": "x_zo"}, "/dialect"),
    ],
)
def test_a_body_that_is_not_of_the_form_makes_nothing(api, body, pointer):
    answer = api.post("/webhook_endpoints", body)

    assert said(answer) == (400, "invalid_input")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert rows() == []


def test_twenty_are_enough_in_one_mode_and_a_deleted_one_makes_room(live_api, test_api):
    made = [create(live_api)["id"] for _ in range(20)]
    refused = live_api.post("/webhook_endpoints", {"url": URL})

    assert said(refused) == (422, "too_many_webhook_endpoints")
    assert Endpoint.objects.count() == 20
    create(test_api)
    assert live_api.delete(f"/webhook_endpoints/{made[7]}").status_code == 204
    create(live_api)
    assert said(live_api.post("/webhook_endpoints", {"url": URL})) == said(refused)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_the_second_counts_the_first(acme):
    def register():
        return services.create_endpoint(partner_id=acme.pk, livemode=True, url=URL)

    for _ in range(19):
        register()
    with transaction.atomic():
        register()
        second = Session(register)
        wait_until_somebody_waits_for_me()

    with pytest.raises(TooManyEndpoints):
        second.wait()
    assert Endpoint.objects.count() == 20


def test_the_list_is_newest_first_by_cursor_and_without_secrets(api):
    made = [create(api, description=str(number)) for number in range(3)][::-1]
    first = api.get("/webhook_endpoints", limit=2).json()
    rest = api.get("/webhook_endpoints", limit=2, cursor=first["cursor"]).json()

    shown = [{name: row[name] for name in row if name != "secret"} for row in made]
    assert first["data"] + rest["data"] == shown
    assert rest["cursor"] is None
    assert api.get(f"/webhook_endpoints/{made[0]['id']}").json() == shown[0]


def test_a_cursor_of_another_list_is_refused(api):
    for _ in range(2):
        create(api)
    cursor = api.get("/webhook_endpoints", limit=1).json()["cursor"]

    assert said(api.get("/events", cursor=cursor)) == (400, "invalid_input")


def test_only_what_is_sent_is_changed(api):
    made = create(api, types=["payout.failed"], description="Payroll")
    path = f"/webhook_endpoints/{made.pop('id')}"
    made.pop("secret")
    for change in (
        {},
        {"description": ""},
        {"types": []},
        {"types": ["payout.broadcast"]},
        {"url": "https://other.example.com/"},
        {"state": "enabled"},
    ):
        made |= change
        answer = api.patch(path, change)
        assert answer.status_code == 200
        assert answer.json().items() >= made.items()


def test_disabled_stops_and_says_why_and_enabled_goes_on(api):
    path = f"/webhook_endpoints/{create(api)['id']}"

    off = api.patch(path, {"state": "disabled"}).json()
    assert (off["state"], off["disabled_reason"]) == ("disabled", "The partner disabled it.")
    on = api.patch(path, {"state": "enabled"}).json()
    assert on["state"] == "enabled"
    assert "disabled_reason" not in on


def test_disabling_again_does_not_hide_why_it_was_disabled(api):
    made = create(api)
    services.disable(endpoint_id=Endpoint.objects.get().pk, reason="It answered 410 Gone.")

    answer = api.patch(f"/webhook_endpoints/{made['id']}", {"state": "disabled"})
    assert answer.json()["disabled_reason"] == "It answered 410 Gone."


def test_a_new_address_starts_without_the_old_one_s_failures(api):
    path = f"/webhook_endpoints/{create(api)['id']}"
    since = datetime(2026, 1, 31, 12, tzinfo=UTC)
    Endpoint.objects.update(failing_since=since, failures=7, paused_until=since)

    assert api.patch(path, {"url": URL}).json()["failing_since"] == "2026-01-31T12:00:00.000Z"
    assert "failing_since" not in api.patch(path, {"url": f"{URL}/2"}).json()
    endpoint = Endpoint.objects.get()
    assert (endpoint.failures, endpoint.paused_until) == (0, None)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"url": "https://10.0.0.1/", "types": [], "state": "disabled"}, 422),
        ({"types": ["payout.invented"], "state": "disabled"}, 400),
        ({"state": "deleted"}, 400),
        ({"secret": "whsec_mine"}, 400),
    ],
)
def test_a_refused_change_changes_nothing(api, change, status):
    made = create(api, types=["payout.failed"])
    before = rows()

    assert api.patch(f"/webhook_endpoints/{made['id']}", change).status_code == status
    assert rows() == before


def test_a_deleted_endpoint_is_gone_and_what_it_was_owed_is_given_up(api, funded):
    made = create(api)
    path = f"/webhook_endpoints/{made['id']}"
    api.post(f"{path}/test", {})
    answer = api.delete(path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer
    for gone in (
        api.get(path),
        api.patch(path, {"state": "enabled"}),
        api.delete(path),
        api.post(f"{path}/roll_secret", {}),
        api.post(f"{path}/test", {}),
        api.post(
            "/events/resend", {"from": "2026-01-01", "to": "2026-01-02", "endpoint": made["id"]}
        ),
    ):
        assert said(gone) == NOT_FOUND
    assert api.get("/webhook_endpoints").json()["data"] == []
    assert list(Delivery.objects.values_list("state", "due_at")) == [("dead", None)]
    endpoint = Endpoint.objects.get()
    assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "The partner deleted it.")
    services.enable(endpoint_id=endpoint.pk)
    api.pay()
    assert Delivery.objects.filter(state="pending").count() == 0


def test_a_rolled_secret_is_new_and_the_old_one_signs_for_a_day_more(api):
    made = create(api)
    before = datetime.now(UTC)
    answer = api.post(f"/webhook_endpoints/{made['id']}/roll_secret", {})

    rolled = answer.json()
    assert answer.status_code == 200
    assert set(rolled) == {"secret", "old_secret_until"}
    until = datetime.fromisoformat(rolled["old_secret_until"])
    assert timedelta(hours=24) <= until - before + timedelta(milliseconds=1)
    assert until - before < timedelta(hours=24, minutes=1)
    endpoint = Endpoint.objects.get()
    assert services.secrets_of(endpoint, now=before) == [rolled["secret"], made["secret"]]


def test_a_test_event_goes_to_that_endpoint_alone(api):
    made = create(api, types=["payout.failed"])
    create(api)
    answer = api.post(f"/webhook_endpoints/{made['id']}/test", {})

    message = Message.objects.get()
    assert (answer.status_code, answer.json()) == (202, {"event": message.public_id})
    delivery = Delivery.objects.get()
    assert (delivery.endpoint.public_id, delivery.state) == (made["id"], "pending")
    event = api.get(f"/events/{message.public_id}").json()
    assert (event["type"], event["subject"], event["sequence"]) == (
        "webhook.test",
        made["id"],
        1,
    )
    assert event["body"]["data"] == {"endpoint": made["id"]}


def test_a_disabled_endpoint_is_not_tested(api):
    made = create(api)
    api.patch(f"/webhook_endpoints/{made['id']}", {"state": "disabled"})

    refused = api.post(f"/webhook_endpoints/{made['id']}/test", {})
    assert said(refused) == (409, "webhook_endpoint_disabled")
    assert Message.objects.count() == 0


def test_secrets_are_shown_once_and_kept_nowhere(live_api, caplog):
    caplog.set_level("DEBUG")
    key = str(uuid4())
    made = live_api.post("/webhook_endpoints", {"url": URL}, key=key)
    path = f"/webhook_endpoints/{made.json()['id']}"
    rolled = live_api.post(f"{path}/roll_secret", {}, key=str(uuid4()))
    secrets = [made.json()["secret"], rolled.json()["secret"]]
    event = live_api.post(f"{path}/test", {}, key=str(uuid4())).json()["event"]

    seen = [everything_stored(), caplog.text]
    for answer in (
        live_api.get("/webhook_endpoints"),
        live_api.get(path),
        live_api.patch(path, {"description": "again"}),
        live_api.get("/events"),
        live_api.get(f"/events/{event}"),
    ):
        assert answer.status_code == 200
        seen.append(answer.text + str(answer.headers))
    text = "\n".join(seen)
    assert made.json()["id"] in text
    for secret in secrets:
        assert SECRET.fullmatch(secret)
        assert secret.removeprefix("whsec_") not in text
    assert not SECRET.search(text)
    assert LogEntry.objects.count() == 0
    # The one stored answer is the test's, which holds no secret.
    assert [json.loads(bytes(kept.body)) for kept in StoredAnswer.objects.all()] == [
        {"event": event}
    ]


def test_an_idempotency_key_is_not_looked_at_where_a_secret_is_shown(live_api):
    key = str(uuid4())
    answers = [live_api.post("/webhook_endpoints", {"url": URL}, key=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert "Idempotent-Replayed" not in answers[1]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert StoredAnswer.objects.count() == 0


def test_endpoints_of_another_door_are_not_connect_s(live_api, acme):
    endpoint, _ = services.create_endpoint(
        partner_id=acme.pk, livemode=True, url=URL, dialect="x_zo"
    )

    assert live_api.get("/webhook_endpoints").json()["data"] == []
    assert said(live_api.get(f"/webhook_endpoints/{endpoint.public_id}")) == NOT_FOUND
