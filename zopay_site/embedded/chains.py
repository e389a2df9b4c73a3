"""Local EVM chains: anvil under the ids of Ethereum and Polygon, on 127.0.0.1 only.

Nothing on them is worth anything, and everything else about them is real: nonces, fees,
receipts, logs, reorganisations. Their blocks and files are the clock's work.
"""

from __future__ import annotations

import gzip
import shutil
import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from zopay_site.embedded import children, ports, say
from zopay_site.embedded.children import Child
from zopay_site.embedded.clock import Clock
from zopay_site.embedded.jsonrpc import Refused, ask
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from pathlib import Path

GWEI = 10**9
READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Local:
    """What a local chain pretends to be, and the least that a unit of gas costs there."""

    chain_id: int
    base_fee_wei: int


LOCAL = MappingProxyType(
    {
        "ethereum": Local(chain_id=1, base_fee_wei=1 * GWEI),
        "polygon": Local(chain_id=137, base_fee_wei=30 * GWEI),
    }
)
SETTINGS = (
    # No log of every call, which would grow for ever, and no page of a browser may ask.
    *("--quiet", "--no-cors"),
    *("--no-mining", "--gas-limit", "60000000"),
    # Accounts as rich as the house's whole funding, and only as many as it needs.
    *("--accounts", "2", "--balance", "1000000000"),
    # Past states, on which only a reorganisation stands, stay few and off the disk;
    # receipts and logs stay all.
    *("--prune-history", "32", "--threads", "2"),
)


@dataclass
class Node(Child):
    """An anvil that runs, and the thread that makes and keeps its blocks."""

    network: str
    port: int
    clock: Clock

    @property
    def url(self) -> str:
        """What RPC_URL_<NETWORK> wants."""
        return self.clock.url

    def stop(self, *, patience: float = 10.0) -> None:
        """Save the chain, then end the node."""
        self.clock.end(is_saving=True)
        super().stop(patience=patience)

    def kill(self) -> None:
        """End it as a power cut would: what was saved last is what there is."""
        self.clock.end(is_saving=False)
        super().kill()


def start(
    home: Path,
    network: str,
    program: Path,
    *,
    port: int | None = None,
    durable: bool = True,
    block_seconds: float | None = 1.0,
) -> Node:
    """Start the chain whose files are in `home/chains`, and wait until it answers.

    `program` is what anvil.find_or_fetch found. `port` None takes the one it had before when
    that is free, else a new one. `durable` False keeps nothing on disk. `block_seconds` None
    makes no blocks but those that are asked for by `evm_mine`.
    """
    local = LOCAL[network]
    port = port or ports.remembered(home, network)
    saved = state_file(home, network)
    saved.parent.mkdir(parents=True, exist_ok=True)
    line = [str(program), "--host", ports.LOOPBACK, "--port", str(port)]
    line += ["--chain-id", str(local.chain_id), "--base-fee", str(local.base_fee_wei)]
    unpacked = _unpack(saved) if durable and saved.exists() else None
    if unpacked is not None:
        line += ["--load-state", str(unpacked)]
    clock = Clock(
        f"http://{ports.LOOPBACK}:{port}",
        base_fee_wei=local.base_fee_wei,
        save_to=saved if durable else None,
        block_seconds=block_seconds or 0.0,
    )
    child = children.start(network, [*line, *SETTINGS], home=home, folder=saved.parent)
    node = Node(**vars(child), network=network, port=port, clock=clock)
    try:
        _wait(node)
    except BaseException:
        # Not `stop`, which would save whatever it may have become over what it was.
        node.kill()
        raise
    finally:
        if unpacked is not None:
            unpacked.unlink(missing_ok=True)
    if block_seconds is not None:
        clock.start()
    return node


def state_file(home: Path, network: str) -> Path:
    """Where a chain is kept, as anvil_dumpState packs it."""
    return home / "chains" / f"{network}.json.gz"


def _unpack(saved: Path) -> Path:
    """The file that anvil reads; it does not read what it packed itself."""
    plain = saved.with_suffix("")
    try:
        with gzip.open(saved) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except (OSError, EOFError) as error:
        plain.unlink(missing_ok=True)
        raise Stop(
            f"{saved} cannot be read: {error}.", then="bin/up --fresh starts over"
        ) from None
    return plain


def _wait(node: Node) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(node):
        if not node.is_alive or time.monotonic() > deadline:
            log = node.home / "logs" / f"{node.name}.log"
            raise Stop(
                f"The {node.network} chain did not start:{say.last_lines(log)}",
                then=f"see {log}; bin/up --fresh starts over, without the data",
            )
        time.sleep(0.02)


def _answers(node: Node) -> bool:
    try:
        return int(ask(node.url, "eth_chainId"), 16) == LOCAL[node.network].chain_id
    except (OSError, ValueError, Refused):
        return False
