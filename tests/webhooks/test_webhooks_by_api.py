"""From the API to a partner's own server and back: what is sent again is what was sent."""

import pytest
from standardwebhooks import Webhook

from engine.webhooks import sending, services
from engine.webhooks.models import Delivery
from tests.connect.test_webhooks_endpoints import create
from tests.webhooks.conftest import pass_time

# Workers' threads have connections of their own, which see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_event_sent_again_has_its_id_and_its_bytes_and_a_fresh_signature(
    test_api, finish, receiver
):
    secret = create(test_api, url=receiver.url, types=["payout.delivered"])["secret"]
    test_api.pay()
    finish()
    sending.deliver()
    (event,) = test_api.get("/events", type="payout.delivered").json()["data"]
    assert event["deliveries"][0]["state"] == "delivered"

    sent = test_api.post(f"/events/{event['id']}/resend", {})
    assert (sent.status_code, sent.json()) == (202, {"deliveries": 1})
    assert sending.deliver() == 1

    (first, again) = receiver.requests
    assert first[0]["webhook-id"] == again[0]["webhook-id"] == event["id"]
    assert first[1] == again[1]
    for headers, body in (first, again):
        assert Webhook(secret).verify(body, headers) == event["body"]
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.is_replay) == ("delivered", 1, True)
    assert [attempt.status for attempt in delivery.attempts.all()] == [200, 200]


def test_what_x_zo_sends_again_says_so_and_is_the_same(acme, receiver):
    services.create_endpoint(
        partner_id=acme.pk, livemode=True, url=receiver.url, dialect="x_zo"
    )
    (message,) = services.owe_messages(
        [
            services.Draft(
                partner_id=acme.pk,
                livemode=True,
                door="disbursements",
                dialect="x_zo",
                type="payout.completed",
                reference="tests:1",
                subject="p-1",
                sequence=1,
                body=b'{"event":"payout.completed"}',
            )
        ]
    )
    sending.deliver()
    services.resend([message])
    sending.deliver()

    headers = [headers for headers, _ in receiver.requests]
    assert [one.get("X-Zo-Replay") for one in headers] == [None, "true"]
    assert {one["X-Zo-Delivery-Id"] for one in headers} == {message.public_id}
    assert {body for _, body in receiver.requests} == {b'{"event":"payout.completed"}'}


def test_a_test_arrives_and_verifies_with_both_secrets_of_a_roll(test_api, receiver):
    made = create(test_api, url=receiver.url)
    path = f"/webhook_endpoints/{made['id']}"
    rolled = test_api.post(f"{path}/roll_secret", {}).json()["secret"]
    event = test_api.post(f"{path}/test", {}).json()["event"]
    sending.deliver()

    ((headers, body),) = receiver.requests
    assert headers["webhook-id"] == event
    for secret in (made["secret"], rolled):
        assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"


def test_a_deleted_endpoint_gets_nothing_more(test_api, receiver):
    receiver.answers = [500]
    path = f"/webhook_endpoints/{create(test_api, url=receiver.url)['id']}"
    test_api.post(f"{path}/test", {})
    sending.deliver()
    test_api.post(f"{path}/test", {})
    assert test_api.delete(path).status_code == 204
    pass_time(days=2)

    assert sending.deliver() == 0
    assert len(receiver.requests) == 1
    assert set(Delivery.objects.values_list("state", flat=True)) == {"dead"}
    test_api.pay()
    assert sending.deliver() == 0


def test_what_waited_for_a_disabled_endpoint_goes_to_its_new_address(
    test_api, receiver, new_receiver
):
    path = f"/webhook_endpoints/{create(test_api, url=receiver.url)['id']}"
    test_api.post(f"{path}/test", {})
    test_api.patch(path, {"state": "disabled"})
    assert sending.deliver() == 0
    elsewhere = new_receiver()

    test_api.patch(path, {"state": "enabled", "url": elsewhere.url})
    assert sending.deliver() == 1
    assert (len(receiver.requests), len(elsewhere.requests)) == (0, 1)
