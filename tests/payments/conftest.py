import pytest
from django.db import connection

from engine.ledger.checks import check, listed_invariants
from tests.payments.form_cast import (  # noqa: F401 - fixtures
    fill_in,
    nobody_has_opened_it_yet,
    owe,
)
from tests.payments.till import Till


@pytest.fixture(params=["live", "test"])
def livemode(request):
    """Either mode: what is asked of it must hold in both."""
    return request.param == "live"


@pytest.fixture
def till(acme, livemode):
    """Acme's floats hold 1,000 EUR, 1,000 USD and 1,000,000 XAF; a token may ask for more."""
    return Till(acme, livemode=livemode)


@pytest.fixture
def live_till(acme):
    return Till(acme, livemode=True)


@pytest.fixture
def books_are_true():
    """Whatever a test has done, every invariant of the house holds after it."""
    yield
    if connection.in_atomic_block and connection.needs_rollback:
        return
    report = check(listed_invariants())
    assert [(one.invariant.name, one.rows) for one in report.findings if one.rows] == []
