"""Searching blocks for token transfers to our own addresses, by eth_getLogs.

A node that is behind, or that forgot a fork, answers with fewer logs and no error. So what
is believed is the whole of an answer, the hashes of its first and last blocks with it, and
only when as many nodes as the quorum tell the very same; then every block that a transfer
is in is asked for once more, by its number. Whoever tells anything else is waited for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from eth_utils.address import to_checksum_address

from engine.rails.deposits import begin_search
from engine.rails.errors import RailUnavailable
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.erc20 import TOPICS, TRANSFER_TOPIC, topic_of
from engine.rails.evm.rpc import Call, RpcRefused
from engine.rails.models import DepositWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from engine.rails.evm.rpc import Chain

logger = structlog.get_logger(__name__)

# What most nodes take at once; who takes less is asked for less.
BLOCKS_MAX = 1000
ADDRESSES_MAX = 500
# A block of a busy chain moves a token some hundred times, and nodes take no more than ten
# thousand logs for an answer.
EVERYBODYS_BLOCKS_MAX = 50
WORD_CHARACTERS = 2 + 64


class NotAgreed(RailUnavailable):
    """Too few nodes tell the same of these blocks. Nothing was found; look again later."""


class TooWide(Exception):
    """Nodes refused to answer so much at once."""


class Strange(Exception):
    """A node answered what cannot be: it is not counted."""


@dataclass(frozen=True, slots=True, order=True)
class TransferIn:
    """`units` of `asset` that reached `to`, one of ours. Addresses have EIP-55 checksums."""

    block_number: int
    log_index: int
    block_hash: str
    tx_hash: str
    asset: str
    units: int
    sender: str
    to: str


@dataclass(frozen=True, slots=True)
class Found:
    """All that blocks up to `last` hold for us, in the order of the chain.

    `before_hash` is the hash of the block before the first one, empty when there is none.
    """

    last: int
    last_hash: str
    before_hash: str
    transfers: tuple[TransferIn, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """What to search for: `tokens` are assets by contract, `addresses` those of ours.

    Where ours are too many to be named to a node, `ours_among` is asked instead: it takes
    addresses that somebody was paid at, and returns those that are ours.
    """

    tokens: Mapping[str, str]
    addresses: Sequence[str] = ()
    ours_among: Callable[[Collection[str]], Collection[str]] | None = None

    @property
    def blocks_max(self) -> int:
        return BLOCKS_MAX if self.ours_among is None else EVERYBODYS_BLOCKS_MAX

    def calls(self, first: int, last: int, *, addresses_max: int) -> list[Call]:
        """One getLogs for each so many addresses, or one for whatever was transferred."""
        if not self.tokens:
            return []
        if self.ours_among is not None:
            return [self._call(first, last, [])]
        topics = [topic_of(address) for address in self.addresses]
        return [
            self._call(first, last, [None, topics[at : at + addresses_max]])
            for at in range(0, len(topics), addresses_max)
        ]

    def _call(self, first: int, last: int, topics: list[Any]) -> Call:
        wish = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": sorted(self.tokens),
            "topics": [TRANSFER_TOPIC, *topics],
        }
        return Call("eth_getLogs", [wish])

    def ours(self, logs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Our addresses that these logs may name, by their topic."""
        addresses = self.addresses
        if self.ours_among is not None:
            told = {str(log["topics"][2]) for log in logs if len(log["topics"]) == TOPICS}
            addresses = list(
                self.ours_among({to_checksum_address("0x" + topic[-40:]) for topic in told})
            )
        return {topic_of(address): address for address in addresses}


def agreed_head(chain: Chain) -> int:
    """The highest block number that as many nodes as the quorum have reached."""
    heads = sorted(
        (
            int(number, 16)
            for (number,) in chain.ask_each([Call("eth_blockNumber")])
            if not isinstance(number, RpcRefused)
        ),
        reverse=True,
    )
    if len(heads) < chain.quorum:
        raise NotAgreed(f"Too few nodes of {chain.network} tell their head.")
    return heads[chain.quorum - 1]


def see_search_begun(network: str) -> None:
    """Let the search of a network begin now, unless it has. Raises RailUnavailable."""
    if not DepositWatch.objects.filter(network=network).exists():
        begin_search(network, head=agreed_head(connected_chain(network)))


def find_transfers(chain: Chain, search: Search, *, first: int, last: int) -> Found:
    """Search blocks from `first` on, as many of those up to `last` as nodes answer at once.

    Raises RailUnavailable when too few answer, or not alike.
    """
    last = min(last, first + search.blocks_max - 1)
    addresses_max = ADDRESSES_MAX
    while True:
        calls = search.calls(first, last, addresses_max=addresses_max)
        try:
            found = _find(chain, search, calls, first=first, last=last)
        except TooWide:
            if last > first:
                last = first + (last - first) // 2
            elif addresses_max > 1:
                addresses_max //= 2
            else:
                raise NotAgreed(f"Nodes of {chain.network} refuse to search.") from None
            logger.info("search_halved", network=chain.network, blocks=last - first + 1)
        else:
            _confirm(chain, found, first=first)
            return found


