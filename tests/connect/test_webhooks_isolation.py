"""Webhooks of another partner, or of the other mode, do not exist."""

import pytest

from engine.common.ids import new_id
from engine.webhooks.models import Delivery, Message
from tests.connect.test_webhooks_endpoints import create, rows, said

NO_ENDPOINT = (404, "webhook_endpoint_not_found")
NO_EVENT = (404, "event_not_found")
STRANGERS = ["other_live_api", "other_test_api", "test_api"]
VERBS = [
    lambda api, path: api.get(path),
    lambda api, path: api.patch(
        path, {"url": "https://mine.example.com/", "state": "disabled"}
    ),
    lambda api, path: api.delete(path),
    lambda api, path: api.post(f"{path}/roll_secret", {}),
    lambda api, path: api.post(f"{path}/test", {}),
]


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("verb", VERBS, ids=["get", "patch", "delete", "roll", "test"])
def test_another_s_endpoint_is_the_same_404_and_stays_as_it_is(
    request, live_api, stranger, verb
):
    made = create(live_api)
    before, api = rows(), request.getfixturevalue(stranger)

    theirs = verb(api, f"/webhook_endpoints/{made['id']}")
    nothing = verb(api, f"/webhook_endpoints/whe_{new_id().hex}")

    assert said(theirs) == NO_ENDPOINT
    assert {**theirs.json(), "request_id": ""} == {**nothing.json(), "request_id": ""}
    assert (rows(), Message.objects.count()) == (before, 0)
    assert api.get("/webhook_endpoints").json() == {"data": [], "cursor": None}


@pytest.mark.parametrize("text", ["nonsense", "whe_1", "WHE_" + "0" * 32, "evt_" + "0" * 32])
def test_an_id_that_cannot_be_is_one_that_is_not(api, text):
    assert said(api.get(f"/webhook_endpoints/{text}")) == NO_ENDPOINT


@pytest.fixture
def theirs(live_api, finish):
    """One of Acme's live endpoints, and an event that is owed to it."""
    endpoint = create(live_api)
    payout = live_api.pay()
    finish()
    (event,) = live_api.get("/events", type="payout.delivered").json()["data"]
    return {"endpoint": endpoint["id"], "event": event["id"], "payout": payout["id"]}


def deliveries():
    return list(Delivery.objects.order_by("pk").values())


@pytest.mark.parametrize("stranger", STRANGERS)
def test_another_s_events_are_not_listed_nor_found_nor_sent(request, theirs, stranger):
    api, before = request.getfixturevalue(stranger), deliveries()
    own = create(api)["id"]

    assert api.get("/events").json() == {"data": [], "cursor": None}
    assert api.get("/events", subject=theirs["payout"]).json()["data"] == []
    for path, missing in (
        (f"/events/{theirs['event']}", f"/events/evt_{new_id().hex}"),
        (f"/events/{theirs['event']}/resend", f"/events/evt_{new_id().hex}/resend"),
    ):
        ask = api.get if path.endswith(theirs["event"]) else lambda to: api.post(to, {})
        seen, nothing = ask(path), ask(missing)
        assert said(seen) == NO_EVENT
        assert {**seen.json(), "request_id": ""} == {**nothing.json(), "request_id": ""}
    span = {"from": "2020-01-01", "to": "2099-01-01"}
    assert api.post("/events/resend", span).json() == {"events": 0, "deliveries": 0}
    assert (
        said(api.post("/events/resend", span | {"endpoint": theirs["endpoint"]})) == NO_ENDPOINT
    )
    assert api.post("/events/resend", span | {"endpoint": own}).json()["deliveries"] == 0
    assert deliveries() == before


@pytest.mark.parametrize("stranger", STRANGERS)
def test_an_own_event_does_not_go_to_another_s_endpoint(request, theirs, stranger):
    api = request.getfixturevalue(stranger)
    own = create(api)["id"]
    event = api.post(f"/webhook_endpoints/{own}/test", {}).json()["event"]
    before = deliveries()

    refused = api.post(f"/events/{event}/resend", {"endpoint": theirs["endpoint"]})
    assert said(refused) == NO_ENDPOINT
    assert deliveries() == before


@pytest.mark.parametrize("text", ["nonsense", "evt_1", "EVT_" + "0" * 32, "whe_" + "0" * 32])
def test_the_id_of_an_event_that_cannot_be_is_one_that_is_not(api, text):
    assert said(api.get(f"/events/{text}")) == NO_EVENT
    assert said(api.post(f"/events/{text}/resend", {})) == NO_EVENT
