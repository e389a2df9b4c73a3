"""Somebody else's send at a nonce of ours: the key is in other hands, or our books are old.

When the chain's nonce, as deep as the policy asks, is beyond a slot's, and no node has a
receipt for any of its hashes, then none of our bytes can ever be mined. The wallet is
frozen. The slot is dead only when the other's send was found and pays something else:
one that pays the very same may well be ours, signed before a database was restored, and
then a person decides.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import structlog
from eth_utils.conversions import to_hex

from engine.rails.base import Outcome, Sighting
from engine.rails.evm.marks import Mark, note_marks
from engine.rails.evm.rpc import Call, RpcRefused
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
    taken = _still_without_receipt(chain, _taken(chain, head, needed, slots))
    sightings, marks = {}, []
    for slot in taken:
        why = f"nonce {slot.nonce} was used by a send that is not ours"
        freeze_wallets([slot.wallet_id], why=why)
        other = _find(chain, slot, head)
        proof = {"said": why, "wallet": slot.wallet, "nonce": slot.nonce, "other": other}
        if other is None or _pays_the_same(slot, other):
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
            if isinstance(count, RpcRefused):
                continue
            for slot in depths[place]:
                votes[slot.id] += int(count, 16) > slot.nonce
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


def _find(chain: Chain, slot: SlotView, head: int) -> dict[str, Any] | None:
    """The send at the slot's nonce: hash, to, value, input. None when it cannot be found."""
    low, high = max(head - SEARCHED_BLOCKS, 0), head
    while low < high:
        middle = (low + high) // 2
        (count,) = chain.ask([Call("eth_getTransactionCount", [slot.wallet, hex(middle)])])
        if isinstance(count, RpcRefused):
            return None
        if int(count, 16) > slot.nonce:
            high = middle
        else:
            low = middle + 1
    (block,) = chain.ask([Call("eth_getBlockByNumber", [hex(low), True])])
    if not isinstance(block, dict):
        return None
    for sent in block.get("transactions", ()):
        if sent["from"].lower() == slot.wallet.lower() and int(sent["nonce"], 16) == slot.nonce:
            return {name: sent.get(name) for name in ("hash", "to", "value", "input")}
    return None


def _pays_the_same(slot: SlotView, other: Mapping[str, Any]) -> bool:
    """Whether it does what our slot should have done: then it may be ours after all."""
    return (
        str(other["to"]).lower() == slot.to_address.lower()
        and str(other["input"]).lower() == to_hex(slot.calldata)
        and int(str(other["value"]), 16) == slot.value_wei
    )
