"""Payouts to look at, over a rail with a real outside unless a test says otherwise."""

from dataclasses import replace

import pytest

from engine.payouts import doors
from tests.tracking.float_story import NUMBER, ORANGE, FloatStory
from tests.tracking.story import Story
from tracking.views import LOOKS


@pytest.fixture(autouse=True)
def nobody_has_looked_yet():
    LOOKS.forget()


@pytest.fixture
def begin(acme, settings):
    """Begins a story of Acme's: `rail` is what carries it."""

    def make(*, rail="evm", partner=acme, **options):
        settings.PAYOUT_RAIL = rail
        return Story(partner, **options)

    return make


@pytest.fixture
def begin_float(acme, settings):
    """Begins a story of Acme's float, to a number or to a bank account."""

    def make(*, rail="momo", partner=acme, **options):
        settings.PAYOUT_RAIL = rail
        return FloatStory(partner, **options)

    return make


@pytest.fixture
def begin_at(begin_float):
    """Begins a story at a place, with a recipient of its own there."""

    def make(place, **options):
        number = ORANGE if place == "orange_money" else NUMBER
        return begin_float(network=place, number=number, **options)

    return make


@pytest.fixture
def mended(monkeypatch):
    """The payout's door has a place where its recipient may mend it."""

    def make(story, url="https://pay.example.com/checkin/pay_x"):
        door = doors.door_named(story.payout.door)
        told = replace(door, mend_url=lambda key: url if key == story.id else "")
        monkeypatch.setattr("tracking.page.door_named", lambda _: told)

    return make


@pytest.fixture
def look(client):
    """Reads a page as text, in a language."""

    def read(story, language="en"):
        response = client.get(story.url, headers={"accept-language": language})
        assert response.status_code == 200
        return response.content.decode()

    return read
