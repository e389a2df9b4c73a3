"""Which rail takes which leg of a payout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from engine.rails.bank.references import CURRENCY as EUROS
from engine.rails.bank.references import NETWORK as SEPA
from engine.rails.connections import connected_networks
from engine.rails.models import BankAccount, MomoAccount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.payouts.models import Payout

EVM = "evm"
MOMO = "momo"
BANK = "bank"
SIMULATED = "simulated"
# Over a bridge the house pays from what it holds at the other end: nothing leaves the
# source, and its own rail says whether there is enough.
FIRST_LEG_RAILS = {EVM: "house"}


def rails_by_network(*, over_gateways: bool = False) -> Mapping[str, str]:
    """What payouts_execute() chooses from: a live payout's by its network, `live` for the
    networks that are not connected, where that is allowed, and `test` for test mode.

    A gateway's and a bank's are by currency too, such as `mtn_momo:XAF` and `sepa:EUR`.
    They are read from tables, so only `over_gateways`.
    """
    rails = dict.fromkeys(connected_networks(), EVM) | {
        "test": settings.PAYOUT_RAIL or SIMULATED
    }
    if over_gateways:
        rails |= {f"{network}:{currency}": MOMO for network, currency, _ in _accounts()}
        if _has_bank():
            rails[f"{SEPA}:{EUROS}"] = BANK
    return rails | {"live": settings.PAYOUT_RAIL} if settings.PAYOUT_RAIL else rails


def can_pay(network: str, *, livemode: bool) -> bool:
    """Whether any rail would take a payout there."""
    rails = rails_by_network()
    is_simulated = not livemode or "live" in rails
    return is_simulated or network in rails or (network == SEPA and _has_bank())


def can_pay_number(gateway: str, *, currency: str, country: str, livemode: bool) -> bool:
    """Whether anything of ours would pay a number of that country by that gateway."""
    return bool(payable_countries(gateway, [country], currency=currency, livemode=livemode))


def payable_countries(
    gateway: str, countries: Iterable[str], *, currency: str, livemode: bool
) -> list[str]:
    """Those of `countries` whose numbers anything of ours would pay by that gateway.

    Where an account pays the currency by that gateway, accounts alone pay it: a country
    that has none is refused, and never paid by pretending.
    """
    if not livemode:
        return list(countries)
    reached = {
        place for network, paid, place in _accounts() if (network, paid) == (gateway, currency)
    }
    if not reached and not settings.PAYOUT_RAIL:
        return []
    return [country for country in countries if country in reached or not reached]


def _has_bank() -> bool:
    """Whether a bank account of ours pays live euros now."""
    return BankAccount.objects.filter(livemode=True, is_enabled=True).exists()


def _accounts() -> list[tuple[str, str, str]]:
    """Gateway, currency and country of each account of ours that may pay now."""
    return list(
        MomoAccount.objects.filter(livemode=True, is_enabled=True, credentials__isnull=False)
        .order_by()
        .values_list("network", "currency", "country")
        .distinct()
    )


def rail_of_leg(payout: Payout) -> str:
    """The rail that sends the payout's current leg."""
    if payout.leg < payout.legs:
        return FIRST_LEG_RAILS.get(payout.rail, payout.rail)
    return payout.rail
