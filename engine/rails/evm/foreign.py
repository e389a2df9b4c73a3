"""Somebody else's send at a nonce of ours: the key is in other hands, or our books are old.

When the chain's nonce, as deep as the policy asks, is beyond a slot's, and no node has a
receipt for any of its hashes, then none of our bytes can ever be mined. The wallet is
frozen. The slot is dead only when enough nodes show the other's send, and it pays nothing
that we ever meant to pay: one that does may well be ours, signed before a database was
restored, and then a person decides.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import structlog
from eth_utils.conversions import to_bytes

from engine.rails.base import Outcome, Sighting
from engine.rails.evm.marks import Mark, note_marks
from engine.rails.evm.rpc import Call
from engine.rails.evm.rpc_batch import quantity
from engine.rails.evm.views import read_slots
from engine.rails.models import Slot
from engine.rails.wallets import freeze_wallets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.rails.evm.rpc import Chain
    from engine.rails.evm.views import SlotView

logger = structlog.get_logger(__name__)

# Nodes that are no archives know a few thousand blocks of state at most.
SEARCHED_BLOCKS = 100_000


def look_for_others(
    chain: Chain, head: int, needed: Mapping[int, int], slots: Sequence[SlotView]
) -> dict[int, Sighting]:
    """Sightings of those among `slots`, none of which has a receipt, whose nonce is taken.

    `needed` confirmations by slot id. Raises RailUnavailable.
    """
    taken = _taken(chain, head, needed, slots)
    if not taken:
        return {}
    # Read again after the count: another worker may have signed a higher fee since we
    # looked. What she sent was stored before, so whatever is not in our books now was not
    # sent by us.
    fresh = list(read_slots([slot.id for slot in taken]).values())
    sightings, marks = {}, []
    for slot in _still_without_receipt(chain, fresh):
        why = f"nonce {slot.nonce} was used by a send that is not ours"
        other = _find(chain, slot, head - needed[slot.id] + 1)
        if other and other["hash"].lower() in {one.hash for one in slot.signed}:
            # Ours after all: a node knows blocks before it knows receipts.
            continue
        freeze_wallets([slot.wallet_id], why=why)
        proof = {"said": why, "wallet": slot.wallet, "nonce": slot.nonce, "other": other}
        if other is None or _pays_as_we_do(slot, other):
            sightings[slot.id] = Sighting(Outcome.UNKNOWN, evidence=proof, needs_person=True)
            continue
        sightings[slot.id] = Sighting(
            Outcome.DEAD,
            evidence=proof,
            failure_code="nonce_taken",
            failure_message="The wallet's number for this transfer was used up by another.",
        )
        marks.append(Mark(slot=slot, block=None, hash="", spent_wei=0))
    note_marks(marks)
    return sightings


def _taken(
    chain: Chain, head: int, needed: Mapping[int, int], slots: Sequence[SlotView]
) -> list[SlotView]:
    """The slots that the chain, at their depth, has left behind."""
    depths: dict[tuple[str, int], list[SlotView]] = defaultdict(list)
    for slot in slots:
        depths[slot.wallet, max(head - needed[slot.id] + 1, 0)].append(slot)
    if not depths:
        return []
    places = list(depths)
    calls = [Call("eth_getTransactionCount", [wallet, hex(at)]) for wallet, at in places]
    votes: dict[int, int] = defaultdict(int)
    for answers in chain.ask_each(calls):
        for place, count in zip(places, answers, strict=True):
            used = quantity(count)
            if used is None:
                continue
            for slot in depths[place]:
                votes[slot.id] += used > slot.nonce
    return [slot for slot in slots if votes[slot.id] >= chain.quorum]


def _still_without_receipt(chain: Chain, slots: Sequence[SlotView]) -> list[SlotView]:
    """Asked once more after the count: what was mined in between is ours, not another's."""
    asked = [(slot.id, one.hash) for slot in slots for one in slot.signed]
    if not asked:
        return []
    calls = [Call("eth_getTransactionReceipt", [hash_]) for _, hash_ in asked]
    found = {
        slot_id
        for answers in chain.ask_each(calls)
        for (slot_id, _), answer in zip(asked, answers, strict=True)
        # No answer is no proof of absence either.
        if answer is not None
    }
    return [slot for slot in slots if slot.id not in found]


def _find(chain: Chain, slot: SlotView, deepest: int) -> dict[str, Any] | None:
    """The send at the slot's nonce: hash, to, value, input. None when it cannot be found.

    It lies in the block `deepest` or before it. Any one node may say where, and then as
    many as the quorum must show it there.
    """
    low, high = max(deepest - SEARCHED_BLOCKS, 0), max(deepest, 0)
    while low < high:
        middle = (low + high) // 2
        (count,) = chain.ask([Call("eth_getTransactionCount", [slot.wallet, hex(middle)])])
        used = quantity(count)
        if used is None:
            return None
        if used > slot.nonce:
            high = middle
        else:
            low = middle + 1
    told = chain.ask_each([Call("eth_getBlockByNumber", [hex(low), True])])
    found = [_in_block(block, slot) for (block,) in told]
    shown = [one for one in found if one is not None]
    is_agreed = len(shown) >= chain.quorum and all(one == shown[0] for one in shown)
    return shown[0] if is_agreed else None


def _in_block(block: Any, slot: SlotView) -> dict[str, Any] | None:
    """The send at the slot's nonce in a block with whole transactions, if it is there."""
    for sent in (block.get("transactions") or ()) if isinstance(block, dict) else ():
        if (
            isinstance(sent, dict)
            and str(sent.get("from")).lower() == slot.wallet.lower()
            and quantity(sent.get("nonce")) == slot.nonce
            and quantity(sent.get("value")) is not None
        ):
            return {name: str(sent.get(name)) for name in ("hash", "to", "value", "input")}
    return None


def _pays_as_we_do(slot: SlotView, other: Mapping[str, Any]) -> bool:
    """Whether it does what any slot of this wallet should do: then it may be ours.

    Any, because a restored database hands out its nonces anew, to other payouts.
    """
    to, calldata, value = other["to"], other["input"], other["value"]
    return Slot.objects.filter(
        wallet=slot.wallet_id,
        to_address__iexact=to,
        calldata=to_bytes(hexstr=calldata),
        value_wei=int(value, 16),
    ).exists()
