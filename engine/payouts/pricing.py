"""What a route costs: network + provider + Zopay, each kept apart, in micro-dollars.

Prices are rows that an operator edits. They are read at most every PRICE_CACHE_SECONDS in
each process: a quote is one insert, not five look-ups and an insert.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings

from engine.common.units import divide_up
from engine.partners.models import FeeSchedule
from engine.payouts.errors import RouteUnavailable
from engine.payouts.models import AssetPrice, BridgeFee, NetworkFee
from engine.rails.scales import scale_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Hop:
    """What one crossing or one transfer costs, and how long it takes."""

    fixed_usd_micros: int
    basis_points: int
    seconds: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of one route for one amount. The three fees in micro-dollars."""

    from_network: str
    to_network: str
    network_usd_micros: int
    provider_usd_micros: int
    zopay_usd_micros: int
    seconds: int

    @property
    def total_usd_micros(self) -> int:
        return self.network_usd_micros + self.provider_usd_micros + self.zopay_usd_micros


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Every price there is, as it stood at one moment."""

    assets: Mapping[str, int]
    networks: Mapping[str, Hop]
    bridges: Mapping[tuple[str, str], Hop]
    schedules: Mapping[int, Hop]

    def worth(self, *, asset: str, units: int) -> int:
        """`units` of `asset` in micro-dollars, rounded up. Raises RouteUnavailable."""
        price = self.assets.get(asset)
        if price is None:
            raise RouteUnavailable(f"There is no price for {asset} right now.")
        return divide_up(units * price, 10 ** scale_of(asset))

    def units_for(self, *, asset: str, usd_micros: int) -> int:
        """How many units of `asset` are worth `usd_micros`, rounded up."""
        return divide_up(usd_micros * 10 ** scale_of(asset), self.assets[asset])

    def cost(
        self, *, asset: str, units: int, from_network: str, to_network: str, schedule: int
    ) -> Cost | None:
        """Price one route, or None where there is no such route.

        A bridge route pays a transfer on both networks and the bridge's own fee.
        """
        worth = self.worth(asset=asset, units=units)
        ours = self.schedules[schedule]
        hops = [self.networks.get(to_network)]
        provider = 0
        if from_network != to_network:
            bridge = self.bridges.get((from_network, to_network))
            hops += [self.networks.get(from_network), bridge]
            if bridge is not None:
                provider = bridge.fixed_usd_micros + divide_up(
                    worth * bridge.basis_points, BASIS_POINTS
                )
        known = [hop for hop in hops if hop is not None]
        if len(known) < len(hops):
            return None
        return Cost(
            from_network=from_network,
            to_network=to_network,
            network_usd_micros=sum(hop.fixed_usd_micros for hop in known[:2]),
            provider_usd_micros=provider,
            zopay_usd_micros=ours.fixed_usd_micros
            + divide_up(worth * ours.basis_points, BASIS_POINTS),
            seconds=sum(hop.seconds for hop in known),
        )


_lock = Lock()
_book: tuple[float, PriceBook] | None = None


def price_book() -> PriceBook:
    """The prices, at most PRICE_CACHE_SECONDS old."""
    global _book  # noqa: PLW0603 - one cache for the whole process is the point
    now = monotonic()
    known = _book
    if known is None or now >= known[0]:
        with _lock:
            known = _book = (now + settings.PRICE_CACHE_SECONDS, read_price_book())
    return known[1]


def price_book_with(*, schedule: int) -> PriceBook:
    """The prices, read anew if they are older than the partner's fee schedule."""
    book = price_book()
    if schedule not in book.schedules:
        forget_prices()
        book = price_book()
    return book


def forget_prices() -> None:
    """Read the rows again at the next quote; called when an operator edits one here."""
    global _book  # noqa: PLW0603 - as above
    _book = None


def read_price_book() -> PriceBook:
    """Read every enabled price from the database."""
    return PriceBook(
        assets={row.asset: row.usd_micros for row in AssetPrice.objects.all()},
        networks={
            row.network: Hop(row.transfer_usd_micros, 0, row.seconds, row.as_of)
            for row in NetworkFee.objects.filter(is_enabled=True)
        },
        bridges={
            (row.from_network, row.to_network): Hop(
                row.fixed_usd_micros, row.basis_points, row.seconds, row.as_of
            )
            for row in BridgeFee.objects.filter(is_enabled=True)
        },
        schedules={
            row.pk: Hop(row.fixed_usd_micros, row.basis_points, 0, row.as_of)
            for row in FeeSchedule.objects.all()
        },
    )
