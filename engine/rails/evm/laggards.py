"""Nodes that stay behind the others: left out of what is agreed, and told to people once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from engine.rails.evm.rpc import Call, RpcUnavailable
from engine.rails.evm.rpc_batch import quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.evm.rpc import Chain

logger = structlog.get_logger(__name__)

# Nodes are rarely at the same block at the same moment; this is more than a moment.
BEHIND_BLOCKS = 20
PAIR = 2
# Who was behind when we last looked, by the nodes of a network.
_behind: dict[tuple[str, ...], frozenset[str]] = {}


def agreed_head(chain: Chain, heads: Sequence[int]) -> int:
    """The highest block that as many nodes as the quorum have reached.

    `heads` of at least as many nodes. One node of three that stands still says nothing.
    """
    by_height = sorted(heads, reverse=True)
    # Of two, nobody knows which one is wrong: that they are apart is to be told all the same.
    front = by_height[1 if len(heads) > PAIR else 0]
    _note(chain, front, sum(one < front - BEHIND_BLOCKS for one in heads))
    return by_height[chain.quorum - 1]


def _note(chain: Chain, front: int, count: int) -> None:
    """Log which nodes are behind, when that has changed; ask which only then."""
    nodes = tuple(endpoint.name for endpoint in chain.endpoints)
    known = _behind.get(nodes, frozenset())
    if count == len(known):
        return
    names = set()
    for endpoint in chain.endpoints if count else ():
        try:
            (answer,) = endpoint.ask([Call("eth_blockNumber", [])])
        except RpcUnavailable:
            continue
        number = quantity(answer)
        if number is not None and number < front - BEHIND_BLOCKS:
            names.add(endpoint.name)
            if endpoint.name not in known:
                logger.error(
                    "rpc_is_behind",
                    network=chain.network,
                    endpoint=endpoint.name,
                    number=number,
                    others=front,
                )
    for name in sorted(known - names):
        logger.warning("rpc_caught_up", network=chain.network, endpoint=name, others=front)
    _behind[nodes] = frozenset(names)
