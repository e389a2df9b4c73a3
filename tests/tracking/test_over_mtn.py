"""What a recipient reads while something that behaves like MTN pays her."""

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.payouts.models import Payout
from engine.rails.models import MomoSend, OperatorHealth
from tests.cast import drain_once
from tests.rails.momo.play import mtn_in_cameroon
from tests.tracking.carried_words import BY_MTN, sentence

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mtn(settings):
    """MTN in Cameroon, and an account of ours there."""
    with mtn_in_cameroon(settings) as server:
        yield server


@pytest.fixture
def watch(begin_float, look):
    """Reads the sentence after each pass of a worker, until it is over; each one once."""

    def run(*, number, steps=12):
        story = begin_float(rail="", number=number, over_gateways=True)
        told = [sentence(look(story))]
        for _ in range(steps):
            if not Payout.objects.filter(finished_at__isnull=True).exists():
                break
            MomoSend.objects.filter(finished_at__isnull=True).update(
                ask_at="2000-01-01T00:00:00Z"
            )
            drain_once()
            told.append(sentence(look(story)))
        return [one for place, one in enumerate(told) if one not in told[:place]], story

    return run


def test_she_reads_each_state_as_it_comes(watch, mtn, look):
    mtn.state.behaviour.settle_seconds = 0.3
    told, story = watch(number="+237670006789", steps=40)
    page = look(story)

    assert told == [BY_MTN[state][0] for state in ("pending", "sent", "delivered")]
    assert f'data-copy="{MomoSend.objects.get().reference}"' in page
    assert "Confirmed by MTN" in page


def test_a_number_without_an_account_is_said_so(watch, mtn, look):
    told, story = watch(number="+237670006089")

    assert told[-1] == BY_MTN["failed"][0]
    assert (
        "This number has no mobile-money account. Open one, or give another number. Ask Acme "
        "to check the details and send it again."
    ) in look(story)


def test_while_mtn_is_down_she_reads_that_it_leaves_by_itself(watch, mtn, look):
    down = OperatorHealth.objects.create(
        network="mtn_momo",
        country="CM",
        down_at=timezone.now(),
        try_at=timezone.now() + timedelta(hours=1),
    )
    told, story = watch(number="+237670006789", steps=2)
    assert told == [BY_MTN["pending"][0], BY_MTN["operator_down"][0]]
    down.delete()
    for _ in range(12):
        MomoSend.objects.filter(finished_at__isnull=True).update(ask_at="2000-01-01T00:00:00Z")
        drain_once()

    assert sentence(look(story)) == BY_MTN["delivered"][0]


@pytest.mark.parametrize(
    ("number", "end"),
    [("+237670006789", "delivered"), ("+237670006089", "failed")],
)
def test_the_simulated_rail_tells_the_same(begin_float, look, settings, number, end):
    settings.SIMULATED_SEEN_SECONDS = settings.SIMULATED_FINAL_SECONDS = 0
    settings.RESUBMIT_SECONDS = 0
    story = begin_float(rail="simulated", number=number)
    for _ in range(6):
        drain_once()

    assert sentence(look(story)) == BY_MTN[end][0]
    assert "Demonstration: no real money moves." in look(story)
