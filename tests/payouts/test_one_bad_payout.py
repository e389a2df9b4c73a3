"""One payout that cannot be worked on must not stop the two hundred leased with it."""

import pytest
from django.db import OperationalError, connection

from engine.payouts import sending, sweeps, watching
from engine.payouts.models import Payout
from engine.rails.models import SimulatedTransfer
from tests.cast import USDT, drain_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bad_among_good(promise, execute, settings):
    """Three payouts, the second over a rail that this house no longer has."""
    known = settings.PAYOUT_RAIL
    for rail in (known, "retired", known):
        settings.PAYOUT_RAIL = rail
        execute(promise(units=10 * USDT))
    settings.PAYOUT_RAIL = known
    return Payout.objects.get(rail="retired")


def test_the_others_are_delivered(bad_among_good, rail_at_once):
    drain_once()

    assert list(Payout.objects.order_by("id").values_list("status", flat=True)) == [
        "delivered",
        "pending",
        "delivered",
    ]
    assert SimulatedTransfer.objects.count() == 2


def test_the_bad_one_waits_for_a_person_with_its_funds_held(bad_among_good, rail_at_once):
    drain_once()

    bad_among_good.refresh_from_db()
    assert bad_among_good.needs_review
    assert bad_among_good.due_at is not None


def test_news_that_breaks_for_one_payout_is_taken_for_the_others(
    promise, execute, rail_at_once, monkeypatch
):
    for _ in range(3):
        execute(promise(units=10 * USDT))
    bad, take_steps = Payout.objects.earliest("id"), watching._take_steps

    def break_for_one(looks):
        if any(one.payout_id == bad.pk for one, _ in looks):
            raise ValueError("tested")
        take_steps(looks)

    monkeypatch.setattr(watching, "_take_steps", break_for_one)
    drain_once()

    told = Payout.objects.order_by("id").values_list("status", "needs_review")
    assert list(told) == [("sending", True), ("delivered", False), ("delivered", False)]


def test_a_database_that_is_away_stops_the_worker_at_once(payout, monkeypatch):
    calls = []

    def prepare_due(_payout_ids):
        calls.append(1)
        raise OperationalError("tested")

    monkeypatch.setattr(sending, "prepare_due", prepare_due)
    with pytest.raises(OperationalError):
        drain_once()

    assert len(calls) == 1
    assert connection.is_usable()


def test_steps_for_nobody_ask_nobody(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        sweeps.take_steps([])
