"""What must not be sent any more: a freeze, a block, a refusal that come after the execute."""

from dataclasses import replace

import pytest
from django.db import transaction
from django.utils import timezone

from engine.ledger.checks import check
from engine.ledger.invariants import INVARIANTS as LEDGER_INVARIANTS
from engine.payouts import sending
from engine.payouts.invariants import INVARIANTS
from engine.payouts.models import BlockedDestination, Freeze, Payout
from engine.rails.base import rail_named
from engine.rails.errors import RailRejected
from engine.rails.models import Attempt
from engine.rails.simulated import SimulatedRail
from tests.cast import USDT, drain_once
from tests.meeting import Session, wait_until_somebody_waits_for_me

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def books_are_clean_afterwards(db):
    yield
    assert check(LEDGER_INVARIANTS + INVARIANTS).clean


class RefusesSecondLegs(SimulatedRail):
    """A bridge that takes money in and will not name the transfer that brings it out."""

    name = "refuses"

    def prepare(self, orders):
        ready = super().prepare(orders)
        return [
            RailRejected("no", failure_code="tested")
            if order.leg > 1
            else replace(one, rail=self.name)
            for order, one in zip(orders, ready, strict=True)
        ]


@pytest.fixture
def refusing_rail(settings):
    settings.PAYOUT_RAILS = settings.PAYOUT_RAILS | {
        "refuses": "tests.payouts.test_stopping.RefusesSecondLegs"
    }
    settings.PAYOUT_RAIL = "refuses"
    rail_named.cache_clear()
    yield
    rail_named.cache_clear()


def freeze():
    Freeze.objects.create(network="", reason="tested")


def test_a_freeze_that_came_while_a_worker_waited_is_heeded(payout):
    with transaction.atomic():
        Payout.objects.select_for_update().get(pk=payout.pk)
        worker = Session(lambda: sending.prepare_due([payout.pk]))
        wait_until_somebody_waits_for_me()
        Session(freeze).wait()
    worker.wait()

    payout.refresh_from_db()
    assert (payout.status, Attempt.objects.count()) == ("pending", 0)


def test_a_freeze_stands_only_when_nobody_is_signing_any_more(payout):
    with transaction.atomic():
        sending.prepare_due([payout.pk])
        freezer = Session(freeze)
        wait_until_somebody_waits_for_me()
    freezer.wait()

    assert Attempt.objects.count() == 1


def test_a_destination_blocked_after_the_execute_is_not_paid(payout, books):
    BlockedDestination.objects.create(destination=payout.destination, reason="tested")

    drain_once()

    payout.refresh_from_db()
    assert (payout.status, payout.failure_code) == ("failed", "destination_blocked")
    assert Attempt.objects.count() == 0
    assert books("user:ethereum:available") == 1000 * USDT


def test_money_on_a_bridge_to_a_blocked_destination_waits_for_a_person(
    promise, execute, rail_at_once, books
):
    quote = promise(to="polygon")
    execute(quote)
    drain_once()
    BlockedDestination.objects.create(destination=quote.destination, reason="tested")

    drain_once()

    payout = Payout.objects.get()
    assert (payout.status, payout.leg, payout.needs_review) == ("broadcast", 2, True)
    assert books("user:ethereum:held") == 100 * USDT
    assert payout.due_at > timezone.now()


def test_a_second_leg_that_its_rail_refuses_keeps_the_funds_held(
    promise, execute, refusing_rail, rail_at_once, books
):
    quote = promise(to="polygon")
    execute(quote)

    drain_once()
    drain_once()

    payout = Payout.objects.get()
    assert (payout.status, payout.leg, payout.needs_review) == ("broadcast", 2, True)
    assert books("user:ethereum:held") == 100 * USDT
    assert books("in_transit") == -quote.units_received
