"""Taking nonces: which wallet pays an order, and at which of its nonces.

All of it happens inside the caller's short database transaction, under the wallet's row
lock: a nonce comes from our row, never from a node, and a slot that is not committed
gives its nonce back. A wallet pays only what it is known to hold, less what it has
promised since.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import connection

from engine.rails.base import Prepared
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.evm.erc20 import transfer_calldata
from engine.rails.models import ChainHead, HouseCrossing, SlotKind, Token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from engine.rails.base import Order

    Answer = Prepared | RailRejected | RailUnavailable

NAME = "evm"
# The wallet with the most room for sends. Counts that decide are read after the lock.
LANE = """
    SELECT w.id, w.address, w.next_nonce, w.gas_wei, w.in_flight_max, w.gas_block
    FROM rails_hotwallet w
    WHERE w.network = %(network)s AND w.purpose = 'payouts' AND w.is_enabled
      AND w.frozen_at IS NULL AND w.id <> ALL(%(tried)s::bigint[])
    ORDER BY w.in_flight_max - (
        SELECT count(*) FROM rails_slot s
        WHERE s.wallet_id = w.id AND s.closed_at IS NULL AND s.mined_block IS NULL
    ) DESC, w.id
    LIMIT 1 FOR UPDATE OF w
"""
# What it holds of each asset at a block, less all that the block cannot have counted yet;
# and what of that the house's own bridges have promised to legs that have no slot so far.
# Two sums and no OR, and no clock that moves while it is read, so that each has its index:
# a wallet's slots are kept for ever.
FUNDS = """
    SELECT a.asset,
           a.balance_units - coalesce((
               SELECT sum(s.units) FROM rails_slot s
               WHERE s.wallet_id = a.wallet_id AND s.asset = a.asset
                 AND s.mined_block > a.balance_block
           ), 0) - coalesce((
               SELECT sum(s.units) FROM rails_slot s
               WHERE s.wallet_id = a.wallet_id AND s.asset = a.asset
                 AND s.mined_block IS NULL AND s.closed_at IS NULL
           ), 0) AS free,
           coalesce((
               SELECT sum(c.units) FROM rails_housecrossing c
               WHERE c.wallet_id = a.wallet_id AND c.asset = a.asset AND c.released_at IS NULL
                 AND NOT EXISTS (
                     SELECT FROM rails_attempt t WHERE t.payout_id = c.payout_id AND t.leg > 1
                 )
           ), 0) AS promised,
           CASE WHEN a.ceiling_units IS NOT NULL THEN a.ceiling_units - coalesce((
               SELECT sum(s.units) FROM rails_slot s
               WHERE s.wallet_id = a.wallet_id AND s.asset = a.asset
                 AND s.created_at > statement_timestamp() - interval '24 hours'
           ), 0) END AS left_today
    FROM rails_walletasset a
    WHERE a.wallet_id = %s AND a.balance_units IS NOT NULL
"""
# Room is for what nodes still hold, gas for what the wallet's native balance has not paid
# yet; neither waits until it is final.
UNDER_WAY = """
    SELECT count(*) FILTER (WHERE s.mined_block IS NULL),
           coalesce(sum(greatest(s.gas_limit, t.gas_limit)) FILTER (WHERE unpaid), 0),
           coalesce(sum(s.value_wei) FILTER (WHERE unpaid), 0)
    FROM rails_slot s
    CROSS JOIN LATERAL (
        SELECT (s.mined_block <= %(gas_block)s) IS NOT TRUE AS unpaid,
               (SELECT max(t.gas_limit) FROM rails_signedtransaction t WHERE t.slot_id = s.id)
                   AS gas_limit
    ) t
    WHERE s.wallet_id = %(wallet)s AND s.closed_at IS NULL
"""
TAKE = "UPDATE rails_hotwallet SET next_nonce = next_nonce + %s WHERE id = %s"
INSERT = """
    INSERT INTO rails_slot
        (wallet_id, nonce, kind, asset, units, destination, to_address, value_wei, calldata,
         gas_limit, mined_hash)
    SELECT %(wallet)s, t.*, '' FROM unnest(
        %(nonces)s::bigint[], %(kinds)s::text[], %(assets)s::text[], %(units)s::numeric[],
        %(destinations)s::text[], %(to)s::text[], %(values)s::numeric[], %(calldata)s::bytea[],
        %(gas)s::bigint[]
    ) AS t
    RETURNING nonce, id
