"""A slot as its rail reads it: what it is for, and all that was ever signed at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from engine.rails.evm.fees import Fees
from engine.rails.models import SignedKind, SlotKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

SLOTS = """
    SELECT s.id, s.wallet_id, w.network, w.address, w.key_name, w.frozen_at IS NOT NULL,
           s.nonce, s.kind, s.asset, s.units, s.destination, s.to_address, s.value_wei,
           s.calldata, s.gas_limit, s.cancel_asked_at IS NOT NULL, s.mined_block,
           s.mined_hash, s.closed_at IS NOT NULL
    FROM rails_slot s JOIN rails_hotwallet w ON w.id = s.wallet_id
    WHERE s.id = ANY(%s::bigint[])
    ORDER BY s.wallet_id, s.nonce
"""
SIGNED = """
    SELECT t.slot_id, t.number, t.kind, t.hash, t.raw, t.max_fee_wei, t.tip_wei,
           coalesce(nullif(t.gas_limit, 0), s.gas_limit), t.signed_at,
           extract(epoch FROM clock_timestamp() - t.signed_at)::float8
    FROM rails_signedtransaction t JOIN rails_slot s ON s.id = t.slot_id
    WHERE t.slot_id = ANY(%s::bigint[])
    ORDER BY t.slot_id, t.number
"""


@dataclass(frozen=True, slots=True)
class Signature:
    """Signed bytes at a slot. `age_seconds` by the database's clock."""

    number: int
    kind: SignedKind
    hash: str
    raw: bytes
    fees: Fees
    gas_limit: int
    signed_at: datetime
    age_seconds: float


@dataclass(frozen=True, slots=True)
class SlotView:
    """One row of rails_slot with its wallet and its signatures, the oldest first."""

    id: int
    wallet_id: int
    network: str
    wallet: str
    key_name: str
    is_frozen: bool
    nonce: int
    kind: SlotKind
    asset: str
    units: int
    destination: str
    to_address: str
    value_wei: int
    calldata: bytes
    gas_limit: int
    is_to_cancel: bool
    mined_block: int | None
    mined_hash: str
    is_closed: bool
    signed: tuple[Signature, ...]

    @property
    def latest(self) -> Signature | None:
        return self.signed[-1] if self.signed else None

    @property
    def next_kind(self) -> SignedKind:
        """What would be signed at it now: what was cancelled once is never paid again."""
        is_cancelled = self.latest is not None and self.latest.kind == SignedKind.CANCEL
        is_cancel = self.is_to_cancel or is_cancelled
        return SignedKind.CANCEL if is_cancel else SignedKind.TRANSFER

    @property
    def tries(self) -> int:
        """How often the latest kind was signed: cancels do not use up what sends have left."""
        return sum(one.kind == self.signed[-1].kind for one in self.signed)


def read_slots(slot_ids: Sequence[int]) -> dict[int, SlotView]:
    """The slots by id, in the order of their lanes' nonces."""
    signed: dict[int, list[Signature]] = {}
    with connection.cursor() as cursor:
        cursor.execute(SIGNED, [list(slot_ids)])
        for slot_id, number, kind, hash_, raw, max_fee, tip, *rest in cursor.fetchall():
            fees = Fees(int(max_fee), int(tip))
            signature = Signature(number, SignedKind(kind), hash_, bytes(raw), fees, *rest)
            signed.setdefault(slot_id, []).append(signature)
        cursor.execute(SLOTS, [list(slot_ids)])
        return {row[0]: _view(row, tuple(signed.get(row[0], ()))) for row in cursor.fetchall()}


def _view(row: Sequence[Any], signed: tuple[Signature, ...]) -> SlotView:
    (slot_id, wallet_id, network, wallet, key_name, is_frozen, nonce, kind, asset) = row[:9]
    (units, destination, to_address, value_wei, calldata, gas_limit, is_to_cancel) = row[9:16]
    return SlotView(
        id=slot_id,
        wallet_id=wallet_id,
        network=network,
        wallet=wallet,
        key_name=key_name,
        is_frozen=is_frozen,
        nonce=nonce,
        kind=SlotKind(kind),
        asset=asset,
        units=int(units),
        destination=destination,
        to_address=to_address,
        value_wei=int(value_wei),
        calldata=bytes(calldata),
        gas_limit=gas_limit,
        is_to_cancel=is_to_cancel,
        mined_block=row[16],
        mined_hash=row[17],
        is_closed=row[18],
        signed=signed,
    )
