"""Orders to send, and a simulated outside whose time passes at once."""

from dataclasses import replace
from uuid import UUID

import pytest

from engine.common.ids import new_id
from engine.partners.models import EndUser, FeeSchedule, Partner
from engine.rails.base import Order
from tests.rails.crossings import cross, house, wallet  # noqa: F401 - fixtures

EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture
def order():
    """Makes an order, each for a payout of its own; `amount` is in cents of USDT."""

    def make(*, cents=10_00, **changes):
        template = Order(
            payout_id=new_id(),
            leg=1,
            attempt=1,
            livemode=False,
            network="ethereum",
            asset="USDT",
            units=cents * 10_000 - 1_000,
            destination=EVM,
            asked_units=cents * 10_000,
        )
        return replace(template, **changes)

    return make


@pytest.fixture
def fixed_payout_id():
    return UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.fixture
def at_once(settings):
    """The outside sees and settles the moment it accepts."""
    settings.SIMULATED_SEEN_SECONDS = 0
    settings.SIMULATED_FINAL_SECONDS = 0


@pytest.fixture
def seen_at_once(settings):
    """The outside sees the moment it accepts, and settles in an hour."""
    settings.SIMULATED_SEEN_SECONDS = 0
    settings.SIMULATED_FINAL_SECONDS = 3600


@pytest.fixture
def partner(db):
    fees, _ = FeeSchedule.objects.get_or_create(
        name="for rails' tests", fixed_usd_micros=0, basis_points=0
    )
    return Partner.objects.create(name="Ada's Remittances", fee_schedule=fees)


@pytest.fixture
def end_user(partner):
    return EndUser.objects.create(partner=partner, livemode=False, external_ref="user-1")
