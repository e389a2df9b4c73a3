import pytest

from disbursements.keys import mint_signing_key
from engine.payouts.floats import credit_float, read_float
from tests.disbursements.merchant import FLOAT_UNITS, ORIGIN, Merchant


@pytest.fixture
def give():
    """Credits a partner's float in XAF."""

    def run(partner, units=FLOAT_UNITS, reference="bank-1"):
        credit_float(
            partner_id=partner.pk,
            livemode=True,
            currency="XAF",
            units=units,
            reference=reference,
            reason="a test",
            by="tests",
        )

    return run


@pytest.fixture
def mint_signing():
    """Mints a signing key; returns who signs with it."""

    def make(partner, **options):
        key, secret = mint_signing_key(
            partner=partner, name="tests", **{"origins": [ORIGIN]} | options
        )
        return Merchant(key.key, secret)

    return make


@pytest.fixture
def merchant(acme, give, mint_signing):
    """Acme's hands; its float has 100,000 XAF."""
    give(acme)
    return mint_signing(acme)


@pytest.fixture
def stranger(other, give, mint_signing):
    """Another merchant, who has a float as well."""
    give(other)
    return mint_signing(other)


@pytest.fixture
def left(acme):
    """What Acme's float has left, in francs."""
    return lambda: read_float(partner_id=acme.pk, livemode=True, currency="XAF").units
