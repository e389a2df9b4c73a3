"""Payouts to look at, over a rail with a real outside unless a test says otherwise."""

import pytest

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
def look(client):
    """Reads a page as text, in a language."""

    def read(story, language="en"):
        response = client.get(story.url, headers={"accept-language": language})
        assert response.status_code == 200
        return response.content.decode()

    return read
