"""What became of a slot: every hash that was ever signed at it, deep enough, and agreed.

Success is a receipt with status 1 and the token's own Transfer log, as deep as the depth
policy asks, in a block that the chain holds at that height. A receipt counts when as many
nodes as the quorum tell the same, and is as deep as so many have come. A slot is dead when
the one of its hashes that was mined has failed or was its cancellation, that deep; or when
another's send is final at its nonce (foreign.py). Everything else is unknown, however long
it lasts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from engine.rails.base import Outcome, Sighting
from engine.rails.depths import depth_needed
from engine.rails.errors import RailUnavailable
from engine.rails.evm import foreign
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.erc20 import has_transfer
from engine.rails.evm.laggards import agreed_head
from engine.rails.evm.marks import Mark, note_marks
from engine.rails.evm.rpc import Call
from engine.rails.evm.rpc_batch import quantity
from engine.rails.evm.views import read_slots
from engine.rails.models import ChainHead, SignedKind, SlotKind
from engine.rails.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.evm.rpc import Chain
    from engine.rails.evm.views import SlotView

    Receipt = dict[str, Any]

FAILED = {
    "transfer_reverted": "The network took the transfer, and it failed there.",
    "cancelled": "The transfer was cancelled before the network took it.",
}
SUCCESS = "0x1"
# The year 9999, beyond which there is no datetime.
SECONDS_MAX = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Block:
    """A block as nodes know it at its height."""

    hash: str
    made_at: datetime


@dataclass(slots=True)
class Seen:
    """What the nodes say of one slot: its receipt by hash, and whether any has heard of it."""

    receipts: dict[str, list[Receipt]] = field(default_factory=lambda: defaultdict(list))
    known: set[str] = field(default_factory=set)

    def agreed(self, quorum: int) -> tuple[str, Receipt] | None:
        """The hash and receipt that enough nodes tell alike, all that counts of it."""
        for hash_, receipts in self.receipts.items():
            if len(receipts) >= quorum and len({_essence(one) for one in receipts}) == 1:
                return _with_data_fee(hash_, receipts, quorum)
        return None


def _with_data_fee(
    hash_: str, receipts: Sequence[Receipt], quorum: int
) -> tuple[str, Receipt] | None:
    """The receipt with the `l1Fee` that enough nodes tell; None while they tell others.

    Not every client of a rollup tells it, and what none does is no reason to wait for ever.
    """
    fees = [fee for one in receipts if (fee := quantity(one.get("l1Fee"))) is not None]
    if len(set(fees)) > 1:
        return None
    told = hex(fees[0]) if len(fees) >= quorum else None
    return hash_, receipts[0] | {"l1Fee": told}


def look_up_slots(slot_ids: Sequence[int]) -> list[Sighting]:
    """A sighting for each slot id. Raises RailUnavailable when no chain could be asked."""
    # Durable: Django refuses to begin inside another database transaction.
    with transaction.atomic(durable=True):
        slots = read_slots(slot_ids)
    sightings: dict[int, Sighting] = {}
    away: list[RailUnavailable] = []
    by_network: dict[str, list[SlotView]] = defaultdict(list)
    for slot in slots.values():
        by_network[slot.network].append(slot)
    for network, group in by_network.items():
        try:
            sightings |= _look_on(connected_chain(network), group)
        except RailUnavailable as error:
            away.append(error)
            sightings |= {slot.id: Sighting(Outcome.UNKNOWN) for slot in group}
    if away and len(away) == len(by_network):
        raise away[0]
    return [sightings[slot_id] for slot_id in slot_ids]


def _look_on(chain: Chain, slots: Sequence[SlotView]) -> dict[int, Sighting]:
    head, seen = _ask_for_receipts(chain, slots)
    _ask_for_pending(chain, slots, seen)
    canonical = _ask_for_blocks(chain, seen)
    needed = {
        slot.id: depth_needed(network=slot.network, asset=slot.asset, units=slot.units)
        for slot in slots
    }
    sightings, marks = {}, []
    block_seconds = _block_seconds(chain.network)
    for slot in slots:
        agreed = seen[slot.id].agreed(chain.quorum)
        block = canonical.get(int(agreed[1]["blockNumber"], 16)) if agreed else None
        if agreed is None or block is None or block.hash != agreed[1]["blockHash"]:
            agreed = None
            sightings[slot.id] = _unmined(slot, seen[slot.id], needed[slot.id])
        else:
            sightings[slot.id] = replace(
                _mined(slot, *agreed, head=head, needed=needed[slot.id]), seen_at=block.made_at
            )
        sightings[slot.id] = _with_estimate(slot, sightings[slot.id], block_seconds)
        marks.append(_mark(slot, agreed, sightings[slot.id]))
    sightings |= foreign.look_for_others(chain, head, needed, _without_block(slots, seen))
    note_marks(marks)
    return sightings


def _ask_for_receipts(chain: Chain, slots: Sequence[SlotView]) -> tuple[int, dict[int, Seen]]:
    """The head that enough nodes have reached, and every receipt that any of them has."""
    asked = [(slot.id, one.hash) for slot in slots for one in slot.signed]
    calls = [Call("eth_blockNumber", [])]
    calls += [Call("eth_getTransactionReceipt", [hash_]) for _, hash_ in asked]
    seen = {slot.id: Seen() for slot in slots}
    heads = []
    for number, *receipts in chain.ask_each(calls):
        head = quantity(number)
        if head is None:
            continue
        heads.append(head)
        for (slot_id, hash_), receipt in zip(asked, receipts, strict=True):
            if is_receipt(receipt, hash_):
                seen[slot_id].receipts[hash_].append(receipt)
                seen[slot_id].known.add(hash_)
    if len(heads) < chain.quorum:
        raise RailUnavailable(f"Too few nodes of {chain.network} tell their head.")
    return agreed_head(chain, heads), seen


def is_receipt(answer: Any, hash_: str) -> TypeGuard[Receipt]:
    """Whether a node has answered with the receipt of `hash_` in a block, and all its parts."""
    return (
        isinstance(answer, dict)
        and all(answer.get(name) for name in ("blockHash", "status"))
        and quantity(answer.get("blockNumber")) is not None
        and str(answer.get("transactionHash")).lower() == hash_
    )


def _essence(receipt: Receipt) -> str:
    """All of a receipt that decides about money, so that nodes can be compared by it.

    Who lies about a log lies about who was paid, and about gas, about what it cost.
    """
    parts = ("blockHash", "blockNumber", "status", "gasUsed", "effectiveGasPrice")
    logs = [
        [log.get(name) for name in ("address", "topics", "data")]
        for log in receipt.get("logs") or ()
    ]
    return json.dumps([[receipt.get(name) for name in parts], logs]).lower()


def _ask_for_pending(chain: Chain, slots: Sequence[SlotView], seen: dict[int, Seen]) -> None:
    """Whether a node holds what no block does yet."""
    asked = [
        (slot.id, one.hash)
        for slot in slots
        if not seen[slot.id].receipts
        for one in slot.signed
    ]
    if not asked:
        return
    calls = [Call("eth_getTransactionByHash", [hash_]) for _, hash_ in asked]
    for answers in chain.ask_each(calls):
        for (slot_id, hash_), answer in zip(asked, answers, strict=True):
            if isinstance(answer, dict):
                seen[slot_id].known.add(hash_)


def _ask_for_blocks(chain: Chain, seen: dict[int, Seen]) -> dict[int, Block]:
    """The blocks that enough nodes have at the heights of the receipts."""
    numbers = sorted(
        {
            int(receipt["blockNumber"], 16)
            for one in seen.values()
            for receipts in one.receipts.values()
            for receipt in receipts
        }
    )
    if not numbers:
        return {}
    calls = [Call("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
    votes: dict[int, list[Block]] = defaultdict(list)
    for answers in chain.ask_each(calls):
        for number, block in zip(numbers, answers, strict=True):
            if isinstance(block, dict) and (made_at := _made_at(block)) and block.get("hash"):
                votes[number].append(Block(block["hash"], made_at))
    return {
        number: blocks[0]
        for number, blocks in votes.items()
        if len(blocks) >= chain.quorum and len(set(blocks)) == 1
    }


def _made_at(block: dict[str, Any]) -> datetime | None:
    seconds = quantity(block.get("timestamp"))
    if seconds is None or seconds > SECONDS_MAX:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _without_block(slots: Sequence[SlotView], seen: dict[int, Seen]) -> list[SlotView]:
    return [slot for slot in slots if slot.signed and not seen[slot.id].receipts]


def _unmined(slot: SlotView, seen: Seen, needed: int) -> Sighting:
    """Not in a block that enough nodes agree on."""
    if not seen.known:
        return Sighting(Outcome.UNKNOWN, confirmations_needed=needed)
    # The latest of those known, whichever node it is that knows it.
    known = next(one.hash for one in reversed(slot.signed) if one.hash in seen.known)
    return Sighting(
        Outcome.SEEN,
        confirmations_needed=needed,
        evidence={"hash": known, "said": "waiting for a block"},
        reference=known,
        needs_person=_is_out_of_bumps(slot),
    )


def _is_out_of_bumps(slot: SlotView) -> bool:
    """It was offered as much as we offer, and waits still."""
    latest = slot.latest
    return (
        latest is not None
        and slot.tries > settings.EVM_BUMPS_MAX
        and latest.age_seconds > settings.EVM_BUMP_SECONDS
    )


def _mined(slot: SlotView, hash_: str, receipt: Receipt, *, head: int, needed: int) -> Sighting:
    """In a block: how deep, and was it what we wanted."""
    block = int(receipt["blockNumber"], 16)
    confirmations = max(head - block + 1, 0)
    outcome, code = _verdict(slot, hash_, receipt)
    is_deep = confirmations >= needed
    return Sighting(
        outcome if is_deep else Outcome.SEEN,
        confirmations=min(confirmations, needed),
        confirmations_needed=needed,
        evidence={
            "hash": hash_,
            "block": block,
            "block_hash": receipt["blockHash"],
            "status": receipt["status"],
        },
        failure_code=code if is_deep else "",
        failure_message=FAILED.get(code, "") if is_deep else "",
        reference=hash_,
        cost_units=_cost(receipt) if is_deep else 0,
        cost_asset=NETWORKS[slot.network].native if is_deep else "",
        needs_person=is_deep and outcome is Outcome.UNKNOWN,
    )


def _verdict(slot: SlotView, hash_: str, receipt: Receipt) -> tuple[Outcome, str]:
    """What this receipt means once it is deep enough."""
    kind = next(one.kind for one in slot.signed if one.hash == hash_)
    if kind == SignedKind.CANCEL:
        return Outcome.DEAD, "cancelled"
    if receipt["status"] != SUCCESS:
        return Outcome.DEAD, "transfer_reverted"
    if slot.kind == SlotKind.GAS or has_transfer(
        receipt,
        token=slot.to_address,
        sender=slot.wallet,
        to=slot.destination,
        units=slot.units,
    ):
        return Outcome.FINAL, ""
    # The token says that it worked, and does not say that anybody was paid.
    return Outcome.UNKNOWN, ""


def _cost(receipt: Receipt) -> int:
    """Gas, and what a rollup takes for its data on Ethereum (OP Stack's `l1Fee`)."""
    gas, price, data_fee = (
        quantity(receipt.get(name)) or 0 for name in ("gasUsed", "effectiveGasPrice", "l1Fee")
    )
    return gas * price + data_fee


def _block_seconds(network: str) -> float:
    head = ChainHead.objects.filter(network=network).first()
    return head.block_seconds if head is not None else 12.0


def _with_estimate(slot: SlotView, sighting: Sighting, block_seconds: float) -> Sighting:
    """When it is final; and a person's, when it should have been long ago.

    Nodes that do not move on, or never agree, look like a chain that takes its time.
    """
    if sighting.outcome is not Outcome.SEEN:
        return sighting
    needed = sighting.confirmations_needed
    missing = max(needed - sighting.confirmations, 0)
    expected = timezone.now() + timedelta(seconds=missing * block_seconds)
    waits = slot.signed[0].age_seconds if slot.signed else 0.0
    is_late = waits > settings.REVIEW_SECONDS + needed * block_seconds
    is_for_person = sighting.needs_person or is_late
    return replace(sighting, expected_at=expected, needs_person=is_for_person)


def _mark(slot: SlotView, agreed: tuple[str, Receipt] | None, sighting: Sighting) -> Mark:
    is_over = sighting.outcome in {Outcome.FINAL, Outcome.DEAD}
    return Mark(
        slot=slot,
        block=int(agreed[1]["blockNumber"], 16) if agreed else None,
        hash=agreed[0] if agreed else "",
        spent_wei=sighting.cost_units if is_over else None,
    )
