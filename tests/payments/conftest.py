import pytest

from tests.payments.till import Till


@pytest.fixture(params=["live", "test"])
def livemode(request):
    """Either mode: what is asked of it must hold in both."""
    return request.param == "live"


@pytest.fixture
def till(acme, livemode):
    """Acme's floats hold 1,000 of each currency, and a token may ask for payments."""
    return Till(acme, livemode=livemode)
