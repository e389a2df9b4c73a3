"""The words and the moments, without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation

from engine.payouts.models import Payout, PayoutEvent
from engine.payouts.states import EDGES, FINAL, Status
from engine.rails.places import PLACES, shorten
from tracking.moods import Mood, mood_of, sentence_of
from tracking.page import amount_of, readable
from tracking.route import route_of
from tracking.timeline import Mark, timeline_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def payout(status=Status.BROADCAST, *, estimate=30, leg=1, source="tron", target="tron"):
    return Payout(
        status=status,
        leg=leg,
        rail="evm",
        from_network=source,
        to_network=target,
        destination="TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
        promised_at=NOON + 30 * SECOND,
        estimated_delivery_at=NOON + estimate * SECOND,
        failure_code="transfer_reverted" if status == Status.FAILED else "",
        confirmations=0,
        confirmations_needed=0,
        waiting_for="",
    )


def event(number, status, network="", reference=""):
    return PayoutEvent(
        number=number,
        status=status,
        network=network,
        reference=reference,
        happened_at=NOON + number * SECOND,
    )


LIFE = [
    event(1, Status.PENDING),
    event(2, Status.SENDING),
    event(3, Status.BROADCAST, "tron", "ab" * 32),
    event(4, Status.DELIVERED, "tron", "ab" * 32),
]


@pytest.mark.parametrize(
    ("status", "estimate", "elapsed", "mood"),
    [
        (Status.PENDING, 30, 0, Mood.PREPARING),
        (Status.SENDING, 30, 0, Mood.PREPARING),
        (Status.BROADCAST, 30, 0, Mood.MOVING),
        (Status.BROADCAST, 6, 20, Mood.MOVING),
        (Status.BROADCAST, 35, 0, Mood.MOVING),
        (Status.BROADCAST, 36, 0, Mood.LATE),
        (Status.BROADCAST, 30, 36, Mood.LATE),
        (Status.PENDING, 30, 36, Mood.LATE),
        (Status.DELIVERED, 90, 500, Mood.DELIVERED),
        (Status.FAILED, 90, 500, Mood.FAILED),
        (Status.CANCELLED, 90, 500, Mood.CANCELLED),
    ],
)
def test_late_means_later_than_was_promised(status, estimate, elapsed, mood):
    assert mood_of(payout(status, estimate=estimate), NOON + elapsed * SECOND) == mood


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("place", PLACES)
def test_every_mood_has_a_sentence_wherever_it_goes(language, place):
    one = payout(source=place, target=place)
    with translation.override(language):
        sentences = {" ".join(sentence_of(mood, one, "Acme")).strip() for mood in Mood}

    assert len(sentences) == len(Mood)
    assert all(sentence.endswith(".") for sentence in sentences)


def test_the_step_that_only_we_understand_is_not_told():
    lines = timeline_of(payout(Status.DELIVERED), LIFE, "Acme")

    assert [line.sentence for line in lines] == [
        "Acme ordered this payout",
        "Sent on Tron",
        "Delivered on Tron",
    ]
    assert [line.moment for line in lines] == [NOON + n * SECOND for n in (1, 3, 4)]
    assert {line.mark for line in lines} == {Mark.DONE}


def test_what_is_to_come_has_no_moment():
    *_, current, coming = timeline_of(payout(), LIFE[:3], "Acme")

    assert (current.mark, current.sentence) == (
        Mark.CURRENT,
        "Sent on Tron, waiting for confirmations",
    )
    assert (coming.mark, coming.moment, coming.sentence) == (
        Mark.AHEAD,
        None,
        "Delivery on Tron",
    )


def test_what_happened_is_told_without_what_it_waits_for():
    lines = timeline_of(payout(), LIFE[:3], "Acme")

    assert [line.happened for line in lines] == ["Acme ordered this payout", "Sent on Tron", ""]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("leg", [1, 2])
def test_every_state_can_be_drawn(status, leg):
    bridged = payout(status, leg=leg, source="ethereum", target="polygon")
    route = route_of(bridged, "A" * 100, has_left=status != Status.PENDING)

    assert [place.at for place in route.places] == [0, 50, 100]
    assert [(leg.start, leg.end) for leg in route.legs] == [(0, 50), (50, 100)]
    assert route.places[0].caption == "A" * 23 + "…"
    moving = [leg for leg in route.legs if leg.mark == Mark.CURRENT]
    assert len(moving) <= (0 if status in FINAL else 1)


@pytest.mark.parametrize("status", EDGES)
def test_only_what_is_not_over_has_something_to_come(status):
    lines = timeline_of(payout(status), LIFE[:1], "Acme")

    assert (lines[-1].mark == Mark.AHEAD) == (status not in FINAL)


def test_short_means_first_six_and_last_four():
    assert shorten("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed") == "0x5aAe…eAed"
    assert shorten("0123456789") == "0123456789"
    assert shorten("") == ""


@pytest.mark.parametrize(
    ("amount", "english", "french"),
    [
        ("0", "0.00", "0,00"),
        ("12.5", "12.50", "12,50"),
        ("1234567.000001", "1,234,567.000001", "1\xa0234\xa0567,000001"),
        ("999", "999.00", "999,00"),
    ],
)
def test_amounts_are_exact_and_in_the_reader_s_habit(amount, english, french):
    with translation.override("en"):
        assert readable(amount) == english
    with translation.override("fr"):
        assert readable(amount) == french


@pytest.mark.parametrize(
    ("units", "code", "english", "french"),
    [
        (5000, "XAF", "5,000", "5\xa0000"),
        (0, "XAF", "0", "0"),
        (1_234_567, "UGX", "1,234,567", "1\xa0234\xa0567"),
        (10_000, "EUR", "100.00", "100,00"),
        (10_050, "EUR", "100.50", "100,50"),
        (1, "EUR", "0.01", "0,01"),
        (98_450_000, "USDT", "98.45", "98,45"),
        (98_450_001, "USDT", "98.450001", "98,450001"),
    ],
)
def test_a_currency_has_its_own_decimals_and_no_others(units, code, english, french):
    with translation.override("en"):
        assert amount_of(units, code) == english
    with translation.override("fr"):
        assert amount_of(units, code) == french
