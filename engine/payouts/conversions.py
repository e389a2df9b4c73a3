"""Changing money from one asset into another at a rate that says where it comes from.

A conversion is promised with a quote, booked in the database transaction that executes it,
and taken back, unit for unit, when the payout fails. Each of its movements stays within
one asset: what a customer gives goes to the house's `fx` account in that asset, and what
he gets comes from `fx` in the other, which stands below zero until the house has bought it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, Context
from typing import TYPE_CHECKING

from django.conf import settings

from engine.ledger import accounts
from engine.ledger.services import Move
from engine.payouts.errors import RouteUnavailable
from engine.payouts.funds import open_system_account
from engine.payouts.models import AssetPrice, Conversion
from engine.payouts.pricing import BASIS_POINTS
from engine.rails.scales import scale_of

if TYPE_CHECKING:
    from datetime import datetime

    from engine.payouts.models import Quote

SHOWN_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Rate:
    """What one whole unit of each asset is worth, in micro-dollars.

    `as_of` is the older one's moment; `source` names whoever said so.
    """

    from_asset: str
    to_asset: str
    from_usd_micros: int
    to_usd_micros: int
    spread_basis_points: int
    source: str
    as_of: datetime

    def change(self, units: int) -> int:
        """What `units` of `from_asset` become, in units of `to_asset`, rounded down.

        Never worth more than what was given, at these prices.
        """
        given = units * self.from_usd_micros * 10 ** scale_of(self.to_asset)
        asked = self.to_usd_micros * 10 ** scale_of(self.from_asset)
        kept = BASIS_POINTS - self.spread_basis_points
        changed: int = given * kept // (asked * BASIS_POINTS)
        return changed


def rate_between(from_asset: str, to_asset: str, *, now: datetime) -> Rate:
    """The rate at this moment, spread included. Raises RouteUnavailable.

    A price that is older than RATE_HOURS_MAX, or of a future day, is none.
    """
    prices = AssetPrice.objects.in_bulk([from_asset, to_asset], field_name="asset")
    given, got = prices.get(from_asset), prices.get(to_asset)
    if given is None or got is None:
        raise RouteUnavailable(f"There is no rate from {from_asset} to {to_asset} right now.")
    old = timedelta(hours=settings.RATE_HOURS_MAX)
    if any(abs(now - price.as_of) > old for price in (given, got)):
        raise RouteUnavailable(f"The rate from {from_asset} to {to_asset} is too old.")
    return Rate(
        from_asset=from_asset,
        to_asset=to_asset,
        from_usd_micros=given.usd_micros,
        to_usd_micros=got.usd_micros,
        spread_basis_points=settings.FX_SPREAD_BASIS_POINTS,
        source=", ".join(dict.fromkeys((given.source, got.source))),
        as_of=min(given.as_of, got.as_of),
    )


def draft_conversion(
    rate: Rate, quote: Quote, *, from_units: int, from_account_id: int
) -> Conversion:
    """The conversion that makes a quote's `units_sent` of `from_units`; not saved yet.

    Raises ValueError when the quote sends anything else, since nobody may be promised
    what the rate does not give.
    """
    if rate.change(from_units) != quote.units_sent or quote.asset != rate.to_asset:
        raise ValueError("a quote sends what the rate gives")
    return Conversion(
        quote=quote,
        livemode=quote.livemode,
        from_asset=rate.from_asset,
        to_asset=rate.to_asset,
        from_units=from_units,
        to_units=quote.units_sent,
        from_usd_micros=rate.from_usd_micros,
        to_usd_micros=rate.to_usd_micros,
        spread_basis_points=rate.spread_basis_points,
        source=rate.source,
        as_of=rate.as_of,
        from_account_id=from_account_id,
    )


def booking_of(conversion: Conversion) -> list[Move]:
    """The movements that change the money, before its payout is executed."""
    name, given, got = _accounts(conversion)
    quote = conversion.quote
    return [
        Move(f"{name}:sold", conversion.from_account_id, given, conversion.from_units),
        Move(f"{name}:bought", got, quote.available_account_id, conversion.to_units),
    ]


def undoing_of(conversion: Conversion) -> list[Move]:
    """The same units back the same way, when its payout has given up its hold."""
    name, given, got = _accounts(conversion)
    quote = conversion.quote
    return [
        Move(f"{name}:sold_back", quote.available_account_id, got, conversion.to_units),
        Move(f"{name}:bought_back", given, conversion.from_account_id, conversion.from_units),
    ]


def _accounts(conversion: Conversion) -> tuple[str, int, int]:
    """What its payout's movements are called, and the house's accounts in both assets."""
    given, got = (
        open_system_account(accounts.fx(), asset, conversion.livemode)
        for asset in (conversion.from_asset, conversion.to_asset)
    )
    return f"payout:{conversion.quote.payout_id.hex}", given, got


def rate_text(conversion: Conversion) -> str:
    """What one of `from_asset` gives, such as ``1 EUR = 1.06964 USDT``, spread included."""
    exact = Context(prec=SHOWN_DIGITS, rounding=ROUND_DOWN)
    one = exact.divide(
        conversion.from_usd_micros * (BASIS_POINTS - conversion.spread_basis_points),
        conversion.to_usd_micros * BASIS_POINTS,
    )
    return f"1 {conversion.from_asset} = {one:f} {conversion.to_asset}"
