"""What the house's own bridges have left lopsided, and how to even it out.

A crossing from a to b leaves the user's money on a and pays out of the house's liquidity
on b; the books follow the money as if it had moved (docs/decisions/0003). So b runs dry
while a fills up, by exactly what crossed, until somebody carries it over by a real bridge
or an exchange and notes that here. Live mode only: test mode has no wallets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from engine.common.units import format_units
from engine.rails.models import LiquidityMove
from engine.rails.networks import ASSETS, NETWORKS

if TYPE_CHECKING:
    from collections.abc import Iterable

# Payouts that were given up have paid nobody at the other end, and crossed nothing.
CROSSED = """
    SELECT c.asset, c.from_network, c.to_network,
           coalesce(sum(c.units) FILTER (WHERE p.status = 'delivered'), 0)::text,
           coalesce(sum(c.units) FILTER (WHERE p.finished_at IS NULL), 0)::text
    FROM rails_housecrossing c JOIN payouts_payout p ON p.id = c.payout_id
    GROUP BY c.asset, c.from_network, c.to_network
"""
CARRIED = """
    SELECT asset, from_network, to_network, sum(units)::text FROM rails_liquiditymove
    GROUP BY asset, from_network, to_network
"""
# A custody account stands below zero by what customers, and fees earned, have there.
OWED = """
    SELECT asset, substr(code, length('custody:') + 1), (-ledger_balance_of(id))::text
    FROM ledger_account WHERE code LIKE 'custody:%%' AND livemode
"""
HELD = """
    SELECT a.asset, w.network, sum(a.balance_units)::text
    FROM rails_walletasset a JOIN rails_hotwallet w ON w.id = a.wallet_id
    WHERE a.balance_units IS NOT NULL GROUP BY a.asset, w.network
"""


@dataclass(frozen=True, slots=True)
class Imbalance:
    """What crossed between two networks and has not been carried after, in units.

    `net` is to be carried from `from_network` to `to_network`; never below zero.
    `settled` and `in_flight` are crossings that way less those the other way.
    """

    asset: str
    from_network: str
    to_network: str
    settled: int
    in_flight: int
    carried: int

    @property
    def net(self) -> int:
        return self.settled + self.in_flight - self.carried

    @property
    def advice(self) -> str:
        if self.net == 0:
            return f"{self.asset} is even between {self.from_network} and {self.to_network}"
        amount = amount_of(self.net, self.asset)
        return f"move {amount} {self.asset} from {self.from_network} to {self.to_network}"

    def as_json(self) -> dict[str, str]:
        return {
            "asset": self.asset,
            "from_network": self.from_network,
            "to_network": self.to_network,
            "settled": amount_of(self.settled, self.asset),
            "in_flight": amount_of(self.in_flight, self.asset),
            "carried": amount_of(self.carried, self.asset),
            "to_move": amount_of(self.net, self.asset),
            "advice": self.advice,
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """What our wallets hold on a network, beside what the books say must be there, in units.

    Deposits that were not consolidated yet lie on their own addresses, in no wallet.
    """

    asset: str
    network: str
    owed: int
    held: int

    @property
    def spare(self) -> int:
        """The house's own liquidity there; below zero, customers' money is missing."""
        return self.held - self.owed

    def as_json(self) -> dict[str, str]:
        return {
            "asset": self.asset,
            "network": self.network,
            "books_say": amount_of(self.owed, self.asset),
            "wallets_hold": amount_of(self.held, self.asset),
            "spare": amount_of(self.spare, self.asset),
        }


def imbalances() -> list[Imbalance]:
    """One line for each asset and pair of networks that anything ever crossed between."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for asset, start, end, settled, in_flight in _rows(CROSSED):
        _add(sums, (asset, start, end), [int(settled), int(in_flight), 0])
    for asset, start, end, carried in _rows(CARRIED):
        _add(sums, (asset, start, end), [0, 0, int(carried)])
    return sorted((_facing(*item) for item in sums.items()), key=_order)


def standings() -> list[Standing]:
    """One line for each asset and network where the books or our wallets have any."""
    owed = {(asset, network): int(units) for asset, network, units in _rows(OWED)}
    held = {(asset, network): int(units) for asset, network, units in _rows(HELD)}
    return [
        Standing(asset, network, owed.get((asset, network), 0), held.get((asset, network), 0))
        for asset, network in sorted(owed | held)
        if asset in ASSETS
    ]


def note_move(
    *, asset: str, from_network: str, to_network: str, units: int, reference: str
) -> bool:
    """Note that liquidity was carried over. False when this reference was noted before.

    Raises ValueError for an asset or a network that is none of ours, for an amount that is
    not positive, and for a reference that was noted with other terms.
    """
    known = ASSETS.get(asset)
    ends = {from_network, to_network}
    if known is None or len(ends) != len(NETWORKS.keys() & ends) or from_network == to_network:
        raise ValueError(f"{asset} cannot be moved from {from_network} to {to_network}.")
    if units <= 0 or not reference.strip():
        raise ValueError("A move needs an amount and a reference.")
    terms = {
        "asset": asset,
        "from_network": from_network,
        "to_network": to_network,
        "units": units,
    }
    noted, is_new = LiquidityMove.objects.get_or_create(
        reference=reference.strip(), defaults=terms
    )
    if any(getattr(noted, name) != value for name, value in terms.items()):
        raise ValueError(f"{reference.strip()} was noted before, for another move.")
    return is_new


def amount_of(units: int, asset: str) -> str:
    """Units as a decimal; a spare may be below zero."""
    sign = "-" if units < 0 else ""
    return sign + format_units(abs(units), scale=ASSETS[asset].scale)


def _add(
    sums: dict[tuple[str, str, str], list[int]], key: tuple[str, str, str], units: list[int]
) -> None:
    """Count under one name for both directions: the way back is the way there, less."""
    asset, start, end = key
    sign = 1 if start < end else -1
    line = sums.setdefault((asset, min(start, end), max(start, end)), [0, 0, 0])
    for place, one in enumerate(units):
        line[place] += sign * one


def _facing(key: tuple[str, str, str], units: list[int]) -> Imbalance:
    """Turned so that what is to be moved is not below zero."""
    asset, start, end = key
    settled, in_flight, carried = units
    if settled + in_flight - carried < 0:
        return Imbalance(asset, end, start, -settled, -in_flight, -carried)
    return Imbalance(asset, start, end, settled, in_flight, carried)


def _order(line: Imbalance) -> tuple[str, int, str]:
    """The most urgent of an asset first."""
    return line.asset, -line.net, line.from_network


def _rows(sql: str) -> Iterable[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [])
        return list(cursor.fetchall())
