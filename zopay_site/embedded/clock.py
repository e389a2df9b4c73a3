"""Makes the blocks of a local chain, and keeps the chain on disk.

anvil can make a block every second by itself, but it never forgets one: a day of idle blocks
is 91 MB on disk and 155 MB of memory. It can write its state by itself as well, but it
empties the file first, so that `kill -9` in that moment loses all, and doing so every five
seconds took it from 10 to 99 MB within 15 idle minutes (anvil 1.7.1, measured). So it is told
to do neither, and a thread of whoever started it does both: a block a second while somebody
waits for one, none while nobody does, and the state written beside its place and renamed.
"""

from __future__ import annotations

import os
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from zopay_site.embedded.jsonrpc import Refused, ask

if TYPE_CHECKING:
    from pathlib import Path

# So many blocks follow the last one that was not empty: more than any depth policy of a
# local chain asks for, with room for a reorganisation.
FOLLOWING_BLOCKS = 16
# Less than the depth at which we believe a transfer: what an unsaved end takes with it was
# never final, and is sent again like after a reorganisation.
UNSAVED_BLOCKS_MAX = 3
CALL_SECONDS = 30.0


class Clock(Thread):
    """Ticks until `end`. Starts no program, so it may well be a thread (see children)."""

    def __init__(
        self, url: str, *, base_fee_wei: int, save_to: Path | None, block_seconds: float = 1.0
    ) -> None:
        """`base_fee_wei` is the least a block asks for; empty blocks would let it fall to 7."""
        super().__init__(name=f"clock of {url}", daemon=True)
        self.url = url
        self.base_fee_wei = base_fee_wei
        self.save_to = save_to
        self.block_seconds = block_seconds
        self.ended = Event()
        self.ticks = 0
        # Unknown at first, so the last block counts as one that others should follow.
        self.busy: int | None = None
        self.seen: int | None = None
        self.saved: tuple[int, str] | None = None

    def run(self) -> None:
        while not self.ended.wait(self.block_seconds):
            try:
                self.tick()
            except (OSError, ValueError, Refused):
                # The node is starting, dying or busy; the next tick finds out.
                continue

    def tick(self) -> None:
        """Make a block if anybody waits for one, and save what is not saved."""
        self.ticks += 1
        waiting = int(self._ask("txpool_status")["pending"], 16) > 0
        head = self._head()
        is_mining = self._is_wanted(head, waiting=waiting)
        if is_mining:
            self._keep_fee()
            self._ask("evm_mine")
            head = self._head()
        self.seen = int(head["number"], 16)
        if head["transactions"]:
            self.busy = self.seen
        if not is_mining or self._unsaved(head) >= UNSAVED_BLOCKS_MAX:
            self.save(head)

    def save(self, head: dict[str, Any] | None = None) -> None:
        """Write the whole chain beside its place and rename; nothing when it is unchanged."""
        head = head or self._head()
        mark = (int(head["number"], 16), head["hash"])
        if self.save_to is None or mark == self.saved:
            return
        packed = bytes.fromhex(self._ask("anvil_dumpState").removeprefix("0x"))
        fresh = self.save_to.with_name(f"{self.save_to.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self.save_to)
        self.saved = mark

    def end(self, *, is_saving: bool) -> None:
        """Tick no more; `is_saving` keeps what the last tick did not."""
        self.ended.set()
        if self.is_alive():
            self.join()
        if is_saving:
            try:
                self.save()
            except (OSError, ValueError, Refused):
                # It died before us: what was saved last is what there is.
                return

    def _is_wanted(self, head: dict[str, Any], *, waiting: bool) -> bool:
        number = int(head["number"], 16)
        if self.busy is None or number != self.seen or head["transactions"]:
            # Somebody else made blocks, or took some away; we did not see what was in them.
            self.busy = number
        # Nothing waits for ever: anvil drops what cannot pay the fee of a block.
        return waiting or number - self.busy < FOLLOWING_BLOCKS

    def _keep_fee(self) -> None:
        """Let the base fee rise as it will, but not fall to nothing."""
        following = self._ask("eth_getBlockByNumber", "pending", False)
        if int(following["baseFeePerGas"], 16) < self.base_fee_wei:
            self._ask("anvil_setNextBlockBaseFeePerGas", hex(self.base_fee_wei))

    def _head(self) -> dict[str, Any]:
        head: dict[str, Any] = self._ask("eth_getBlockByNumber", "latest", False)
        return head

    def _unsaved(self, head: dict[str, Any]) -> int:
        number = int(head["number"], 16)
        return number - self.saved[0] if self.saved else UNSAVED_BLOCKS_MAX

    def _ask(self, method: str, *params: Any) -> Any:
        return ask(self.url, method, *params, seconds=CALL_SECONDS)
