"""What a rail cannot send for now waits, says for what, and asks ever less often."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from engine.payouts import sweeps
from engine.payouts.models import Payout
from engine.rails.base import Outcome, Sighting, rail_named
from engine.rails.errors import RailUnavailable
from engine.rails.models import Attempt
from engine.rails.simulated import SimulatedRail
from tests.cast import drain_once

pytestmark = pytest.mark.django_db(transaction=True)


class Short(SimulatedRail):
    """A rail that has nothing to pay with until somebody tops it up."""

    name = "short"
    is_short = True

    def preflight(self, orders):
        if self.is_short:
            return [RailUnavailable("no", waiting_for="liquidity") for _ in orders]
        return super().preflight(orders)


@pytest.fixture
def short(settings):
    settings.PAYOUT_RAILS = settings.PAYOUT_RAILS | {"short": f"{__name__}.Short"}
    settings.PAYOUT_RAIL = "short"
    rail_named.cache_clear()
    Short.is_short = True
    yield Short
    rail_named.cache_clear()


def age(payout, seconds):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts_payout SET created_at = created_at - make_interval(secs => %s)"
            " WHERE id = %s",
            [seconds, payout.pk],
        )


def seconds_until_due(payout):
    payout.refresh_from_db()
    return (payout.due_at - timezone.now()).total_seconds()


@pytest.mark.parametrize(
    ("waited", "next_seconds", "is_for_review"),
    [(0, 2, False), (40, 10, False), (1000, 30, False), (3601, 30, True)],
)
def test_it_is_tried_again_after_a_quarter_of_its_wait(
    short, payout, waited, next_seconds, is_for_review
):
    age(payout, waited)
    drain_once()

    assert seconds_until_due(payout) == pytest.approx(next_seconds, abs=1.5)
    assert (payout.status, payout.waiting_for) == ("pending", "liquidity")
    assert payout.needs_review is is_for_review
    assert Attempt.objects.count() == 0


def test_it_goes_as_soon_as_the_rail_can(short, payout, finish):
    drain_once()
    assert sweeps.drain() == 0

    short.is_short = False
    rail_named.cache_clear()
    finish()
    payout.refresh_from_db()

    assert (payout.status, payout.waiting_for) == ("delivered", "")
    assert payout.created_at > timezone.now() - timedelta(minutes=1)


class Odd(SimulatedRail):
    """An outside that says no in words that nobody here has heard before."""

    name = "odd"

    def look_up(self, batch):
        return [
            Sighting(
                Outcome.DEAD,
                evidence={"reason": "MOON_IS_FULL"},
                failure_code="provider_failed",
                needs_person=True,
            )
            for _ in batch
        ]


def test_a_no_in_unknown_words_fails_and_is_shown_to_a_person(settings, promise, execute):
    settings.PAYOUT_RAILS = settings.PAYOUT_RAILS | {"odd": f"{__name__}.Odd"}
    settings.PAYOUT_RAIL = "odd"
    rail_named.cache_clear()
    quote = promise()
    execute(quote)
    drain_once()
    rail_named.cache_clear()

    payout = Payout.objects.get()
    assert (payout.status, payout.failure_code) == ("failed", "provider_failed")
    assert payout.needs_review is True