"""
# Gas that a transfer may need beyond the estimate: the state may change before it runs.
# Whoever empties her account meanwhile makes the transfer write her balance anew, for
# 17,100 more (EIP-2200, EIP-2929).
GAS_SPARE_PERCENT = 130
GAS_SPARE_MIN = 20_000
# The least that a transfer is given, whatever was counted: too little burns all of it.
GAS_MIN = 45_000


@dataclass(frozen=True, slots=True)
class Send:
    """What one nonce shall do, in the chain's own terms."""

    kind: SlotKind
    asset: str
    units: int
    destination: str
    to_address: str
    calldata: bytes
    gas_limit: int
    value_wei: int = 0
    # The wallet whose tokens a crossing has promised to this send; others may not have them.
    promised_by: int | None = None


@dataclass(slots=True)
class Lane:
    """A locked wallet, and what it can still pay."""

    id: int
    address: str
    next_nonce: int
    room: int
    gas: int
    free: dict[str, int] = field(default_factory=dict)
    promised: dict[str, int] = field(default_factory=dict)
    left_today: dict[str, int] = field(default_factory=dict)
    taken: list[tuple[int, Send]] = field(default_factory=list)
    lacks: str = "wallet"

    def take(self, send: Send, name: int) -> bool:
        """Promise this send, or say in `lacks` what is missing for it."""
        is_promised = send.promised_by == self.id
        kept = 0 if is_promised else self.promised.get(send.asset, 0)
        if self.room < 1:
            self.lacks = "lane_full"
        elif self.free.get(send.asset, 0) - kept < send.units:
            self.lacks = "liquidity"
        elif send.asset in self.left_today and self.left_today[send.asset] < send.units:
            self.lacks = "wallet_ceiling"
        elif self.gas < send.gas_limit:
            self.lacks = "gas"
        else:
            self.room -= 1
            self.gas -= send.gas_limit
            self.free[send.asset] -= send.units
            if is_promised:
                self.promised[send.asset] -= send.units
            if send.asset in self.left_today:
                self.left_today[send.asset] -= send.units
            self.taken.append((name, send))
            return True
        return False


WORDS = {
    "chain": "The chain's head is not known yet.",
    "wallet": "No wallet of this network may pay just now.",
    "lane_full": "Every wallet of this network has its most sends under way.",
    "liquidity": "No wallet of this network holds enough of the asset.",
    "wallet_ceiling": "The wallets of this network have paid what they may pay in a day.",
    "gas": "No wallet of this network has enough to pay for gas.",
}


def prepare_orders(orders: Sequence[Order]) -> list[Answer]:
    """Take a nonce for each order that a wallet can pay, in the caller's transaction."""
    answers: dict[int, Answer] = {}
    tokens = {(row.network, row.asset): row for row in Token.objects.all()}
    promises = _promises([order.payout_id for order in orders if order.leg > 1])
    by_network: dict[str, list[tuple[int, Send]]] = defaultdict(list)
    for place, order in enumerate(orders):
        token = tokens.get((order.network, order.asset))
        if token is None:
            answers[place] = RailRejected(
                f"{order.asset} has no token on {order.network}.",
                failure_code="asset_not_on_network",
            )
        else:
            send = _payout_send(order, token, promised_by=promises.get(order.payout_id))
            by_network[order.network].append((place, send))
    # In one order for everybody: who holds one network's wallet may wait for another's.
    for network in sorted(by_network):
        answers |= _prepare_on(network, by_network[network])
    return [answers[place] for place in range(len(orders))]


