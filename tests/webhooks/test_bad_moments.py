"""What arrives while a worker has a message in its hands: nothing is lost, nothing is undone."""

import json
from datetime import timedelta
from threading import Event

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from engine.webhooks import outcomes, sending, services
from engine.webhooks.dialects.base import dialect_named
from engine.webhooks.models import Attempt, Delivery, Endpoint, Message
from tests.meeting import SECONDS_MAX, Session, wait_until_somebody_waits_for_me
from tests.webhooks.conftest import pass_time

# Workers' threads have connections of their own, which see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def meanwhile(monkeypatch):
    """Have something happen while the first request is under way."""
    ask = sending._ask

    def arrange(happening):
        happened = Event()

        def asking(*args):
            outcome = ask(*args)
            if not happened.is_set():
                happened.set()
                happening()
            return outcome

        monkeypatch.setattr(sending, "_ask", asking)

    return arrange


def take(endpoint):
    """What a worker has in hand, when it stands still just before its request."""
    return sending._next_delivery(Endpoint.objects.get(pk=endpoint.pk))


def write_down(endpoint, in_hand, status):
    return outcomes.record(
        endpoint,
        in_hand,
        outcome=outcomes.Outcome(milliseconds=1, status=status),
        dialect=dialect_named(endpoint.dialect),
    )


@pytest.mark.parametrize("answer", [200, 500])
def test_what_is_sent_again_while_it_is_in_hand_is_sent_again(
    receiver, listen, owe, meanwhile, answer
):
    listen(receiver)
    (message,) = owe()
    # The last try there is: its failure would end the delivery for good.
    Delivery.objects.update(tries=9)
    receiver.answers = [answer, 200]
    meanwhile(lambda: services.resend([message]))

    sending.deliver()
    pass_time(seconds=1)
    sending.deliver()

    assert receiver.ids == [message.public_id] * 2
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.is_replay) == ("delivered", 1, True)
    assert [attempt.status for attempt in Attempt.objects.order_by("pk")] == [answer, 200]


def test_what_is_sent_again_while_it_is_in_hand_waits_for_that_hand(receiver, listen, owe):
    endpoint, _ = listen(receiver)
    (message,) = owe()
    first = take(endpoint)

    services.resend([message])

    assert first is not None
    assert take(endpoint) is None


@pytest.mark.parametrize("status", [500, 410])
def test_a_failure_told_too_late_undoes_no_success(receiver, listen, owe, status):
    endpoint, _ = listen(receiver)
    owe()
    slow = take(endpoint)
    pass_time(minutes=5)
    quick = take(endpoint)
    write_down(endpoint, quick, 200)

    write_down(endpoint, slow, status)

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.due_at) == ("delivered", 1, None)
    assert [attempt.status for attempt in Attempt.objects.order_by("pk")] == [200, status]


def test_a_worker_who_lost_its_lease_does_not_free_the_next_one_s_delivery(
    receiver, listen, owe
):
    endpoint, _ = listen(receiver)
    owe()
    slow = take(endpoint)
    pass_time(minutes=5)
    assert take(endpoint) is not None

    write_down(endpoint, slow, 500)

    assert take(endpoint) is None


def test_a_success_told_too_late_is_on_record_and_the_next_one_decides(receiver, listen, owe):
    endpoint, _ = listen(receiver)
    owe()
    slow = take(endpoint)
    pass_time(minutes=5)
    quick = take(endpoint)
    write_down(endpoint, slow, 200)

    write_down(endpoint, quick, 500)

    assert [attempt.status for attempt in Attempt.objects.order_by("pk")] == [200, 500]
    assert Delivery.objects.get().state == "pending"


def test_a_worker_who_lost_its_endpoint_does_not_free_it(receiver, listen, owe):
    listen(receiver)
    owe()
    slow = sending._lease_endpoints(8)
    pass_time(minutes=5)
    quick = sending._lease_endpoints(8)

    sending._release(slow)

    assert sending._lease_endpoints(8) == []
    sending._release(quick)
    assert len(sending._lease_endpoints(8)) == 1


