"""Makes the blocks of one chain, on time, and now and then not as anybody expected."""

from __future__ import annotations

import time
from collections import defaultdict
from random import Random
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from zopay_site.chaos import signed
from zopay_site.chaos.node import Node, NodeRefused

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_SECONDS = 0.5
BASE_FEE_WEI = 10**9
REORG_BLOCKS = 3
# Of one sender's transactions in replaced blocks: all are kept, or none, or the first few.
KEPT_ALL, KEPT_NONE = 0.3, 0.3
# How often what is mined is not the newest of those that compete for a nonce.
OLDER = 0.7


class Miner:
    """One chain's only miner. `seen` answers all signed bytes that the node was sent."""

    def __init__(self, node: Node, *, seen: Callable[[], list[str]], seed: str) -> None:
        self.node = node
        self.seen = seen
        self.dice = Random(seed)
        self.error: Exception | None = None
        self._spike_wei = 0
        self._spike_blocks = 0
        self._too_late: set[str] = set()
        self._lock = Lock()
        self._enough = Event()
        self._thread = Thread(target=self._run, name=f"miner {seed}", daemon=True)

    def start(self) -> None:
        """Take over: from now on no block is made by anybody else."""
        self.node.ask("evm_setAutomine", False)
        self.node.ask("evm_setIntervalMining", 0)
        self._thread.start()

    def stop(self) -> None:
        self._enough.set()
        if self._thread.is_alive():
            self._thread.join()

    def mine(self, count: int) -> None:
        """So many blocks, now."""
        for _ in range(count):
            with self._lock:
                self._mine()

    def spike(self, *, factor: float, blocks: int) -> None:
        """Let gas cost `factor` times as much in the next blocks."""
        with self._lock:
            self._spike_wei = round(BASE_FEE_WEI * factor)
            self._spike_blocks = blocks

    def reorganise(self) -> None:
        """Replace the last blocks by as many others.

        Of each sender some of the latest transactions are gone, and no node remembers
        them; the rest comes in the same order, perhaps later, perhaps as it was signed
        before its fee was raised.
        """
        with self._lock:
            older = {group[-1]: group[0] for group in signed.bumped(self.seen())}
            head = int(self.node.ask("eth_blockNumber"), 16)
            pairs = []
            for each, at in self._kept(self._by_sender(head)):
                raw = self.node.ask("eth_getRawTransactionByHash", each["hash"])
                is_older = self.dice.random() < OLDER
                pairs.append([older.get(raw, raw) if is_older else raw, at])
            self.node.ask("anvil_reorg", REORG_BLOCKS, pairs)

    def _by_sender(self, head: int) -> list[list[tuple[dict[str, Any], int]]]:
        """What stands in the blocks that go: each sender's, in order, with its block."""
        senders = defaultdict(list)
        for at in range(REORG_BLOCKS):
            number = hex(head - REORG_BLOCKS + 1 + at)
            for each in self.node.ask("eth_getBlockByNumber", number, True)["transactions"]:
                senders[each["from"]].append((each, at))
        for sends in senders.values():
            sends.sort(key=lambda send: int(send[0]["nonce"], 16))
        return [senders[sender] for sender in sorted(senders)]

    def _kept(
        self, senders: list[list[tuple[dict[str, Any], int]]]
    ) -> list[tuple[dict[str, Any], int]]:
        """What the new blocks hold, and in which of them; a nonce never before an earlier."""
        kept = []
        for sends in senders:
            luck, count = self.dice.random(), len(sends)
            if luck < KEPT_NONE:
                count = 0
            elif luck > KEPT_NONE + KEPT_ALL:
                count = self.dice.randrange(count)
            late = self.dice.randrange(REORG_BLOCKS)
            kept += [(each, min(at + late, REORG_BLOCKS - 1)) for each, at in sends[:count]]
        return sorted(kept, key=lambda send: send[1])

    def _run(self) -> None:
        due = time.monotonic()
        while not self._enough.wait(max(0.0, due - time.monotonic())):
            due = max(due + BLOCK_SECONDS, time.monotonic())
            try:
                self.mine(1)
            except (OSError, NodeRefused) as error:
                self.error = error
                return

    def _mine(self) -> None:
        wei = BASE_FEE_WEI
        if self._spike_blocks:
            self._spike_blocks -= 1
            wei = self._spike_wei
            if not self._spike_blocks and self.dice.random() < OLDER:
                wei = BASE_FEE_WEI
                self._offer_the_older()
        self.node.ask("anvil_setNextBlockBaseFeePerGas", hex(wei))
        latest = self.node.ask("eth_getBlockByNumber", "latest", False)
        # Blocks come faster than seconds, and must not run ahead of the clock.
        now = max(int(latest["timestamp"], 16), int(time.time()))
        self.node.ask("evm_setNextBlockTimestamp", now)
        self.node.ask("evm_mine")

    def _offer_the_older(self) -> None:
        """Mine as somebody would who never heard of the fee bumps."""
        self.node.ask("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        self.node.ask("anvil_dropAllTransactions")
        for group in signed.bumped(self.seen()):
            if group[0] in self._too_late:
                continue
            try:
                self.node.ask("eth_sendRawTransaction", group[0])
            except NodeRefused as refusal:
                if "nonce" in str(refusal):
                    self._too_late.add(group[0])
