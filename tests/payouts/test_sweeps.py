"""From pending to final over the simulated rail: only what was seen moves a payout."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from engine.ledger.checks import check
from engine.ledger.invariants import INVARIANTS as LEDGER_INVARIANTS
from engine.payouts import sending, sweeps, watching
from engine.payouts.invariants import INVARIANTS
from engine.payouts.models import Freeze, Payout
from engine.rails.models import Attempt, SendEvidence, SimulatedFault, SimulatedTransfer
from engine.rails.simulated import SimulatedRail
from tests.cast import USDT, drain_once
from tests.meeting import Session, wait_until_somebody_waits_for_me

# Money moves in transactions of its own here, as in a worker.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def books_are_clean_afterwards(db):
    yield
    assert check(LEDGER_INVARIANTS + INVARIANTS).clean


@pytest.fixture
def seen_at_once(settings):
    settings.SIMULATED_SEEN_SECONDS = 0
    settings.SIMULATED_FINAL_SECONDS = 3600


def land():
    """The outside settles everything it has."""
    SimulatedTransfer.objects.update(expected_at=timezone.now(), final_at=timezone.now())


def life(payout):
    return [event.status for event in payout.events.order_by("number")]


def test_a_payout_is_prepared_kept_handed_over_and_seen(payout, seen_at_once, books):
    drain_once()

    payout.refresh_from_db()
    attempt = Attempt.objects.get(payout_id=payout.pk)
    assert payout.status == "broadcast"
    assert (attempt.state, attempt.leg, attempt.number) == ("live", 1, 1)
    assert SimulatedTransfer.objects.get().reference == attempt.reference
    assert payout.events.get(status="broadcast").reference == attempt.reference
    assert books("user:ethereum:held") == 100 * USDT


def test_a_delivered_payout_settles_its_hold_and_earns_its_fee(payout, finish, books):
    finish()

    payout.refresh_from_db()
    assert life(payout) == ["pending", "sending", "broadcast", "delivered"]
    assert books("user:ethereum:held") == 0
    assert books("custody:ethereum") == -1000 * USDT + 98_450_000
    assert books("fees") == 1_550_000
    assert Attempt.objects.get().state == "done"


def test_a_bridged_payout_arrives_over_two_legs(promise, execute, finish, books):
    quote = promise(to="polygon")
    execute(quote)
    finish()

    payout = Payout.objects.get()
    assert life(payout) == ["pending", "sending", "broadcast", "broadcast", "delivered"]
    assert list(payout.events.order_by("number").values_list("network", flat=True)) == [
        "", "", "ethereum", "polygon", "polygon"
    ]  # fmt: skip
    assert list(Attempt.objects.order_by("leg").values_list("leg", "network", "state")) == [
        (1, "ethereum", "done"),
        (2, "polygon", "done"),
    ]
    assert books("in_transit") == 0
    assert books("custody:ethereum") == -1000 * USDT + quote.units_received
    assert books("custody:polygon") == 0
    assert books("fees") == quote.units_fee


def test_money_on_a_bridge_is_in_transit(promise, execute, books, rail_at_once, settings):
    quote = promise(to="polygon")
    execute(quote)
    drain_once()
    settings.SIMULATED_FINAL_SECONDS = 3600
    drain_once()

    assert books("in_transit") == -quote.units_received
    assert books("user:ethereum:held") == 100 * USDT


@pytest.mark.parametrize(
    ("units", "told"),
    [
        (100_010_000, ["pending", "sending", "failed"]),
        (100_020_000, ["pending", "sending", "broadcast", "failed"]),
    ],
)
def test_a_payout_proven_dead_gives_its_funds_back(
    promise, execute, finish, books, units, told
):
    quote = promise(livemode=False, units=units)
    execute(quote)
    finish()

    payout = Payout.objects.get()
    assert life(payout) == told
    assert payout.failure_code != ""
    assert books("user:ethereum:available", livemode=False) == 1000 * USDT
    assert books("user:ethereum:held", livemode=False) == 0
    assert books("fees", livemode=False) == 0
    assert Attempt.objects.get().state == "dead"
    assert Attempt.objects.get().proof is not None


def test_what_a_bridge_gives_back_is_in_custody_again(promise, execute, finish, books):
    execute(promise(livemode=False, to="polygon", units=100_020_000))
    finish()

    assert life(Payout.objects.get()) == [
        "pending", "sending", "broadcast", "broadcast", "failed"
    ]  # fmt: skip
    assert books("in_transit", livemode=False) == 0
    assert books("custody:ethereum", livemode=False) == -1000 * USDT
    assert books("user:ethereum:available", livemode=False) == 1000 * USDT


@pytest.mark.parametrize("kind", ["drop_reply", "drop_request", "never_seen", "refuse"])
def test_whatever_a_send_answers_it_is_paid_once(payout, finish, settings, kind):
    settings.RESUBMIT_SECONDS = 0
    SimulatedFault.objects.create(kind=kind, remaining=2)

    finish()

    payout.refresh_from_db()
    assert payout.status == "delivered"
    assert SimulatedTransfer.objects.count() == 1
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("kind", ["drop_reply", "drop_request", "never_seen", "refuse"])
def test_an_unknown_outcome_keeps_the_funds_held(payout, seen_at_once, books, kind):
    SimulatedFault.objects.create(kind=kind, remaining=9)
    SimulatedFault.objects.create(kind="look_up_silent", remaining=9)

    for _ in range(3):
        drain_once()

    payout.refresh_from_db()
    assert payout.status == "sending"
    assert books("user:ethereum:held") == 100 * USDT
    assert Attempt.objects.get().state == "live"


def test_unknown_for_too_long_asks_for_a_person_and_never_gives_up(
    payout, seen_at_once, settings, books
):
    settings.REVIEW_SECONDS = 0
    SimulatedFault.objects.create(kind="drop_request", remaining=9)

    drain_once()

    payout.refresh_from_db()
    assert (payout.status, payout.needs_review) == ("sending", True)
    assert books("user:ethereum:held") == 100 * USDT
    assert payout.due_at is not None


def test_nothing_is_handed_over_before_it_is_kept(payout, rail_at_once, monkeypatch):
    kept = []

    def submit(_rail, batch):
        kept.extend(Attempt.objects.filter(reference=one.reference).count() for one in batch)
        kept.append(transaction.get_connection().in_atomic_block)
        raise SystemExit

    monkeypatch.setattr(SimulatedRail, "submit", submit)
    with pytest.raises(SystemExit):
        drain_once()

    payout.refresh_from_db()
    assert kept == [1, False]
    assert payout.status == "sending"


CRASHES = [
    (sending, "prepare_due"),
    (sending, "live_attempts"),
    (sending, "submit_due"),
    (watching, "watch"),
    (watching, "_keep_evidence"),
    (watching, "_take_steps"),
    (watching, "_close"),
]


@pytest.mark.parametrize(
    ("module", "name"), CRASHES, ids=lambda part: getattr(part, "__name__", part)
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_may_die_at_any_step(
    promise, execute, finish, monkeypatch, module, name, moment
):
    execute(promise(to="polygon"))
    step, deaths = getattr(module, name), []

    def dying(*args):
        result = step(*args) if moment == "after" else None
        if len(deaths) < 3:
            deaths.append(name)
            raise SystemExit
        return step(*args) if moment == "before" else result

    monkeypatch.setattr(module, name, dying)
    for _ in range(3):
        with suppress(SystemExit):
            drain_once()
    finish()

    assert deaths
    assert Payout.objects.get().status == "delivered"
    assert sorted(SimulatedTransfer.objects.values_list("leg", flat=True)) == [1, 2]


def test_two_workers_take_different_payouts(promise, execute):
    for _ in range(2):
        execute(promise(units=10 * USDT))
    with transaction.atomic():
        Payout.objects.filter(pk=Payout.objects.earliest("created_at").pk).update(leg=1)
        theirs = Session(sweeps.lease).wait()

    assert len(theirs) == 1
    assert sweeps.lease() == [Payout.objects.earliest("created_at").pk]


def test_a_leased_payout_is_nobody_else_s_until_the_lease_ends(payout, settings):
    settings.LEASE_SECONDS = 0
    first = sweeps.lease()
    settings.LEASE_SECONDS = 60
    again = sweeps.lease()

    assert first == again == [payout.pk]
    assert sweeps.lease() == []


def test_two_workers_preparing_one_payout_meet_and_make_one_attempt(payout):
    with transaction.atomic():
        sending.prepare_due([payout.pk])
        second = Session(lambda: sending.prepare_due([payout.pk]))
        wait_until_somebody_waits_for_me()
    second.wait()

    assert Attempt.objects.count() == 1
    assert life(payout) == ["pending", "sending"]


def test_two_workers_settling_one_payout_meet_and_settle_it_once(payout, seen_at_once, books):
    drain_once()
    land()
    sent = sending.live_attempts([payout.pk])
    looks = list(zip(sent, SimulatedRail().look_up([sent[0].prepared]), strict=True))
    with transaction.atomic():
        watching._take_steps(looks)
        second = Session(lambda: watching._take_steps(looks))
        wait_until_somebody_waits_for_me()
    second.wait()

    assert life(payout) == ["pending", "sending", "broadcast", "delivered"]
    assert books("fees") == 1_550_000


def test_a_late_look_changes_nothing_that_is_final(payout, seen_at_once, finish, books):
    drain_once()
    sent = sending.live_attempts([payout.pk])
    land()
    finish()
    before = (life(payout), books("user:ethereum:available"), SendEvidence.objects.count())

    watching.watch(sent)
    watching.watch(sent)

    assert (life(payout), books("user:ethereum:available")) == before[:2]


def test_while_frozen_nothing_is_signed(payout, seen_at_once):
    freeze = Freeze.objects.create(network="", reason="tested")

    drain_once()

    payout.refresh_from_db()
    assert (payout.status, Attempt.objects.count()) == ("pending", 0)
    Freeze.objects.filter(pk=freeze.pk).update(lifted_at=timezone.now())
    drain_once()
    assert Attempt.objects.count() == 1


def test_the_estimate_moves_with_the_state(promise, execute, settings):
    settings.SIMULATED_SEEN_SECONDS = 0
    settings.SIMULATED_FINAL_SECONDS = 5
    execute(promise(to="polygon"))
    payout = Payout.objects.get()
    promised = payout.promised_at - payout.created_at

    drain_once()

    payout.refresh_from_db()
    remaining = payout.estimated_delivery_at - timezone.now()
    assert round(promised.total_seconds(), 2) == 90
    # Five seconds to the end of this leg, and Polygon's fifteen for the next.
    assert timedelta(seconds=17) < remaining < timedelta(seconds=21)


def test_a_late_payout_says_so_by_moving_its_estimate(payout, seen_at_once):
    SimulatedFault.objects.create(kind="drop_request", remaining=9)
    Payout.objects.update(estimated_delivery_at=timezone.now() - timedelta(seconds=5))

    drain_once()

    payout.refresh_from_db()
    assert payout.estimated_delivery_at > timezone.now() + timedelta(seconds=25)


def test_evidence_is_kept_when_it_says_something_new(payout, seen_at_once):
    for _ in range(3):
        drain_once()

    assert list(SendEvidence.objects.order_by("id").values_list("kind", "body__outcome")) == [
        ("submit", None),
        ("look_up", "seen"),
    ]


def test_many_payouts_take_their_steps_in_few_statements(
    promise, execute, rail_at_once, django_assert_max_num_queries
):
    for _ in range(30):
        execute(promise(units=10 * USDT))

    with django_assert_max_num_queries(110):
        drain_once()

    assert Payout.objects.filter(status="delivered").count() == 30