def _find(
    chain: Chain, search: Search, calls: Sequence[Call], *, first: int, last: int
) -> Found:
    """One batch to every node, and what enough of them say. Raises TooWide, NotAgreed."""
    ends = [last] if first == 0 else [last, first - 1]
    # In one batch, so that the node that tells the logs has the last block as well.
    batch = [*_blocks(ends), *calls]
    votes: Counter[Found] = Counter()
    refused = 0
    for answers in chain.ask_each(batch):
        if any(isinstance(answer, RpcRefused) for answer in answers):
            refused += 1
            continue
        try:
            votes[_read(answers, ends, search, first=first)] += 1
        except (Strange, KeyError, TypeError, ValueError) as error:
            logger.warning("strange_logs", network=chain.network, error=repr(error))
    agreed = [found for found, count in votes.items() if count >= chain.quorum]
    if len(agreed) == 1:
        return agreed[0]
    if refused and calls and len(votes) <= 1:
        raise TooWide
    raise NotAgreed(
        f"Nodes of {chain.network} do not agree on blocks {first} to {last}.",
        network=chain.network,
    )


def _blocks(numbers: Sequence[int]) -> list[Call]:
    return [Call("eth_getBlockByNumber", [hex(number), False]) for number in numbers]


def _read(answers: Sequence[Any], ends: Sequence[int], search: Search, *, first: int) -> Found:
    """One node's answers. Raises Strange, or what a wrong shape raises."""
    hashes = [_hash_of(block, number) for block, number in zip(answers, ends, strict=False)]
    logs = [log for told in answers[len(ends) :] for log in _list(told)]
    ours = search.ours(logs)
    transfers = {
        transfer
        for log in logs
        for transfer in [_transfer(log, search.tokens, ours)]
        if transfer is not None
    }
    if any(not first <= one.block_number <= ends[0] for one in transfers):
        raise Strange("a log of a block that was not asked for")
    return Found(
        last=ends[0],
        last_hash=hashes[0],
        before_hash=hashes[1] if first else "",
        transfers=tuple(sorted(transfers)),
    )


def _list(logs: Any) -> list[dict[str, Any]]:
    if not isinstance(logs, list) or not all(isinstance(log, dict) for log in logs):
        raise Strange("no list of logs")
    return logs


def _hash_of(block: Any, number: int) -> str:
    if not isinstance(block, dict) or int(block["number"], 16) != number:
        raise Strange(f"not block {number}")
    return str(block["hash"]).lower()


def _transfer(
    log: Mapping[str, Any], tokens: Mapping[str, str], ours: Mapping[str, str]
) -> TransferIn | None:
    """A log as a transfer to us; None for any other. Raises Strange."""
    if log.get("removed"):
        raise Strange("a log that was reorganised away")
    asset = tokens.get(str(log["address"]).lower())
    topics = [str(topic).lower() for topic in log["topics"]]
    if asset is None or len(topics) != TOPICS or topics[0] != TRANSFER_TOPIC:
        return None
    to, word = ours.get(topics[2]), str(log["data"])
    if to is None or len(word) != WORD_CHARACTERS or int(word, 16) == 0:
        return None
    return TransferIn(
        block_number=int(log["blockNumber"], 16),
        log_index=int(log["logIndex"], 16),
        block_hash=str(log["blockHash"]).lower(),
        tx_hash=str(log["transactionHash"]).lower(),
        asset=asset,
        units=int(word, 16),
        sender=to_checksum_address("0x" + topics[1][-40:]),
        to=to,
    )


def _confirm(chain: Chain, found: Found, *, first: int) -> None:
    """See that every block that was read is in the chain now. Raises NotAgreed.

    The logs were read one node at a time, and a chain may have moved meanwhile.
    """
    wanted = {one.block_number: one.block_hash for one in found.transfers}
    wanted[found.last] = found.last_hash
    if first:
        wanted[first - 1] = found.before_hash
    is_torn = any(wanted[one.block_number] != one.block_hash for one in found.transfers)
    votes = 0
    for answers in chain.ask_each(_blocks(list(wanted))):
        hashes = [
            str(block["hash"]).lower() if isinstance(block, dict) else "" for block in answers
        ]
        votes += hashes == list(wanted.values())
    if is_torn or votes < chain.quorum:
        raise NotAgreed(f"{chain.network} moved while it was searched.", network=chain.network)
