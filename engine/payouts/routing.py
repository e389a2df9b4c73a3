"""Which way a payout goes, and what to tell the partner about the other ways.

Pure functions over a price book and what the user holds: no database, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.payouts.errors import RouteUnavailable
from engine.rails.networks import ASSETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.payouts.pricing import Cost, PriceBook

# Below a cent nobody is helped by a suggestion.
SAVING_USD_MICROS_MIN = 10_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants sent: `units` of `asset` to `to_network`.

    `reachable` are the networks on which the same destination address is valid.
    `held` maps a network to the units of the asset that the user has there.
    """

    asset: str
    units: int
    to_network: str
    reachable: tuple[str, ...]
    held: Mapping[str, int]
    schedule: int


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A way that would really save something: funding from, or receiving on, `network`."""

    network: str
    is_source: bool
    fee_usd_micros: int
    savings_usd_micros: int


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What is missing on the route's source, and where topping up costs least."""

    units_needed: int
    top_up_network: str


@dataclass(frozen=True, slots=True)
class Route:
    cost: Cost
    recommendation: Recommendation | None
    shortfall: Shortfall | None


def find_route(wish: Wish, book: PriceBook) -> Route:
    """Choose the cheapest way among those the user can pay for, else the cheapest of all.

    Raises RouteUnavailable when the destination network is switched off or unpriced.
    """
    costs = _costs_to(wish, book, wish.to_network)
    if not costs:
        raise RouteUnavailable(f"There is no route to {wish.to_network} right now.")
    funded = [cost for cost in costs if _is_funded(wish, cost)]
    chosen = _cheapest(funded or costs)
    shortfall = None
    if not funded:
        shortfall = Shortfall(
            units_needed=wish.units - wish.held.get(chosen.from_network, 0),
            top_up_network=_cheapest_top_up(wish, book),
        )
    return Route(chosen, _recommend(wish, book, chosen, costs), shortfall)


def _costs_to(wish: Wish, book: PriceBook, to_network: str) -> list[Cost]:
    priced = (
        book.cost(
            asset=wish.asset,
            units=wish.units,
            from_network=source,
            to_network=to_network,
            schedule=wish.schedule,
        )
        for source in ASSETS[wish.asset].networks
    )
    return [cost for cost in priced if cost is not None]


def _is_funded(wish: Wish, cost: Cost) -> bool:
    return wish.held.get(cost.from_network, 0) >= wish.units


def _cheapest(costs: Iterable[Cost]) -> Cost:
    """The lowest fee; a tie goes to the native route, then to the order of the alphabet."""
    return min(
        costs,
        key=lambda cost: (
            cost.total_usd_micros,
            cost.from_network != cost.to_network,
            cost.from_network,
        ),
    )


def _cheapest_top_up(wish: Wish, book: PriceBook) -> str:
    return min(
        (network for network in ASSETS[wish.asset].networks if network in book.networks),
        key=lambda network: (book.networks[network].fixed_usd_micros, network),
    )


def _recommend(
    wish: Wish, book: PriceBook, chosen: Cost, costs: list[Cost]
) -> Recommendation | None:
    """Look at every other source, and at every other network the address lives on."""
    others = [(cost, True) for cost in costs if cost.from_network != chosen.from_network]
    for to_network in wish.reachable:
        if to_network != wish.to_network:
            ways = _costs_to(wish, book, to_network)
            funded = [cost for cost in ways if _is_funded(wish, cost)]
            # From where the user's money is; somebody without any may start anywhere.
            others += [(cost, False) for cost in funded or ways]
    if not others:
        return None
    best, is_source = min(
        others, key=lambda other: (other[0].total_usd_micros, not other[1], other[0].to_network)
    )
    savings = chosen.total_usd_micros - best.total_usd_micros
    if savings < SAVING_USD_MICROS_MIN:
        return None
    return Recommendation(
        network=best.from_network if is_source else best.to_network,
        is_source=is_source,
        fee_usd_micros=best.total_usd_micros,
        savings_usd_micros=savings,
    )