def _promises(payout_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The wallets whose tokens were promised to these payouts' last legs."""
    if not payout_ids:
        return {}
    return dict(
        HouseCrossing.objects.filter(payout_id__in=payout_ids, released_at=None).values_list(
            "payout_id", "wallet_id"
        )
    )


def _payout_send(order: Order, token: Token, *, promised_by: int | None) -> Send:
    gas = max(with_spare(order.gas), GAS_MIN)
    return Send(
        kind=SlotKind.PAYOUT,
        asset=order.asset,
        units=order.units,
        destination=order.destination,
        to_address=token.address,
        calldata=transfer_calldata(to=order.destination, units=order.units),
        gas_limit=min(gas, token.gas_limit) if order.gas else token.gas_limit,
        promised_by=promised_by,
    )


def with_spare(gas: int) -> int:
    """The limit to sign for so much gas as nodes count now."""
    return max(gas * GAS_SPARE_PERCENT // 100, gas + GAS_SPARE_MIN)


def _prepare_on(network: str, sends: list[tuple[int, Send]]) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}
    head = ChainHead.objects.filter(network=network).first()
    lacks = "wallet"
    tried: list[int] = []
    while sends and head is not None:
        lane = lock_lane(network, tried=tried, gas_price=2 * head.base_fee_wei + head.tip_wei)
        if lane is None:
            break
        tried.append(lane.id)
        sends = [(place, send) for place, send in sends if not lane.take(send, place)]
        lacks = lane.lacks
        for place, slot_id, nonce in take_slots(lane):
            answers[place] = Prepared(
                rail=NAME,
                network=network,
                reference=f"{network}:{lane.address}:{nonce}",
                payload=str(slot_id).encode(),
            )
    lacks = lacks if head is not None else "chain"
    for place, _ in sends:
        answers[place] = RailUnavailable(WORDS[lacks], waiting_for=lacks)
    return answers


def lock_lane(network: str, *, tried: list[int], gas_price: int) -> Lane | None:
    """Lock the emptiest wallet not tried yet; None when there is none free.

    The first one is waited for, the later ones are not: whoever waits for one wallet
    while holding another may wait in a circle.
    """
    parameters: dict[str, Any] = {"network": network, "tried": tried}
    with connection.cursor() as cursor:
        cursor.execute(f"{LANE} SKIP LOCKED", parameters)
        row = cursor.fetchone()
        if row is None and not tried:
            cursor.execute(LANE, parameters)
            row = cursor.fetchone()
        if row is None:
            return None
        return _lane(cursor, row, gas_price)


def _lane(cursor: Any, row: Sequence[Any], gas_price: int) -> Lane:
    key, address, next_nonce, gas_wei, in_flight_max, gas_block = row
    cursor.execute(UNDER_WAY, {"wallet": key, "gas_block": gas_block})
    under_way, gas_limits, value_wei = cursor.fetchone()
    wei = int(gas_wei or 0) - int(value_wei)
    lane = Lane(
        id=key,
        address=address,
        next_nonce=next_nonce,
        room=in_flight_max - under_way,
        gas=wei // max(gas_price, 1) - int(gas_limits),
    )
    cursor.execute(FUNDS, [key])
    for asset, free, promised, left_today in cursor.fetchall():
        lane.free[asset], lane.promised[asset] = int(free), int(promised)
        if left_today is not None:
            lane.left_today[asset] = int(left_today)
    return lane


def take_slots(lane: Lane) -> list[tuple[int, int, int]]:
    """Store what the lane has promised: (name, slot id, nonce) of each, in order."""
    if not lane.taken:
        return []
    sends = [send for _, send in lane.taken]
    nonces = list(range(lane.next_nonce, lane.next_nonce + len(sends)))
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [len(sends), lane.id])
        cursor.execute(
            INSERT,
            {
                "wallet": lane.id,
                "nonces": nonces,
                "kinds": [send.kind.value for send in sends],
                "assets": [send.asset for send in sends],
                "units": [send.units for send in sends],
                "destinations": [send.destination for send in sends],
                "to": [send.to_address for send in sends],
                "values": [send.value_wei for send in sends],
                "calldata": [send.calldata for send in sends],
                "gas": [send.gas_limit for send in sends],
            },
        )
        ids = dict(cursor.fetchall())
    return [
        (name, ids[nonce], nonce) for (name, _), nonce in zip(lane.taken, nonces, strict=True)
    ]
