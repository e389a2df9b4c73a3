"""Watching a chain's head: what it costs to send, how fast it is, and what is final.

Two batches a round. The first asks one node for the head and its fees. The second asks
every node for two blocks by number, the one that we believed final and the one that may be
believed now: money rests on those, so as many nodes as the quorum must name the same hash.

The anchor is as deep as the smallest depth that anything on the network is believed at.
Should another hash stand there one day, something that we called final may be gone: every
wallet of the network is frozen until two people have looked. The anchor never goes down;
a chain that is shorter than it is behind, which proves nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.utils import timezone

from engine.rails.depths import smallest_depth
from engine.rails.errors import RailUnavailable
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.rpc import Call, RpcRefused
from engine.rails.models import ChainHead, HotWallet
from engine.rails.wallets import freeze_wallets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.rails.evm.rpc import Chain

logger = structlog.get_logger(__name__)

GWEI = 10**9
FEE_BLOCKS = 20
# Of what the gas of a block paid as a tip, half paid less.
TIP_PERCENTILE = 50
HEAD = (
    Call("eth_getBlockByNumber", ["latest", False]),
    Call("eth_feeHistory", [hex(FEE_BLOCKS), "latest", [TIP_PERCENTILE]]),
)
# geth's miners take no tip below a thousandth of a gwei unless told to, Polygon's nodes
# none below 30 gwei (maticnetwork/matic.js#373). The ceilings keep one mad node from
# emptying a wallet.
TIP_FLOOR_WEI = 10**6
TIP_CEILING_WEI = 20 * GWEI
TIP_FLOORS_WEI = {"polygon": 30 * GWEI}
TIP_CEILINGS_WEI = {"polygon": 500 * GWEI}


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block of one node, and what its last blocks say of fees, in wei."""

    number: int
    hash: str
    base_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """A block that enough nodes have at `number`."""

    number: int
    hash: str


def watch_head(network: str) -> ChainHead | None:
    """Look at the chain and keep what is new; None when the chain is behind its anchor.

    Raises RailUnavailable when no node tells its head. Where too few nodes answer for the
    anchor, the head is kept and the anchor stays.
    """
    chain = connected_chain(network)
    asked_at = timezone.now()
    stored = ChainHead.objects.filter(network=network).first()
    head = _parse_head(network, chain.ask(HEAD))
    if stored is not None and head.number < stored.final_number:
        # Perhaps only this node is; the others decide.
        head = max(
            (_parse_head(network, told) for told in chain.ask_each(HEAD)),
            key=lambda one: one.number,
        )
    if stored is not None and head.number < stored.final_number:
        logger.warning(
            "chain_behind", network=network, head=head.number, anchor=stored.final_number
        )
        return None
    new, other = None, None
    if stored is None or head.hash != stored.hash:
        new, other = _read_anchors(chain, stored, head)
    return _keep(network, head, asked_at, stored=stored, new=new, other=other)


