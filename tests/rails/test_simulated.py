"""The simulated rail: steering amounts, time, faults, and two workers at once."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from engine.rails.base import Outcome
from engine.rails.models import FaultKind, SimulatedFault, SimulatedTransfer
from engine.rails.simulated import SimulatedRail, advance
from tests.meeting import Session, wait_until_somebody_waits_for_me

RAIL = SimulatedRail()

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(order):
    """Submits one order; the answer looks it up."""

    def submit(**changes):
        sent = order(**changes)
        batch = RAIL.prepare([sent])
        RAIL.submit(batch)
        return sent.payout_id, lambda: RAIL.look_up(batch)[0]

    return submit


def let_time_pass(**duration):
    """Moves the outside's clock: every moment it holds lies so much further back."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE rails_simulatedtransfer SET
                accepted_at = accepted_at - %(gone)s, seen_at = seen_at - %(gone)s,
                expected_at = expected_at - %(gone)s, final_at = final_at - %(gone)s,
                fails_at = fails_at - %(gone)s
            """,
            {"gone": timedelta(**duration)},
        )


@pytest.fixture
def hours(settings):
    """Seen after one hour, final after five."""
    settings.SIMULATED_SEEN_SECONDS = 3600
    settings.SIMULATED_FINAL_SECONDS = 5 * 3600


@pytest.mark.usefixtures("hours")
def test_confirmations_grow_and_only_the_last_makes_it_final(send):
    _, look = send(cents=10_00)
    assert (look().outcome, look().confirmations) == (Outcome.UNKNOWN, 0)

    let_time_pass(hours=1)
    assert (look().outcome, look().confirmations) == (Outcome.SEEN, 0)

    let_time_pass(hours=2)
    half = look()
    assert (half.outcome, half.confirmations) == (Outcome.SEEN, 32)
    assert half.confirmations_needed == 65

    let_time_pass(hours=1, minutes=59)
    assert (look().outcome, look().confirmations) == (Outcome.SEEN, 63)

    let_time_pass(minutes=1)
    assert (look().outcome, look().confirmations) == (Outcome.FINAL, 65)


@pytest.mark.usefixtures("hours")
def test_the_estimate_is_the_end_of_an_ordinary_transfer(send):
    _, look = send()
    let_time_pass(hours=2)

    sighting = look()

    assert sighting.expected_at - sighting.seen_at == timedelta(hours=4)
    assert SimulatedTransfer.objects.get().final_at == sighting.expected_at


@pytest.mark.usefixtures("hours")
def test_evidence_changes_only_when_something_happened(send):
    _, look = send()
    let_time_pass(hours=2)
    first = look()
    let_time_pass(hours=1)
    # The clock was moved by moving the moments, so only the words can be compared.
    assert (first.evidence["said"], look().evidence["said"]) == ("seen", "seen")
    assert look().evidence == look().evidence


@pytest.mark.usefixtures("hours")
def test_cents_of_01_fail_before_anybody_saw_them(send):
    _, look = send(cents=10_01)
    assert look().outcome is Outcome.UNKNOWN

    let_time_pass(hours=1)

    sighting = look()
    assert sighting.outcome is Outcome.DEAD
    assert (sighting.seen_at, sighting.confirmations) == (None, 0)
    assert sighting.failure_code == "destination_rejected"
    assert sighting.failure_message.endswith("before taking it.")
    assert sighting.evidence["code"] == "destination_rejected"
    assert SimulatedTransfer.objects.arrived().count() == 0


@pytest.mark.usefixtures("hours")
def test_cents_of_02_fail_after_broadcast(send):
    _, look = send(cents=10_02)
    let_time_pass(hours=2)
    assert look().outcome is Outcome.SEEN

    let_time_pass(hours=3)

    sighting = look()
    assert (sighting.outcome, sighting.failure_code) == (
        Outcome.DEAD,
        "transfer_reverted",
    )
    assert sighting.seen_at is not None
    assert SimulatedTransfer.objects.arrived().count() == 0


@pytest.mark.usefixtures("hours")
def test_cents_of_03_stay_seen_until_advanced(send):
    payout_id, look = send(cents=10_03)
    let_time_pass(hours=2)
    assert (look().outcome, look().confirmations) == (Outcome.SEEN, 0)
    assert look().expected_at is not None

    let_time_pass(days=30)
    assert (look().outcome, look().expected_at) == (Outcome.SEEN, None)

    assert (advance(payout_id), advance(payout_id)) == (1, 0)
    assert look().outcome is Outcome.FINAL


@pytest.mark.usefixtures("hours")
def test_advancing_before_broadcast_waits_for_it(send):
    payout_id, look = send(cents=10_03)

    assert advance(payout_id) == 1

    assert look().outcome is Outcome.UNKNOWN
    let_time_pass(hours=1)
    assert look().outcome is Outcome.FINAL


@pytest.mark.usefixtures("hours")
def test_cents_of_04_are_late_and_the_estimate_moves(send):
    _, look = send(cents=10_04)
    let_time_pass(hours=2)
    promised = look().expected_at
    assert promised == look().seen_at + timedelta(hours=4)

    let_time_pass(hours=4)
    late = look()
    assert late.outcome is Outcome.SEEN
    assert late.expected_at == late.seen_at + timedelta(hours=29)
    assert late.expected_at > timezone.now()

    let_time_pass(hours=24)
    assert look().outcome is Outcome.FINAL


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "changes",
    [
        {"cents": 10_01, "livemode": True},
        {"cents": 10_03, "is_last_leg": False},
        {"cents": 10_00, "asked_units": 10_010_001},
        {"cents": 10_11},
    ],
)
def test_nothing_else_is_steered(send, changes):
    _, look = send(**changes)

    assert look().outcome is Outcome.FINAL


def test_only_a_held_payout_can_be_advanced(send, order):
    payout_id, _ = send(cents=10_00)

    assert advance(payout_id) == 0
    assert advance(order().payout_id) == 0


def test_amounts_beyond_64_bits_arrive_whole(send, order):
    send(units=10**30 + 1)

    assert SimulatedTransfer.objects.get().units == 10**30 + 1


@pytest.fixture
def batch(order):
    return sorted(RAIL.prepare([order() for _ in range(4)]), key=lambda sent: sent.reference)


def outcomes(batch):
    return [sighting.outcome.value for sighting in RAIL.look_up(batch)]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("kind", "accepted", "then"),
    [
        (FaultKind.DROP_REPLY, None, "final"),
        (FaultKind.DROP_REQUEST, None, "unknown"),
        (FaultKind.NEVER_SEEN, True, "unknown"),
        (FaultKind.REFUSE, False, "unknown"),
    ],
)
def test_a_fault_strikes_as_many_sends_as_it_has_left(batch, kind, accepted, then):
    SimulatedFault.objects.create(kind=kind, remaining=2)

    receipts = RAIL.submit(batch)

    assert [receipt.accepted for receipt in receipts] == [accepted, accepted, True, True]
    assert outcomes(batch) == [then, then, "final", "final"]
    assert SimulatedFault.objects.get().remaining == 0

    # Whatever the answer said, the same ones again pay each of them once.
    assert [receipt.accepted for receipt in RAIL.submit(batch)] == [True] * 4
    assert outcomes(batch) == ["final"] * 4
    assert SimulatedTransfer.objects.arrived().count() == 4


@pytest.mark.usefixtures("at_once")
def test_a_fault_that_outlasts_a_batch_strikes_the_next(batch):
    SimulatedFault.objects.create(kind=FaultKind.DROP_REQUEST, remaining=6)

    RAIL.submit(batch)
    RAIL.submit(batch)

    assert sorted(outcomes(batch)) == ["final", "final", "unknown", "unknown"]


@pytest.mark.usefixtures("at_once")
def test_what_lands_late_lands_once(batch):
    SimulatedFault.objects.create(kind=FaultKind.LAND_LATE, remaining=4, seconds=3600)

    assert [receipt.accepted for receipt in RAIL.submit(batch)] == [None] * 4
    assert outcomes(batch) == ["unknown"] * 4
    assert SimulatedTransfer.objects.arrived().count() == 0

    let_time_pass(hours=1)
    assert outcomes(batch) == ["final"] * 4

    assert RAIL.submit(batch)[0].evidence == {"said": "already taken"}
    assert SimulatedTransfer.objects.arrived().count() == 4


@pytest.mark.usefixtures("at_once")
def test_sending_again_overtakes_what_is_still_on_its_way(batch):
    SimulatedFault.objects.create(kind=FaultKind.LAND_LATE, remaining=4, seconds=3600)
    RAIL.submit(batch)

    RAIL.submit(batch)
    assert outcomes(batch) == ["final"] * 4
    moments = list(SimulatedTransfer.objects.order_by("pk").values())

    let_time_pass(hours=1)
    RAIL.submit(batch)
    assert SimulatedTransfer.objects.arrived().count() == len(moments) == 4


@pytest.mark.usefixtures("at_once")
def test_a_silent_look_up_says_unknown_whatever_is_true(batch):
    RAIL.submit(batch)
    SimulatedFault.objects.create(kind=FaultKind.LOOK_UP_SILENT, remaining=4)

    sightings = RAIL.look_up(batch)

    assert [sighting.outcome for sighting in sightings] == [Outcome.UNKNOWN] * 4
    assert sightings[0].evidence == {"said": "silent"}
    assert outcomes(batch) == ["final"] * 4


@pytest.mark.usefixtures("at_once")
def test_a_fault_for_look_ups_leaves_submits_alone(batch):
    SimulatedFault.objects.create(kind=FaultKind.LOOK_UP_SILENT, remaining=1)

    assert [receipt.accepted for receipt in RAIL.submit(batch)] == [True] * 4
    assert SimulatedFault.objects.get().remaining == 1


@pytest.mark.parametrize("verb", ["submit", "look_up"])
def test_a_verb_is_one_statement(batch, django_assert_num_queries, verb):
    RAIL.submit(batch)

    # The statement, and the savepoint that a test's own transaction makes of the commit.
    with django_assert_num_queries(3) as captured:
        getattr(RAIL, verb)(batch)

    said = [query["sql"].split()[0] for query in captured.captured_queries]
    assert [word for word in said if word not in {"SAVEPOINT", "RELEASE"}] in (
        ["--"],
        ["WITH"],
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("at_once")
def test_two_workers_with_the_same_batch_pay_once_and_do_not_deadlock(order):
    batch = RAIL.prepare([order() for _ in range(50)])

    with transaction.atomic():
        # The last one by reference is being accepted just now, so both workers meet here.
        last = max(batch, key=lambda sent: sent.reference)
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO rails_simulatedtransfer (reference, payout_id, leg, livemode,
                    network, asset, units, destination, accepted_at, expected_at, final_at,
                    failure_code, is_held)
                VALUES (%s, 'x', 1, false, 'ethereum', 'USDT', 1, 'x', now(), now(), now(),
                    '', false)
                """,
                [last.reference],
            )
        workers = [
            Session(lambda: RAIL.submit(batch)),
            Session(lambda: RAIL.submit(batch[::-1])),
        ]
        wait_until_somebody_waits_for_me()

    for worker in workers:
        assert [receipt.accepted for receipt in worker.wait()] == [True] * 50
    assert outcomes(batch) == ["final"] * 50
    assert SimulatedTransfer.objects.arrived().count() == 50


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("at_once")
def test_two_workers_do_not_share_one_fault(order):
    one, other = RAIL.prepare([order()]), RAIL.prepare([order()])
    fault = SimulatedFault.objects.create(kind=FaultKind.DROP_REQUEST, remaining=1)

    with transaction.atomic():
        SimulatedFault.objects.select_for_update().get(pk=fault.pk)
        # Struck by nobody while another worker holds it, and nobody waits.
        (receipt,) = Session(lambda: RAIL.submit(one)).wait()
    (struck,) = RAIL.submit(other)

    assert (receipt.accepted, struck.accepted) == (True, None)