def test_a_worker_who_lost_its_endpoint_sends_no_more(receiver, listen, owe, meanwhile):
    listen(receiver)
    owe(6)

    def stand_still():
        pass_time(minutes=5)
        sending._lease_endpoints(8)

    meanwhile(stand_still)
    sending.deliver()

    # What the two runs had in hand, and at most the one that the other took meanwhile.
    assert len(receiver.requests) <= 3


def test_an_endpoint_switched_off_gets_nothing_more(receiver, listen, owe, meanwhile):
    endpoint, _ = listen(receiver)
    owe(30)
    receiver.seconds = 0.05
    meanwhile(lambda: services.disable(endpoint_id=endpoint.pk, reason="Enough."))

    sending.deliver()

    assert len(receiver.requests) <= 4
    assert Delivery.objects.filter(state="pending").count() >= 26


@pytest.mark.parametrize(("answer", "state"), [(500, "dead"), (200, "delivered")])
def test_an_endpoint_deleted_meanwhile_is_owed_nothing(
    receiver, listen, owe, meanwhile, answer, state
):
    endpoint, _ = listen(receiver)
    owe()
    receiver.answers = [answer]
    meanwhile(lambda: services.delete_endpoint(endpoint_id=endpoint.pk))

    sending.deliver()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.leased_until) == (state, None)


def test_a_deletion_waits_for_no_worker_and_leaves_nothing_pending(receiver, listen, owe):
    endpoint, _ = listen(receiver)
    owe(3)
    in_hand, locked, go_on = take(endpoint), Event(), Event()

    @transaction.atomic
    def record_slowly():
        Delivery.objects.select_for_update(no_key=True).get(pk=in_hand.delivery_id)
        locked.set()
        assert go_on.wait(SECONDS_MAX)
        write_down(endpoint, in_hand, 500)

    worker = Session(record_slowly)
    assert locked.wait(SECONDS_MAX)
    with transaction.atomic():
        services.delete_endpoint(endpoint_id=endpoint.pk)
        go_on.set()
        wait_until_somebody_waits_for_me()
    worker.wait()

    assert list(Delivery.objects.values_list("state", flat=True)) == ["dead"] * 3


@pytest.mark.parametrize("status", [410, 500])
def test_what_the_old_address_answers_is_not_held_against_the_new_one(
    new_receiver, listen, owe, meanwhile, status
):
    old, new = new_receiver(), new_receiver()
    endpoint, _ = listen(old)
    owe()
    old.answers = [status]
    meanwhile(lambda: services.change_endpoint(endpoint_id=endpoint.pk, url=new.url))

    sending.deliver()

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.failures, endpoint.failing_since) == ("enabled", 0, None)
    pass_time(minutes=1)
    sending.deliver()
    assert len(new.requests) == 1


def test_a_step_never_waits_for_a_worker_who_counts_a_failure(receiver, listen, owe):
    endpoint, _ = listen(receiver)
    owe()
    in_hand, counted, done = take(endpoint), Event(), Event()

    @transaction.atomic
    def count():
        write_down(endpoint, in_hand, 500)
        counted.set()
        assert done.wait(SECONDS_MAX)

    worker = Session(count)
    assert counted.wait(SECONDS_MAX)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '200ms'")
            owe()
    finally:
        done.set()
        worker.wait()

    assert Delivery.objects.count() == 2


def test_a_full_outbox_of_one_keeps_no_other_waiting_for_ever(
    new_receiver, listen, owe, monkeypatch
):
    monkeypatch.setattr(sending, "ENDPOINTS_AT_ONCE", 1)
    monkeypatch.setattr(sending, "RUN_SECONDS_MAX", 0.3)
    busy, quiet = new_receiver(), new_receiver()
    busy.seconds = 0.05
    listen(busy)
    owe(100)
    listen(quiet)
    owe(1)

    for _ in range(2):
        sending.deliver()

    assert len(quiet.requests) == 1
    assert Delivery.objects.filter(state="pending").count() > 50


