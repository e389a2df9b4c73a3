"""What to sign at a slot, and keeping it before anybody sees it.

Signing happens outside any database transaction, since a remote signer is a network; the
bytes are stored and committed, and only then sent. Of two workers that sign one slot the
second one's bytes are dropped: (slot, number) is unique, and nobody ever sent them.

All bytes of a slot have one nonce, so the chain takes one of them at most. That is why
the same reference twice pays once, also when a fee was bumped in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection, transaction
from eth_utils.conversions import to_hex

from engine.rails.evm.fees import Fees, bumped, fees_for
from engine.rails.models import SignedKind
from engine.rails.networks import NETWORKS
from engine.rails.signing import SigningRequest, signer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.rails.evm.views import SlotView
    from engine.rails.signing import Signed

logger = structlog.get_logger(__name__)

# A bare transfer of the native coin (yellow paper, Gtransaction).
CANCEL_GAS = 21_000
# Whoever freezes a wallet waits for those who store, and they for her.
NOT_FROZEN = """
    SELECT id FROM rails_hotwallet
    WHERE id = ANY(%s::bigint[]) AND frozen_at IS NULL ORDER BY id FOR SHARE
"""
STORE = """
    INSERT INTO rails_signedtransaction
        (slot_id, number, kind, hash, raw, max_fee_wei, tip_wei)
    SELECT t.* FROM unnest(
        %(slots)s::bigint[], %(numbers)s::smallint[], %(kinds)s::text[], %(hashes)s::text[],
        %(raws)s::bytea[], %(max_fees)s::numeric[], %(tips)s::numeric[]
    ) AS t
    ORDER BY 1, 2
    ON CONFLICT DO NOTHING
"""
# The first nonce of each lane that no block holds: all the others wait behind it.
HEADS_OF_LANES = """
    SELECT wallet_id, min(nonce) FROM rails_slot
    WHERE wallet_id = ANY(%s::bigint[]) AND closed_at IS NULL AND mined_block IS NULL
    GROUP BY wallet_id
"""


@dataclass(frozen=True, slots=True)
class Gas:
    """What a chain asks for gas just now, and when (seconds since 1970) its head was made."""

    base_fee_wei: int
    tip_wei: int
    head_at: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What shall be signed at a slot next."""

    slot: SlotView
    number: int
    kind: SignedKind
    fees: Fees

    @property
    def request(self) -> SigningRequest:
        slot, is_cancel = self.slot, self.kind == SignedKind.CANCEL
        return SigningRequest(
            key_name=slot.key_name,
            # Whatever else the signer holds, this address pays.
            sender=slot.wallet,
            fields={
                "chainId": NETWORKS[slot.network].chain_id,
                "nonce": slot.nonce,
                "to": slot.wallet if is_cancel else slot.to_address,
                "value": 0 if is_cancel else slot.value_wei,
                "data": "0x" if is_cancel else to_hex(slot.calldata),
                # A cancel uses less, and on roll-ups nobody knows how much less.
                "gas": slot.gas_limit,
                "maxFeePerGas": self.fees.max_fee_wei,
                "maxPriorityFeePerGas": self.fees.tip_wei,
            },
        )


def sign_due(slots: Sequence[SlotView], gas: Mapping[str, Gas]) -> bool:
    """Sign and store what these slots need now. Returns whether anything was signed.

    `gas` by network. Raises RailUnavailable when the signer cannot be asked.
    """
    heads = _heads_of_lanes(slots)
    drafts = [
        draft
        for slot in slots
        if slot.network in gas and not slot.is_frozen and not slot.is_closed
        for draft in [draft_for(slot, gas[slot.network], is_head=heads.get(slot.id, False))]
        if draft is not None
    ]
    if not drafts:
        return False
    signed = signer().sign([draft.request for draft in drafts])
    store(list(zip(drafts, signed, strict=True)))
    return True


def draft_for(slot: SlotView, gas: Gas, *, is_head: bool) -> Draft | None:
    """What to sign at this slot now, if anything. `is_head`: all others wait behind it."""
    latest = slot.latest
    kind = SignedKind.CANCEL if slot.is_to_cancel else SignedKind.TRANSFER
    if latest is None:
        fees = fees_for(base_fee_wei=gas.base_fee_wei, tip_wei=gas.tip_wei)
        return None if fees is None else Draft(slot, 1, kind, fees)
    if latest.kind == SignedKind.CANCEL:
        kind = SignedKind.CANCEL
    is_new_cancel = kind != latest.kind
    if not is_new_cancel and not _is_stuck(slot, gas, is_head=is_head):
        return None
    fees = bumped(latest.fees, base_fee_wei=gas.base_fee_wei, tip_wei=gas.tip_wei)
    return None if fees is None else Draft(slot, latest.number + 1, kind, fees)


def _is_stuck(slot: SlotView, gas: Gas, *, is_head: bool) -> bool:
    """Whether a higher fee would help: it has waited, and nobody before it is waiting."""
    latest = slot.latest
    if latest is None or slot.mined_block is not None:
        return False
    if latest.number > settings.EVM_BUMPS_MAX:
        return False
    if latest.age_seconds < settings.EVM_BUMP_SECONDS:
        return False
    if gas.head_at < latest.signed_at.timestamp():
        # A chain that stands still takes no fee, however high.
        return False
    return is_head or latest.fees.max_fee_wei < gas.base_fee_wei


def _heads_of_lanes(slots: Sequence[SlotView]) -> dict[int, bool]:
    with connection.cursor() as cursor:
        cursor.execute(HEADS_OF_LANES, [sorted({slot.wallet_id for slot in slots})])
        heads = dict(cursor.fetchall())
    return {slot.id: heads.get(slot.wallet_id) == slot.nonce for slot in slots}


def store(signed: Sequence[tuple[Draft, Signed]]) -> None:
    """Keep what was signed, and commit. What a frozen wallet signed is thrown away."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        wallets = sorted({draft.slot.wallet_id for draft, _ in signed})
        cursor.execute(NOT_FROZEN, [wallets])
        free = {key for (key,) in cursor.fetchall()}
        kept = [(draft, one) for draft, one in signed if draft.slot.wallet_id in free]
        cursor.execute(
            STORE,
            {
                "slots": [draft.slot.id for draft, _ in kept],
                "numbers": [draft.number for draft, _ in kept],
                "kinds": [draft.kind.value for draft, _ in kept],
                "hashes": [one.hash for _, one in kept],
                "raws": [one.raw for _, one in kept],
                "max_fees": [draft.fees.max_fee_wei for draft, _ in kept],
                "tips": [draft.fees.tip_wei for draft, _ in kept],
            },
        )
    if len(kept) < len(signed):
        logger.warning("wallet_frozen_while_signing", thrown_away=len(signed) - len(kept))
