"""Every message arrives, with one id and the same bytes, whatever breaks on the way."""

import random
from contextlib import suppress
from threading import Event
from time import monotonic

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from standardwebhooks import Webhook

from engine.webhooks import outcomes, sending, services
from engine.webhooks.models import Attempt, Delivery, Endpoint, Message
from tests.meeting import Session
from tests.webhooks.conftest import pass_time

# Workers' threads have connections of their own, which see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


def test_a_message_arrives_once_and_verifies(receiver, listen, owe):
    _, secret = listen(receiver)
    (message,) = owe()

    assert sending.deliver() == 1
    assert sending.deliver() == 0

    ((headers, body),) = receiver.requests
    assert headers["webhook-id"] == message.public_id
    assert Webhook(secret).verify(body, headers) == {"n": 0}
    assert states() == ["delivered"]


def test_a_failed_message_comes_again_with_its_id_and_its_bytes(receiver, listen, owe):
    _, secret = listen(receiver)
    owe()
    receiver.answers = [500, 503, 302, 404, 200]

    for _ in range(5):
        sending.deliver()
        pass_time(hours=10)

    assert len(set(receiver.ids)) == 1
    assert len({body for _, body in receiver.requests}) == 1
    for headers, body in receiver.requests:
        Webhook(secret).verify(body, headers)
    assert [attempt.status for attempt in Attempt.objects.order_by("pk")] == [
        500, 503, 302, 404, 200
    ]  # fmt: skip
    assert states() == ["delivered"]


def test_retries_wait_as_long_as_the_dialect_says(receiver, listen, owe, monkeypatch):
    monkeypatch.setattr(random, "random", lambda: 0.5)
    monkeypatch.setattr(outcomes, "BREAKER_FAILURES", 1000)
    monkeypatch.setattr(outcomes, "FAILING_DAYS_MAX", 1000)
    listen(receiver)
    owe()
    receiver.answers = [500]
    waits = []

    for _ in range(10):
        sending.deliver()
        delivery = Delivery.objects.get()
        if delivery.due_at is not None:
            wait = (delivery.due_at - timezone.now()).total_seconds()
            waits.append(round(wait, -1) if wait > 60 else round(wait))
        pass_time(days=1, hours=5)

    minute, hour = 60, 3600
    assert waits == [
        5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour,
        24 * hour,
    ]  # fmt: skip
    assert len(receiver.requests) == 10
    assert states() == ["dead"]


def test_retry_after_is_honoured_up_to_an_hour(receiver, listen, owe):
    listen(receiver)
    owe()
    receiver.answers, receiver.headers = [429], {"Retry-After": "900"}
    sending.deliver()
    first = (Delivery.objects.get().due_at - timezone.now()).total_seconds()
    receiver.headers = {"Retry-After": "99999"}
    pass_time(hours=1)
    sending.deliver()
    second = (Delivery.objects.get().due_at - timezone.now()).total_seconds()

    assert 890 < first <= 900
    assert 3590 < second <= 3600


@pytest.mark.parametrize(
    "text", ["", "-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "９", "9" * 9]
)
def test_a_strange_retry_after_is_nothing(text):
    assert sending._retry_after(text) == 0


def test_410_switches_an_endpoint_off_and_what_it_is_owed_waits(
    receiver, listen, owe, settings
):
    settings.OPERATORS_EMAIL = "operators@example.com"
    endpoint, _ = listen(receiver)
    owe(3)
    receiver.answers = [410]

    sending.deliver()
    pass_time(days=1)
    sending.deliver()

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "It answered 410 Gone.")
    assert 1 <= len(receiver.requests) <= 2
    assert states() == ["pending"] * 3
    assert [message.to for message in mail.outbox] == [["operators@example.com"]]

    receiver.answers = [200]
    services.enable(endpoint_id=endpoint.pk)
    sending.deliver()
    assert states() == ["delivered"] * 3


def test_an_endpoint_that_only_failed_for_five_days_is_switched_off(receiver, listen, owe):
    endpoint, _ = listen(receiver)
    owe()
    receiver.answers = [500]
    sending.deliver()
    pass_time(days=4, hours=23)
    sending.deliver()
    endpoint.refresh_from_db()
    assert endpoint.state == "enabled"

    pass_time(hours=2)
    sending.deliver()

    endpoint.refresh_from_db()
    assert endpoint.state == "disabled"
    assert "5 days" in endpoint.disabled_reason


def test_one_success_forgives_every_failure(receiver, listen, owe):
    endpoint, _ = listen(receiver)
    owe()
    receiver.answers = [500, 200]
    sending.deliver()
    pass_time(days=4)
    sending.deliver()

    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.failing_since, endpoint.paused_until) == (0, None, None)


def test_at_most_two_requests_at_a_time_reach_an_endpoint(receiver, listen, owe):
    listen(receiver)
    owe(12)
    receiver.seconds = 0.05

    sessions = [Session(sending.deliver) for _ in range(3)]
    sent = [session.wait() for session in sessions]

    assert sum(sent) == 12
    assert receiver.most_at_once == 2
    assert sorted(receiver.ids) == sorted(
        message.public_id for message in Message.objects.all()
    )


def test_a_slow_receiver_holds_up_nobody_else(new_receiver, listen, owe):
    slow, quick = new_receiver(), new_receiver()
    slow.seconds = 2.0
    listen(slow)
    listen(quick)
    owe(2)
    began = monotonic()

    worker = Session(sending.deliver)
    while len(quick.requests) < 2:
        assert monotonic() - began < 1.5
    owe(1)
    while len(quick.requests) < 3:
        # Taken up by the worker that still waits for the slow one.
        assert monotonic() - began < 1.9
    worker.wait()

    assert states() == ["delivered"] * 6