def test_one_long_outbox_gives_way_within_a_run(new_receiver, listen, owe, monkeypatch):
    monkeypatch.setattr(sending, "ENDPOINTS_AT_ONCE", 1)
    monkeypatch.setattr(sending, "RUN_SECONDS_MAX", 3.0)
    monkeypatch.setattr(sending, "TURN_SECONDS", 0.3, raising=False)
    busy, quiet = new_receiver(), new_receiver()
    busy.seconds = 0.05
    listen(busy)
    owe(400)
    listen(quiet)
    owe(1)

    sending.deliver()

    assert len(quiet.requests) == 1
    assert Delivery.objects.filter(state="pending").count() > 50


def test_who_asks_for_time_is_asked_nothing_else_meanwhile(receiver, listen, owe):
    listen(receiver)
    owe(4)
    receiver.answers, receiver.headers = [429], {"Retry-After": "900"}
    sending.deliver()
    asked = len(receiver.requests)

    pass_time(minutes=14)
    sending.deliver()

    assert 1 <= asked == len(receiver.requests) <= 2
    pass_time(minutes=2)
    sending.deliver()
    assert len(receiver.requests) > asked


def test_a_message_that_cannot_be_signed_keeps_back_no_other(receiver, listen, owe):
    listen(receiver)
    owe(body=b"\xff")
    owe(5)

    for _ in range(3):
        sending.deliver()
        pass_time(minutes=6)

    assert len(receiver.requests) == 5
    assert Delivery.objects.filter(state="pending").count() == 1


@pytest.mark.parametrize("statement", ["LEASE_ENDPOINTS", "NEXT_DELIVERY"])
def test_what_is_not_due_yet_is_not_even_looked_at(endpoint, owe, statement):
    owe(2000)
    Delivery.objects.update(due_at=timezone.now() + timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE webhooks_delivery")
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {getattr(sending, statement)}",
            {"endpoint": endpoint.pk, "count": 8, "lease_seconds": 1.0},
        )
        plan = cursor.fetchone()[0]

    nodes = nodes_of(plan[0]["Plan"])
    assert sum(node.get("Rows Removed by Filter", 0) for node in nodes) == 0, json.dumps(nodes)


def nodes_of(plan):
    """The nodes of a plan that read deliveries."""
    mine = [plan] if plan.get("Relation Name") == "webhooks_delivery" else []
    return mine + [node for inner in plan.get("Plans", []) for node in nodes_of(inner)]


def test_a_thousand_events_go_to_twenty_endpoints_again(listen, owe, receiver):
    for _ in range(20):
        listen(receiver)

    assert services.resend(owe(1000)) == 20_000


def test_a_mail_server_that_hangs_does_not_hang_the_worker():
    assert 0 < settings.EMAIL_TIMEOUT <= 15


def test_a_step_is_told_once_even_if_it_is_told_twice(endpoint, owe):
    owe(reference="payout:1:2")

    with pytest.raises(IntegrityError, match="reference"):
        owe(reference="payout:1:2")

    assert (Message.objects.count(), Delivery.objects.count()) == (1, 1)


def test_nobody_waits_for_a_row_that_somebody_else_holds(new_receiver, listen, owe):
    held, free = listen(new_receiver())[0], listen(new_receiver())[0]
    first, second = owe(2)
    holding, let_go = Event(), Event()

    @transaction.atomic
    def hold():
        Endpoint.objects.select_for_update(no_key=True).get(pk=held.pk)
        Delivery.objects.select_for_update(no_key=True).get(message=first, endpoint=free)
        holding.set()
        assert let_go.wait(SECONDS_MAX)

    holder = Session(hold)
    assert holding.wait(SECONDS_MAX)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '200ms'")
            assert [turn.endpoint_id for turn in sending._lease_endpoints(8)] == [free.pk]
            assert take(free).message_id == second.pk
    finally:
        let_go.set()
        holder.wait()
