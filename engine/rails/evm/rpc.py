"""JSON-RPC with the nodes of EVM chains: batches, back-off, agreement.

Calls go out in batches, raw: hex strings in and out, no middleware of web3 between us and
the node. A node is believed only after it has named the chain we think it serves, and a
batch only when every call in it has exactly one answer; anything else is a node that is
unavailable. A node that fails is left alone for 1, 2, 4 … 60 seconds.

Addresses of nodes hold API keys, so every message and log line names a node by scheme,
host and port alone.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from engine.rails.connections import connected_networks
from engine.rails.errors import RailUnavailable
from engine.rails.evm.rpc_batch import Answer, Call, Post, RpcRefused
from engine.rails.evm.rpc_sends import Sent, sent_as, together
from engine.rails.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Call",
    "Chain",
    "Endpoint",
    "RpcRefused",
    "RpcUnavailable",
    "chain_of",
    "connected_networks",
    "forget_chains",
]

logger = structlog.get_logger(__name__)

PAUSE_SECONDS_MAX = 60.0
QUORUM = 2
CHAIN_ID = Call("eth_chainId")
Answered = TypeVar("Answered")


class RpcUnavailable(RailUnavailable):
    """A node, or too many of a chain's, did not give an answer that can be believed."""


class Endpoint:
    """One node of one chain, and how well it did lately. Threads may share it."""

    def __init__(self, *, url: str, network: str, chain_id: int) -> None:
        self.url = url
        self.network = network
        self._chain_id = chain_id
        self._post = Post(url)
        self._is_checked = False
        self._lock = Lock()
        self._failures = 0  # since the last answer
        self._all_failures = 0
        self.free_at = 0.0

    def __repr__(self) -> str:
        return f"<Endpoint {self.network} {self.name}>"

    @property
    def name(self) -> str:
        """Scheme, host and port: all of its address that may be shown."""
        return self._post.name

    @property
    def is_free(self) -> bool:
        """False while it is left alone after a failure."""
        return monotonic() >= self.free_at

    def ask(self, calls: Sequence[Call]) -> list[Answer]:
        """Answers in the order of `calls`, in as few HTTP requests as RPC_BATCH_MAX allows.

        A call that the node refuses has an RpcRefused, not raised, in its place.
        Raises RpcUnavailable, also when only some of the calls were answered.
        """
        failures = self._all_failures
        why = "" if self._is_checked else self._check()
        answers: list[Answer] = []
        for start in range(0, len(calls), settings.RPC_BATCH_MAX):
            if why:
                break
            batch = calls[start : start + settings.RPC_BATCH_MAX]
            some, why = self._post(batch)
            answers += some
        if why:
            self._failed(since=failures)
            # Outside any except block: what was caught may hold the whole address.
            raise RpcUnavailable(f"{self.name} {why}.", network=self.network)
        self._answered()
        return answers

    def _check(self) -> str:
        """Ask which chain it serves. Returns what is wrong, or nothing."""
        answers, why = self._post([CHAIN_ID])
        if why:
            return why
        if answers != [hex(self._chain_id)]:
            logger.error(
                "rpc_wrong_chain",
                network=self.network,
                endpoint=self.name,
                wanted=hex(self._chain_id),
                answered=str(answers[0])[:100],
            )
            return f"does not serve {self.network} (chain id {self._chain_id})"
        self._is_checked = True
        return ""

    def _failed(self, *, since: int) -> None:
        with self._lock:
            # Whatever comes back by that address may be another node.
            self._is_checked = False
            if self._all_failures != since:
                # Somebody else found out while we waited: ten who fail at once fail once.
                return
            self._all_failures += 1
            self._failures += 1
            pause = min(2.0 ** min(self._failures - 1, 6), PAUSE_SECONDS_MAX)
            self.free_at = monotonic() + pause
        logger.warning(
            "rpc_failed", network=self.network, endpoint=self.name, pause_seconds=pause
        )

    def _answered(self) -> None:
        with self._lock:
            self._failures = 0
            self.free_at = 0.0


