"""The house's own bridge: it takes the money here, and pays from what it holds there.

A bridge route between two networks on which we have liquidity needs no bridge. On its
first leg nothing leaves the house; the tokens that the second leg will pay are promised
to it, in a row of their own, so that no two crossings are promised the same ones.

Why the same reference twice pays once: this rail pays nobody. The reference is the
payout's own id and the number of the attempt, unique in the table; the row is inserted in
the database transaction that opens the attempt, and a look-up says FINAL for one reason
alone, that the row is there. What is paid is paid by the second leg, on a rail with a
proof of its own.

Whoever prepares crossings holds one advisory lock until that transaction ends. It is
taken after any wallet's row of other rails (the engine prepares its rails in the order of
their names), and nothing is waited for while it is held. A wallet that is to promise has
its row locked first, so that nobody takes a slot for the same tokens meanwhile; one that
is locked already has none to promise just now.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.db import connection

from engine.rails.base import Order, Outcome, Prepared, Receipt, Sighting, rail_named
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.explorers import HOUSE
from engine.rails.house_statement import HouseStatement
from engine.rails.models import HouseCrossing
from engine.rails.networks import ASSETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

# The rail that pays the second leg.
PAYING = "evm"
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('rails: house crossings', 0))"
# What a wallet holds at a block, less what the block cannot have counted yet, less what
# crossings were promised whose second leg has no attempt so far; and of that, no more than
# it may still sign away today. Two sums and no OR, and no clock that moves while it is read,
# so that each has its index.
FREE = """
    SELECT w.id, w.network, a.asset,
           least(a.balance_units - pending.units - gone.units, a.ceiling_units - today.units)
               - promised.units AS free
    FROM rails_hotwallet w
    JOIN rails_walletasset a ON a.wallet_id = w.id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(s.units), 0) AS units FROM rails_slot s
        WHERE s.wallet_id = w.id AND s.asset = a.asset
          AND s.mined_block IS NULL AND s.closed_at IS NULL
    ) pending
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(s.units), 0) AS units FROM rails_slot s
        WHERE s.wallet_id = w.id AND s.asset = a.asset AND s.mined_block > a.balance_block
    ) gone
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(s.units), 0) AS units FROM rails_slot s
        WHERE s.wallet_id = w.id AND s.asset = a.asset AND a.ceiling_units IS NOT NULL
          AND s.created_at > statement_timestamp() - interval '24 hours'
    ) today
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.units), 0) AS units FROM rails_housecrossing c
        WHERE c.wallet_id = w.id AND c.asset = a.asset AND c.released_at IS NULL
          AND NOT EXISTS (
              SELECT FROM rails_attempt t WHERE t.payout_id = c.payout_id AND t.leg > 1
          )
    ) promised
    WHERE w.network = ANY(%s::text[]) AND w.purpose = 'payouts' AND w.is_enabled
      AND w.frozen_at IS NULL AND a.balance_units IS NOT NULL
    ORDER BY w.id
"""
# Never waited for: she who holds it may wait for a wallet that we hold.
LOCK_WALLET = """
    SELECT id FROM rails_hotwallet
    WHERE id = %s AND is_enabled AND frozen_at IS NULL FOR UPDATE SKIP LOCKED
"""
# So that the open ones stay few, whatever the years bring.
HAND_ON = """
    UPDATE rails_housecrossing c SET released_at = clock_timestamp()
    WHERE c.released_at IS NULL AND EXISTS (
        SELECT FROM rails_attempt t WHERE t.payout_id = c.payout_id AND t.leg > 1
    )
"""
RELEASE = """
    UPDATE rails_housecrossing SET released_at = clock_timestamp()
    WHERE released_at IS NULL AND payout_id = ANY(%s::uuid[])
"""


@dataclass(slots=True)
class Liquidity:
    """What every usable wallet could still be promised for, by (network, asset)."""

    free: dict[tuple[str, str], dict[int, int]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    locked: set[int] = field(default_factory=set)

    def take(self, order: Order) -> int | None:
        """Promise the order's units from the fullest wallet; None when none has as many."""
        wallet = self._fullest(order)
        if wallet is not None:
            self.free[order.to_network, order.asset][wallet] -= order.units
        return wallet

    def lock_and_take(self, order: Order) -> int | None:
        """The same, from a wallet whose row is ours until the transaction ends."""
        while (wallet := self._fullest(order)) is not None and wallet not in self.locked:
            self._lock(wallet, order.to_network)
        return self.take(order)

    def _fullest(self, order: Order) -> int | None:
        wallets = self.free[order.to_network, order.asset]
        wallet = max(wallets, key=lambda key: wallets[key], default=None)
        return None if wallet is None or wallets[wallet] < order.units else wallet

    def _lock(self, wallet: int, network: str) -> None:
        """Lock it and count again what it has; or forget that it is there."""
        with connection.cursor() as cursor:
            cursor.execute(LOCK_WALLET, [wallet])
            is_ours = cursor.fetchone() is not None
        now = _liquidity([network]) if is_ours else Liquidity()
        for place, wallets in self.free.items():
            if place[0] == network:
                wallets.pop(wallet, None)
                if wallet in now.free[place]:
                    wallets[wallet] = now.free[place][wallet]
        if is_ours:
            self.locked.add(wallet)