def test_an_endpoint_whose_secret_cannot_be_read_breaks_no_other(new_receiver, listen, owe):
    broken, whole = new_receiver(), new_receiver()
    endpoint, _ = listen(broken)
    Endpoint.objects.filter(pk=endpoint.pk).update(secret=b"sealed by nobody")
    listen(whole)
    owe(3)

    sending.deliver()

    endpoint.refresh_from_db()
    assert (len(broken.requests), len(whole.requests)) == (0, 3)
    assert endpoint.paused_until > timezone.now()
    assert states() == ["delivered"] * 3 + ["pending"] * 3


def test_two_workers_never_have_one_delivery_in_hand(listen, owe, receiver):
    endpoint, _ = listen(receiver)
    owe(1)

    first = sending._next_delivery(endpoint)
    second = Session(lambda: sending._next_delivery(endpoint)).wait()

    assert first is not None
    assert second is None


def test_an_endpoint_is_one_worker_s_at_a_time(listen, owe, receiver):
    listen(receiver)
    owe(1)

    first = sending._lease_endpoints(8)
    second = Session(lambda: sending._lease_endpoints(8)).wait()

    assert (len(first), second) == (1, [])


CRASHES = ["_lease_endpoints", "_next_delivery", "_ask", "record", "_release"]


@pytest.mark.parametrize("name", CRASHES)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_may_die_at_any_line(receiver, listen, owe, monkeypatch, name, moment):
    listen(receiver)
    (message,) = owe()
    step, died = getattr(sending, name), Event()

    def dying(*args, **kwargs):
        if died.is_set():
            return step(*args, **kwargs)
        if moment == "after":
            step(*args, **kwargs)
        died.set()
        raise RuntimeError("killed")

    monkeypatch.setattr(sending, name, dying)
    with suppress(RuntimeError):
        sending.deliver()
    pass_time(minutes=5)
    sending.deliver()

    assert died.is_set()
    assert states() == ["delivered"]
    # At least once: a death between the reply and its record sends the same id again.
    assert set(receiver.ids) == {message.public_id}
    assert len(receiver.requests) <= 2


def test_a_thousand_messages_survive_six_hours_of_silence(receiver, listen, owe):
    _, secret = listen(receiver)
    owe(1000)
    receiver.answers = [503]
    for _ in range(72):
        sending.deliver()
        pass_time(minutes=5)
    tried = len(receiver.requests)
    receiver.answers, receiver.requests = [200], []

    while sending.deliver():
        pass_time(hours=3)

    assert len(receiver.requests) == len(set(receiver.ids)) == 1000
    assert states() == ["delivered"] * 1000
    for headers, body in receiver.requests:
        Webhook(secret).verify(body, headers)
    # The breaker spared the receiver: a thousand messages were not a thousand knocks an hour.
    assert tried < 300


def test_a_secret_rolled_between_attempts_verifies_with_either(receiver, listen, owe):
    endpoint, old = listen(receiver)
    owe()
    receiver.answers = [500, 200]
    sending.deliver()
    new = services.roll_secret(endpoint_id=endpoint.pk)
    pass_time(hours=1)
    sending.deliver()

    (first, _), (second, body) = receiver.requests
    Webhook(old).verify(body, first)
    for secret in (old, new):
        Webhook(secret).verify(body, second)
    assert len(second["webhook-signature"].split()) == 2


def test_a_day_after_the_roll_the_old_secret_signs_no_more(receiver, listen, owe):
    endpoint, _ = listen(receiver)
    new = services.roll_secret(endpoint_id=endpoint.pk)
    pass_time(hours=24)
    owe()

    sending.deliver()

    ((headers, body),) = receiver.requests
    Webhook(new).verify(body, headers)
    assert len(headers["webhook-signature"].split()) == 1


def test_an_attempt_keeps_what_was_said_but_no_signature(receiver, listen, owe):
    listen(receiver)
    owe()

    sending.deliver()

    attempt = Attempt.objects.get()
    assert attempt.request_headers["webhook-signature"] == "…"
    assert bytes(attempt.reply) == b"ok"
    assert (attempt.status, attempt.error) == (200, "")


def test_nobody_there_is_a_failure_with_a_reason(receiver, listen, owe):
    listen(receiver)
    receiver.close()
    owe()

    sending.deliver()

    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error) == (None, "refused")
    assert states() == ["pending"]


def test_an_address_that_turned_inward_is_not_called(receiver, listen, owe, settings):
    listen(receiver)
    owe()
    settings.WEBHOOK_ALLOW_LOOPBACK = False

    sending.deliver()

    assert receiver.requests == []
    assert Attempt.objects.get().status is None


@pytest.mark.parametrize("table", ["webhooks_message", "webhooks_attempt"])
def test_what_was_told_is_for_ever(receiver, listen, owe, table):
    listen(receiver)
    owe()
    sending.deliver()

    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET id = id"):
        with (
            pytest.raises(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_sending_again_keeps_id_and_bytes(receiver, listen, owe):
    endpoint, _ = listen(receiver)
    (message,) = owe()
    sending.deliver()

    assert services.resend([message]) == 1
    sending.deliver()

    assert receiver.ids == [message.public_id] * 2
    assert receiver.requests[0][1] == receiver.requests[1][1]
    assert Delivery.objects.get().is_replay
    assert Endpoint.objects.get(pk=endpoint.pk).failures == 0
