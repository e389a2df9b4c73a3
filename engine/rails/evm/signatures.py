"""What to sign at a slot, and keeping it before anybody sees it.

Signing happens outside any database transaction, since a remote signer is a network; the
bytes are stored and committed, and only then sent. Of two workers that sign one slot the
second one's bytes are dropped: (slot, number) is unique, and nobody ever sent them.

A freeze stops it too, a wallet's or a network's: what was signed meanwhile is thrown away.

All bytes of a slot have one nonce, so the chain takes one of them at most. That is why
the same reference twice pays once, also when a fee was bumped in between.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection, transaction
from eth_utils.conversions import to_hex

from engine.rails.evm.fees import Fees, bumped, fees_for
from engine.rails.guards import EVERYWHERE, stopped_networks
from engine.rails.models import SignedKind
from engine.rails.networks import NETWORKS
from engine.rails.signing import SigningRequest, SigningUnavailable, signer

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
        (slot_id, number, kind, hash, raw, max_fee_wei, tip_wei, gas_limit)
    SELECT t.* FROM unnest(
        %(slots)s::bigint[], %(numbers)s::smallint[], %(kinds)s::text[], %(hashes)s::text[],
        %(raws)s::bytea[], %(max_fees)s::numeric[], %(tips)s::numeric[], %(gas)s::bigint[]
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
class Counted:
    """Gas as nodes count it now: what it takes at least, and what to sign for it."""

    needed: int
    limit: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What shall be signed at a slot next. A `gas_limit` of 0 is the slot's."""

    slot: SlotView
    number: int
    kind: SignedKind
    fees: Fees
    gas_limit: int = 0

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
                "gas": self.gas_limit or slot.gas_limit,
                "maxFeePerGas": self.fees.max_fee_wei,
                "maxPriorityFeePerGas": self.fees.tip_wei,
            },
        )


def sign_due(
    slots: Sequence[SlotView], gas: Mapping[str, Gas], counted: Mapping[int, Counted]
) -> dict[int, str]:
    """Sign and store what these slots need now.

    `gas` by network, `counted` by slot where it was asked for. Returns why not, by slot,
    for those that the signer has not signed.
    """
    heads = _heads_of_lanes(slots)
    drafts = [
        draft
        for slot in slots
        if slot.network in gas and not slot.is_frozen and not slot.is_closed
        for draft in [
            draft_for(
                slot,
                gas[slot.network],
                is_head=heads.get(slot.id, False),
                counted=counted.get(slot.id),
            )
        ]
        if draft is not None
    ]
    if not drafts:
        return {}
    signed, whys = _sign(drafts)
    if signed:
        store(signed)
    return whys


def _sign(drafts: Sequence[Draft]) -> tuple[list[tuple[Draft, Signed]], dict[int, str]]:
    """All at once; and if that fails, key by key, so that a lost one stops no other.

    Returns what was signed, and why not by slot. A signer that does not answer is not
    waited for once for each key: what is left after RPC_TIMEOUT_SECONDS is tried next time.
    """
    try:
        return _signed(drafts), {}
    except SigningUnavailable as error:
        why = error.message
    by_key: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        by_key[draft.slot.key_name].append(draft)
    whys = {draft.slot.id: why for draft in drafts}
    signed: list[tuple[Draft, Signed]] = []
    if len(by_key) == 1:
        return signed, whys
    started = monotonic()
    for group in by_key.values():
        if monotonic() - started > settings.RPC_TIMEOUT_SECONDS:
            break
        try:
            signed += _signed(group)
        except SigningUnavailable as error:
            whys |= {draft.slot.id: error.message for draft in group}
        else:
            for draft in group:
                del whys[draft.slot.id]
    return signed, whys


def _signed(drafts: Sequence[Draft]) -> list[tuple[Draft, Signed]]:
    signed = signer().sign([draft.request for draft in drafts])
    return list(zip(drafts, signed, strict=True))


def draft_for(
    slot: SlotView, gas: Gas, *, is_head: bool, counted: Counted | None = None
) -> Draft | None:
    """What to sign at this slot now, if anything. `is_head`: all others wait behind it."""
    latest, kind = slot.latest, slot.next_kind
    is_cancel = kind == SignedKind.CANCEL
    base_fee, tip = gas.base_fee_wei, gas.tip_wei
    limit = _gas_limit(slot, counted)
    if latest is None:
        fees = fees_for(base_fee_wei=base_fee, tip_wei=tip, is_cancel=is_cancel)
        return None if fees is None else Draft(slot, 1, kind, fees, limit)
    is_new_cancel = kind != latest.kind
    is_short = _is_short(slot, counted)
    if not (is_new_cancel or is_short or _is_stuck(slot, gas, is_head=is_head)):
        return None
    fees = bumped(latest.fees, base_fee_wei=base_fee, tip_wei=tip, is_cancel=is_cancel)
    if fees is None and is_short and not is_new_cancel:
        # No node holds the one that it refused, so none asks for more than that.
        fees = latest.fees
    return None if fees is None else Draft(slot, latest.number + 1, kind, fees, limit)


def _gas_limit(slot: SlotView, counted: Counted | None) -> int:
    latest, kind = slot.latest, slot.next_kind
    if counted is not None:
        return counted.limit
    if latest is not None and latest.kind == kind:
        return latest.gas_limit
    return max(slot.gas_limit, CANCEL_GAS) if kind == SignedKind.CANCEL else slot.gas_limit


def _is_short(slot: SlotView, counted: Counted | None) -> bool:
    """Whether the latest allows less gas than it takes by now, so that waiting is in vain."""
    return (
        counted is not None
        and slot.latest is not None
        and counted.needed > slot.latest.gas_limit
        and slot.tries <= settings.EVM_BUMPS_MAX
    )


def _is_stuck(slot: SlotView, gas: Gas, *, is_head: bool) -> bool:
    """Whether a higher fee would help: it has waited, and nobody before it is waiting."""
    latest = slot.latest
    if latest is None or slot.mined_block is not None:
        return False
    if slot.tries > settings.EVM_BUMPS_MAX:
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
    """Keep what was signed, and commit. What was frozen meanwhile is thrown away."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        # Before the wallets, as everybody does who needs both.
        stopped = stopped_networks()
        wallets = sorted({draft.slot.wallet_id for draft, _ in signed})
        cursor.execute(NOT_FROZEN, [wallets])
        free = {key for (key,) in cursor.fetchall()}
        kept = [
            (draft, one)
            for draft, one in signed
            if draft.slot.wallet_id in free and not stopped & {EVERYWHERE, draft.slot.network}
        ]
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
                "gas": [draft.request.fields["gas"] for draft, _ in kept],
            },
        )
    if len(kept) < len(signed):
        logger.warning("frozen_while_signing", thrown_away=len(signed) - len(kept))