class HouseRail:
    """Leg 1 of a live bridge whose last leg is on a chain that we are connected to."""

    name = HOUSE
    statement = HouseStatement()

    def preflight(
        self, orders: Sequence[Order]
    ) -> list[Order | RailRejected | RailUnavailable]:
        """Ask whether the second leg could be paid, while it can still be called off.

        Once the first leg is over, a destination that refuses to be paid needs a person.
        """
        if not orders:
            return []
        ahead = rail_named(PAYING).preflight(
            [
                replace(order, leg=order.leg + 1, network=order.to_network, is_last_leg=True)
                for order in orders
            ]
        )
        liquidity = _liquidity(order.to_network for order in orders)
        return [
            (_unfit(order) or _short(order, liquidity) or order)
            if isinstance(answer, Order)
            else answer
            for order, answer in zip(orders, ahead, strict=True)
        ]

    def prepare(
        self, orders: Sequence[Order]
    ) -> list[Prepared | RailRejected | RailUnavailable]:
        """Promise each order tokens of a wallet, or say that there are none for it."""
        if not orders:
            return []
        with connection.cursor() as cursor:
            cursor.execute(LOCK)
            cursor.execute(HAND_ON)
        promised = _already_promised(orders)
        liquidity = _liquidity(order.to_network for order in orders)
        answers: list[Prepared | RailRejected | RailUnavailable] = []
        crossings = []
        for order in orders:
            reference = _reference(order)
            answer = _unfit(order) or Prepared(
                HOUSE, order.network, reference, reference.encode()
            )
            if isinstance(answer, Prepared) and reference not in promised:
                wallet = liquidity.lock_and_take(order)
                if wallet is None:
                    answers.append(_no_liquidity(order))
                    continue
                crossings.append(_crossing(order, wallet))
            answers.append(answer)
        HouseCrossing.objects.bulk_create(crossings)
        return answers

    def submit(self, batch: Sequence[Prepared]) -> list[Receipt]:
        """Nothing leaves, so there is nothing to hand over."""
        return [Receipt(one.reference, accepted=True) for one in batch]

    def look_up(self, batch: Sequence[Prepared]) -> list[Sighting]:
        """FINAL where the promise stands, as it does once it was committed; else UNKNOWN.

        A promise that a restored backup has lost was made, and may have been acted on.
        """
        rows = {
            row.reference: row
            for row in HouseCrossing.objects.filter(
                reference__in=[one.reference for one in batch]
            )
        }
        return [_sighting(rows.get(one.reference)) for one in batch]


def release(payout_ids: Sequence[UUID]) -> None:
    """Promise these payouts nothing any more: they are given up, and nothing was paid.

    For the database transaction that gives them up.
    """
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [list(payout_ids)])


def _liquidity(networks: Iterable[str]) -> Liquidity:
    liquidity = Liquidity()
    with connection.cursor() as cursor:
        cursor.execute(FREE, [sorted(set(networks))])
        for wallet, network, asset, free in cursor.fetchall():
            liquidity.free[network, asset][wallet] = int(free)
    return liquidity


def _already_promised(orders: Sequence[Order]) -> set[str]:
    return set(
        HouseCrossing.objects.filter(
            reference__in=[_reference(order) for order in orders]
        ).values_list("reference", flat=True)
    )


def _crossing(order: Order, wallet: int) -> HouseCrossing:
    return HouseCrossing(
        reference=_reference(order),
        payout_id=order.payout_id,
        asset=order.asset,
        from_network=order.network,
        to_network=order.to_network,
        units=order.units,
        wallet_id=wallet,
    )


def _reference(order: Order) -> str:
    return f"{HOUSE}:{order.payout_id.hex}:{order.attempt}"


def _unfit(order: Order) -> RailRejected | None:
    """Why this is no crossing at all."""
    asset = ASSETS.get(order.asset)
    ends = {order.network, order.to_network}
    if asset is not None and order.network != order.to_network and ends <= {*asset.networks}:
        return None
    return RailRejected(
        f"{order.asset} cannot go from {order.network} to {order.to_network}.",
        failure_code="asset_not_on_network",
    )


def _short(order: Order, liquidity: Liquidity) -> RailUnavailable | None:
    return _no_liquidity(order) if liquidity.take(order) is None else None


def _no_liquidity(order: Order) -> RailUnavailable:
    return RailUnavailable(
        f"No wallet on {order.to_network} has enough {order.asset} that is not promised yet.",
        waiting_for="liquidity",
    )


def _sighting(crossing: HouseCrossing | None) -> Sighting:
    if crossing is None:
        return Sighting(Outcome.UNKNOWN)
    return Sighting(
        Outcome.FINAL,
        evidence={
            "promised": str(crossing.units),
            "asset": crossing.asset,
            "on": crossing.to_network,
            "wallet": crossing.wallet_id,
        },
        seen_at=crossing.reserved_at,
    )