@dataclass(frozen=True)
class Chain:
    """One network by all the nodes we have for it, the preferred one first.

    `quorum` is how many of them must answer before `ask_each` believes them.
    """

    network: str
    endpoints: list[Endpoint]
    quorum: int

    def ask(self, calls: Sequence[Call]) -> list[Answer]:
        """The answers of the first node that answers them all.

        Raises RpcUnavailable when none did.
        """
        why: list[str] = []
        for endpoint in self._free(at_least=1):
            try:
                return endpoint.ask(calls)
            except RpcUnavailable as error:
                why.append(error.message)
        raise self._unavailable(why)

    def ask_each(self, calls: Sequence[Call]) -> list[list[Answer]]:
        """Every node's answers, of those that answered them all.

        Raises RpcUnavailable when those are fewer than `quorum`.
        """
        asked = self._free(at_least=self.quorum)
        if len(asked) < self.quorum:
            raise self._unavailable([])
        why: list[str] = []

        def ask(endpoint: Endpoint) -> list[Answer] | None:
            try:
                return endpoint.ask(calls)
            except RpcUnavailable as error:
                why.append(error.message)
                return None

        answered = [answers for answers in _at_once(ask, asked) if answers is not None]
        if len(answered) < self.quorum:
            raise self._unavailable(why)
        return answered

    def send(self, raws: Sequence[bytes]) -> list[tuple[bool | None, str]]:
        """Hand signed bytes to every node, in order.

        For each: True when any node took it or had it, False when all that answered
        refused, None when nobody answered, so that it may or may not have been taken; and
        what each node said. Never raises for a node's sake.
        """

        def send(endpoint: Endpoint) -> list[Sent]:
            told: list[Sent] = []
            for start in range(0, len(raws), settings.RPC_BATCH_MAX):
                batch = raws[start : start + settings.RPC_BATCH_MAX]
                said, is_there = _send_batch(endpoint, batch)
                told += said
                if not is_there:
                    # What was answered before stands; the rest would only wait as long.
                    return told + said[:1] * (len(raws) - len(told))
            return told

        by_endpoint = _at_once(send, self._free(at_least=1))
        return [together(said) for said in zip(*by_endpoint, strict=True)]

    def _free(self, *, at_least: int) -> list[Endpoint]:
        """The nodes not left alone; when all are, those whose time is up first."""
        free = [endpoint for endpoint in self.endpoints if endpoint.is_free]
        by_time = sorted(self.endpoints, key=lambda endpoint: endpoint.free_at)
        return free or by_time[:at_least]

    def _unavailable(self, why: list[str]) -> RpcUnavailable:
        resting = [endpoint.name for endpoint in self.endpoints if not endpoint.is_free]
        parts = [f"Too few nodes of {self.network} answer.", *sorted(why)]
        if resting and not why:
            parts.append(f"Left alone for now: {', '.join(resting)}.")
        return RpcUnavailable(" ".join(parts), network=self.network)


def _send_batch(endpoint: Endpoint, raws: Sequence[bytes]) -> tuple[list[Sent], bool]:
    """Returns what the node said of each, and whether it said anything."""
    calls = [Call("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws]
    try:
        answers = endpoint.ask(calls)
    except RpcUnavailable as error:
        return [(None, error.message)] * len(raws), False
    pairs = zip(raws, answers, strict=True)
    return [sent_as(raw, answer, name=endpoint.name) for raw, answer in pairs], True


def _at_once(
    ask: Callable[[Endpoint], Answered], endpoints: Sequence[Endpoint]
) -> list[Answered]:
    """Ask each in a thread of its own, so that a slow one does not hold up the others."""
    if len(endpoints) == 1:
        return [ask(endpoints[0])]
    with ThreadPoolExecutor(len(endpoints), "rpc") as pool:
        return list(pool.map(ask, endpoints))


# By process, because a connection must not be shared with a child; by settings, so that
# changed ones count at once.
_chains: dict[tuple[Any, ...], Chain] = {}


def chain_of(network: str) -> Chain:
    """The chain called `network`. Raises KeyError when it is not connected."""
    urls = tuple(settings.RPC_URLS[network])
    key = (os.getpid(), network, urls, settings.RPC_QUORUM)
    return _chains.get(key) or _chains.setdefault(key, _chain(network, urls))


def forget_chains() -> None:
    """Know as little of every node as a new process does."""
    _chains.clear()


def _chain(network: str, urls: tuple[str, ...]) -> Chain:
    if not urls:
        raise KeyError(network)
    chain_id = NETWORKS[network].chain_id
    if not chain_id:
        raise ImproperlyConfigured(f"{network} is no EVM chain, so it takes no RPC_URL.")
    return Chain(
        network=network,
        endpoints=[Endpoint(url=url, network=network, chain_id=chain_id) for url in urls],
        quorum=settings.RPC_QUORUM or min(QUORUM, len(urls)),
    )
