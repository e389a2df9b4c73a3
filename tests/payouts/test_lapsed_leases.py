"""A worker that was slow finds its payouts leased again: what it saw is old by then."""

import pytest
from django.db import connection, transaction

from engine.payouts import sending, services, sweeps, watching
from engine.payouts.models import Payout
from engine.payouts.states import Status
from engine.rails.attempts import close_attempts, open_attempts
from engine.rails.base import Order, Outcome, Prepared, Sighting
from engine.rails.models import Attempt, AttemptState
from engine.rails.simulated import SimulatedRail
from tests.cast import USDT, drain_once
from tests.meeting import Session, wait_until_somebody_waits_for_me

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def seen_at_once(settings):
    settings.SIMULATED_SEEN_SECONDS = 0
    settings.SIMULATED_FINAL_SECONDS = 3600


@pytest.fixture
def on_its_second_leg(promise, execute, rail_at_once, settings):
    """A bridged payout whose second leg is handed over and not yet noted."""
    execute(promise(to="polygon"))
    drain_once()
    settings.SIMULATED_FINAL_SECONDS = 3600
    payout = Payout.objects.get()
    sending.prepare_due([payout.pk])
    sent = sending.live_attempts([payout.pk])
    sending.submit_due(sent)
    return payout


def look(payout):
    sent = sending.live_attempts([payout.pk])
    sightings = SimulatedRail().look_up([one.prepared for one in sent])
    return list(zip(sent, sightings, strict=True))


def test_two_workers_noting_one_leg_meet_and_note_it_once(on_its_second_leg):
    looks = look(on_its_second_leg)
    with transaction.atomic():
        watching._take_steps(looks)
        second = Session(lambda: watching._take_steps(looks))
        wait_until_somebody_waits_for_me()
    second.wait()

    networks = on_its_second_leg.events.order_by("number").values_list("network", flat=True)
    assert list(networks) == ["", "", "ethereum", "polygon"]


def test_two_workers_ending_one_leg_meet_and_begin_the_next_once(
    promise, execute, seen_at_once, books
):
    quote = promise(to="polygon")
    execute(quote)
    drain_once()
    payout = Payout.objects.get()
    [(one, sighting)] = look(payout)
    arrived = [(one, Sighting(Outcome.FINAL, evidence={"said": "final"}))]
    with transaction.atomic():
        watching._take_steps(arrived)
        second = Session(lambda: watching._take_steps(arrived))
        wait_until_somebody_waits_for_me()
    second.wait()

    payout.refresh_from_db()
    assert sighting.outcome is Outcome.SEEN
    assert (payout.leg, payout.status) == (2, "broadcast")
    assert books("in_transit") == -quote.units_received


def test_news_of_an_attempt_that_was_closed_moves_no_money(payout, seen_at_once, books):
    drain_once()
    [(first, _)] = look(payout)
    order = sending.order_for(payout)
    replace_attempt(order, first)

    dead = Sighting(Outcome.DEAD, evidence={"said": "dead"}, failure_code="tested")
    watching._take_steps([(first, dead)])

    payout.refresh_from_db()
    assert payout.status == "broadcast"
    assert books("user:ethereum:held") == 100 * USDT
    assert list(Attempt.objects.order_by("id").values_list("state", flat=True)) == [
        "dead",
        "live",
    ]
    # So that the books are in order again for whoever looks at them after this test.
    assert Payout.objects.get().due_at is not None


def replace_attempt(order, first):
    """Another worker has proven the first attempt dead, and made a second one."""
    again = Order(**{name: getattr(order, name) for name in order.__slots__} | {"attempt": 2})
    close_attempts(state=AttemptState.DEAD, proofs={first.attempt_id: {"said": "dead"}})
    prepared = Prepared(first.prepared.rail, first.prepared.network, "0xsecond", b"{}")
    open_attempts(sends=[(again, prepared)])


def test_rescheduling_locks_in_the_order_of_the_keys(promise, execute):
    for _ in range(2):
        execute(promise(units=10 * USDT))
    first, last = Payout.objects.order_by("id")
    # A newer version of the first one lies behind the last one.
    Payout.objects.filter(pk=first.pk).update(needs_review=True)
    with transaction.atomic():
        Payout.objects.select_for_update().get(pk=first.pk)
        steps = [services.Step(last.pk), services.Step(first.pk)]
        waiting = Session(lambda: services.reschedule(steps))
        wait_until_somebody_waits_for_me()
        free = Payout.objects.select_for_update(skip_locked=True).filter(pk=last.pk)
        assert free.exists()
    waiting.wait()


