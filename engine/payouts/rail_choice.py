"""Which rail takes which leg of a payout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from engine.rails.connections import connected_networks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.payouts.models import Payout

EVM = "evm"
SIMULATED = "simulated"
# Over a bridge the house pays from what it holds at the other end: nothing leaves the
# source, and its own rail says whether there is enough.
FIRST_LEG_RAILS = {EVM: "house"}


def rails_by_network() -> Mapping[str, str]:
    """What payouts_execute() chooses from: a live payout's by its network, `live` for the
    networks that are not connected, where that is allowed, and `test` for test mode.
    """
    rails = dict.fromkeys(connected_networks(), EVM) | {
        "test": settings.PAYOUT_RAIL or SIMULATED
    }
    return rails | {"live": settings.PAYOUT_RAIL} if settings.PAYOUT_RAIL else rails


def can_pay(network: str, *, livemode: bool) -> bool:
    """Whether any rail would take a payout there."""
    rails = rails_by_network()
    return not livemode or network in rails or "live" in rails


def rail_of_leg(payout: Payout) -> str:
    """The rail that sends the payout's current leg."""
    if payout.leg < payout.legs:
        return FIRST_LEG_RAILS.get(payout.rail, payout.rail)
    return payout.rail
