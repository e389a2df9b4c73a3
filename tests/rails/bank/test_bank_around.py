"""What else knows of banks: the simulated rail, fees, freezes and blocked accounts."""

import pytest
from django.core.exceptions import ValidationError

from engine.payouts.models import AssetPrice, BlockedDestination, Freeze, GatewayFee
from engine.rails.bank.references import reference_of
from engine.rails.base import Outcome, Prepared, rail_named
from engine.rails.errors import RailRejected
from tests.rails.bank.play import OURS

pytestmark = pytest.mark.django_db

# Valid IBANs whose end decides; they are in docs/bank.md.
ENDS = {
    "DE95370400440000006789": (Outcome.FINAL, ""),
    "DE80370400440000006089": (Outcome.DEAD, "iban_invalid"),
    "DE46370400440000006119": (Outcome.DEAD, "account_closed"),
    "DE67370400440000006129": (Outcome.SEEN, ""),
}


@pytest.fixture
def at_once(settings):
    settings.SIMULATED_SEEN_SECONDS = 0
    settings.SIMULATED_FINAL_SECONDS = 0


@pytest.mark.parametrize("livemode", [True, False])
@pytest.mark.parametrize("iban", ENDS)
def test_how_an_iban_ends_decides_in_the_simulation(order, at_once, iban, livemode):
    rail = rail_named("simulated")
    asked = order(destination=iban, livemode=livemode)
    (prepared,) = rail.prepare([asked])

    rail.submit([prepared])
    (sighting,) = rail.look_up([prepared])

    assert prepared.reference == reference_of(asked)
    assert (sighting.outcome, sighting.failure_code) == ENDS[iban]


def test_the_simulation_carries_euros_to_banks_and_nothing_else_there(order):
    good, bad = rail_named("simulated").prepare([order(), order(asset="USDT")])

    assert isinstance(good, Prepared)
    assert isinstance(bad, RailRejected)


def test_a_bank_transfer_has_a_fee_and_a_price_to_begin_with():
    fee = GatewayFee.objects.get(gateway="sepa", currency="EUR")

    assert (fee.gateway_units, fee.platform_basis_points, fee.seconds) == (20, 20, 86_400)
    assert AssetPrice.objects.filter(asset="EUR").exists()


def test_bank_transfers_can_be_frozen_by_name():
    assert Freeze.objects.create(network="SEPA", reason="a test").network == "sepa"


def test_a_blocked_account_is_spelled_as_payouts_spell_it():
    blocked = BlockedDestination(destination="de89 3704 0044 0532 0130 00", reason="a list")
    try:
        blocked.save()
    except ValidationError:
        pytest.fail("an IBAN is no slip of another kind of destination")

    assert blocked.destination == OURS