def _parse_head(network: str, told: Sequence[Any]) -> Head:
    block, fees = told
    try:
        base_fee = int(block["baseFeePerGas"], 16)
        if not isinstance(fees, RpcRefused):
            # One more than it has blocks: the next block's, which follows from the last.
            base_fee = int(fees["baseFeePerGas"][-1], 16)
        return Head(
            number=int(block["number"], 16),
            hash=str(block["hash"]),
            base_fee_wei=base_fee,
            tip_wei=_tip(network, fees),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RailUnavailable(
            f"A node of {network} does not tell its head.", waiting_for="chain"
        ) from error


def _tip(network: str, fees: Any) -> int:
    """What a send should add for whoever makes the block, within sane bounds.

    Blocks that nobody paid for say nothing; where a node keeps no history, the floor.
    """
    paid: list[int] = []
    if not isinstance(fees, RpcRefused):
        shares = zip(fees["gasUsedRatio"], fees.get("reward") or (), strict=False)
        paid = [int(rewards[0], 16) for used, rewards in shares if used > 0]
    return sane_tip(network, int(median(paid)) if paid else 0)


def sane_tip(network: str, tip_wei: int) -> int:
    """A tip that `network` takes, and that no mad node can empty a wallet with."""
    floor = TIP_FLOORS_WEI.get(network, TIP_FLOOR_WEI)
    return min(max(tip_wei, floor), TIP_CEILINGS_WEI.get(network, TIP_CEILING_WEI))


def _read_anchors(
    chain: Chain, stored: ChainHead | None, head: Head
) -> tuple[Anchor | None, Anchor | None]:
    """The newest block to believe in, and what stands in the place of the old one.

    Each is None unless enough nodes agree on it; the second also while the old one stands.
    """
    deepest = head.number - smallest_depth(chain.network) + 1
    old = stored if stored is not None and stored.final_hash else None
    wanted = [number for number in (deepest,) if number > (old.final_number if old else -1)]
    wanted += [old.final_number] if old else []
    if not wanted:
        return None, None
    try:
        told = chain.ask_each(
            [Call("eth_getBlockByNumber", [hex(number), False]) for number in wanted]
        )
    except RailUnavailable as error:
        logger.warning("anchor_not_confirmed", network=chain.network, error=error.message)
        return None, None
    agreed = _agreed(told, wanted, chain.quorum)
    new = Anchor(deepest, agreed[deepest][0]) if len(agreed.get(deepest, ())) == 1 else None
    if old is None:
        return new, None
    others = [hash_ for hash_ in agreed[old.final_number] if hash_ != old.final_hash]
    return new, Anchor(old.final_number, others[0]) if others else None


def _agreed(
    told: Sequence[Sequence[Any]], numbers: Sequence[int], quorum: int
) -> dict[int, list[str]]:
    """For each number the hashes that enough nodes have there; more than one is a split."""
    votes = {number: Counter[str]() for number in numbers}
    for answers in told:
        for number, block in zip(numbers, answers, strict=True):
            if isinstance(block, dict) and isinstance(block.get("hash"), str):
                votes[number][block["hash"]] += 1
    return {
        number: [hash_ for hash_, count in counted.items() if count >= quorum]
        for number, counted in votes.items()
    }


@transaction.atomic
def _keep(
    network: str,
    head: Head,
    asked_at: datetime,
    *,
    stored: ChainHead | None,
    new: Anchor | None,
    other: Anchor | None,
) -> ChainHead:
    """Write the head, unless a later look was quicker; freeze what an anchor was lost for."""
    row, _ = ChainHead.objects.select_for_update().get_or_create(
        network=network,
        defaults={
            "number": head.number,
            "hash": head.hash,
            "base_fee_wei": head.base_fee_wei,
            "tip_wei": head.tip_wei,
            "seen_at": asked_at,
        },
    )
    known = (stored.final_number, stored.final_hash) if stored is not None else (0, "")
    # Another worker may have moved the anchor meanwhile; what we saw was of the old one.
    if (row.final_number, row.final_hash) == known:
        if other is not None:
            _stop(network, known[1], other)
            row.final_hash = other.hash
        elif new is not None:
            row.final_number, row.final_hash = new.number, new.hash
    if asked_at >= row.seen_at:
        row.number, row.hash, row.seen_at = head.number, head.hash, asked_at
        row.base_fee_wei, row.tip_wei = head.base_fee_wei, head.tip_wei
    row.save(
        update_fields=[
            "number",
            "hash",
            "seen_at",
            "base_fee_wei",
            "tip_wei",
            "final_number",
            "final_hash",
        ]
    )
    return row


def _stop(network: str, lost: str, other: Anchor) -> None:
    """Freeze every wallet of the network: what we believed final may not have happened."""
    logger.error(
        "chain_reorganised_deeper_than_the_policy",
        network=network,
        block=other.number,
        lost=lost,
        found=other.hash,
    )
    wallets = HotWallet.objects.filter(network=network).values_list("pk", flat=True)
    freeze_wallets(
        wallets, why=f"{network} reorganised deeper than the policy at block {other.number}"
    )