def test_a_payout_that_is_final_before_anybody_saw_it_is_delivered(payout, seen_at_once, books):
    sending.prepare_due([payout.pk])
    [one] = sending.live_attempts([payout.pk])

    watching._take_steps([(one, Sighting(Outcome.FINAL, evidence={"said": "final"}))])

    payout.refresh_from_db()
    assert payout.status == "delivered"
    assert books("user:ethereum:held") == 0


def test_two_workers_seeing_one_payout_meet_and_tell_it_once(payout):
    sending.prepare_due([payout.pk])
    step = services.Step(payout.pk, network="ethereum", reference="0xseen")
    with transaction.atomic():
        assert len(services.advance(Status.BROADCAST, [step])) == 1
        second = Session(lambda: services.advance(Status.BROADCAST, [step]))
        wait_until_somebody_waits_for_me()

    assert second.wait() == []
    told = payout.events.order_by("number").values_list("status", flat=True)
    assert list(told) == ["pending", "sending", "broadcast"]


@pytest.mark.parametrize("end", list(Status))
def test_a_step_that_does_not_lead_on_from_here_is_not_taken(payout, finish, books, end):
    finish()
    before = (books("user:ethereum:available"), books("fees"), payout.events.count())

    moved = services.advance(end, [services.Step(payout.pk, failure_code="tested")])

    payout.refresh_from_db()
    assert (moved, payout.status) == ([], "delivered")
    assert (books("user:ethereum:available"), books("fees"), payout.events.count()) == before


def test_a_lease_takes_no_more_than_it_was_asked_for(promise, execute, settings):
    for _ in range(5):
        execute(promise(units=10 * USDT))
    settings.LEASE_ROWS = 2

    assert len(sweeps.lease()) == 2
    assert len(sweeps.lease()) == 2
    assert len(sweeps.lease()) == 1


def test_looking_for_due_payouts_reads_no_payout_that_is_not_due(promise, execute):
    execute(promise())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sweeps.LEASE}", {"rows": 200, "lease_seconds": 30})
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Index Cond: (due_at <= " in plan


def test_a_leg_is_left_once(on_its_second_leg, books):
    before = books("in_transit")

    assert services.begin_next_leg([on_its_second_leg.pk]) == []

    on_its_second_leg.refresh_from_db()
    assert (on_its_second_leg.leg, books("in_transit")) == (2, before)


def test_a_payout_without_a_bridge_has_no_second_leg(payout, seen_at_once):
    drain_once()

    assert services.begin_next_leg([payout.pk]) == []


def test_a_leg_nobody_has_seen_is_not_left(promise, execute):
    execute(promise(to="polygon"))

    assert services.begin_next_leg([Payout.objects.get().pk]) == []


def test_a_payout_that_has_ended_is_neither_noted_nor_scheduled(payout, finish):
    finish()
    before = payout.events.count()

    services.note_leg([services.Step(payout.pk, network="polygon", reference="0xlate")])
    services.reschedule([services.Step(payout.pk, needs_review=True)])

    payout.refresh_from_db()
    assert (payout.due_at, payout.needs_review) == (None, False)
    assert payout.events.count() == before


def test_an_attempt_whose_payout_is_elsewhere_stays_open_for_a_person(payout):
    order = sending.order_for(payout)
    [prepared] = SimulatedRail().prepare([order])
    open_attempts(sends=[(order, prepared)])
    [one] = sending.live_attempts([payout.pk])

    with pytest.raises(watching.AttemptOfAnotherState):
        watching._take_steps([(one, Sighting(Outcome.FINAL, evidence={"said": "final"}))])

    payout.refresh_from_db()
    assert (payout.status, Attempt.objects.get().state) == ("pending", "live")


def test_what_was_seen_asks_for_nobody_however_long_it_takes(payout, seen_at_once, settings):
    settings.REVIEW_SECONDS = 0

    drain_once()

    payout.refresh_from_db()
    assert (payout.status, payout.needs_review) == ("broadcast", False)


def test_payouts_are_locked_before_their_attempts(payout, seen_at_once):
    drain_once()
    [(one, _)] = look(payout)
    arrived = [(one, Sighting(Outcome.FINAL, evidence={"said": "final"}))]
    with transaction.atomic():
        Payout.objects.select_for_update().get(pk=payout.pk)
        waiting = Session(
            lambda: watching._close(
                arrived,
                lambda looks: services.advance(
                    Status.DELIVERED, [services.Step(look.payout_id) for look, _ in looks]
                ),
            )
        )
        wait_until_somebody_waits_for_me()
        free = Attempt.objects.select_for_update(skip_locked=True).filter(state="live")
        assert len(free) == 1
    waiting.wait()

    assert Attempt.objects.get().state == "done"
