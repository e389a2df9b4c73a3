"""What bin/chaos is asked for: its options, in one frozen row."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Name: what it breaks. docs/chaos.md says more of each.
FAULTS = {
    "kill": "kill -9 of a worker, or of what it is running",
    "web-kill": "kill -9 of the web server",
    "drop-reply": "a node takes what it is sent, and its answer is lost or garbled",
    "drop-request": "what is sent to a node is lost before it gets there",
    "flush": "Valkey forgets everything",
    "valkey-kill": "kill -9 of Valkey, and a start",
    "postgres": "PostgreSQL in immediate mode: no checkpoint, and a recovery",
    "reorg": "the last three blocks are replaced, some of what was in them is gone",
    "base-fee": "gas costs ten to fifty times as much for some blocks",
}
MUTATIONS = {
    "send-before-commit": "hand over first, write down afterwards",
    "nonce-from-node": "ask the node for the nonce at every send",
    "timeout-means-failed": "give the money back when nobody answered",
    "depth-1": "believe what one block says",
    "latest-hash-only": "forget what was signed before a fee bump",
}
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Options:
    """`patience` is how long after the last fault a payout may take to become final."""

    payouts: int
    kills: int
    seed: int
    faults: frozenset[str]
    mutation: str
    patience: float
    as_json: bool


def parse(arguments: Sequence[str]) -> Options:
    """The options in `arguments`. Says what is wrong and exits with 2 when they are none."""
    parser = _parser()
    given = parser.parse_args(arguments)
    names = list(FAULTS) if given.faults == "all" else given.faults.split(",")
    if given.faults == "none":
        names = []
    unknown = sorted(set(names) - FAULTS.keys())
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    if given.payouts < 1 or given.kills < 0 or given.patience <= 0:
        parser.error("--payouts and --patience are more than zero, --kills not less")
    return Options(
        payouts=given.payouts,
        kills=given.kills,
        seed=given.seed,
        faults=frozenset(names),
        mutation=given.mutation,
        patience=given.patience,
        as_json=given.as_json,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/chaos",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Starts a house of its own, pays over two EVM chains while it breaks everything,\n"
            "and then counts on the chains who was paid, and how often."
        ),
        epilog=(
            "faults:\n"
            + _listed(FAULTS)
            + "\n\nwrong ways, which it must catch:\n"
            + _listed(MUTATIONS)
            + "\n\nStatus 0: nothing was lost, sent twice or lied about. 1: something was.\n"
            "2: wrong usage, or it could not run."
        ),
    )
    parser.add_argument("--payouts", type=int, default=300, help="how many (300)")
    parser.add_argument(
        "--kills", type=int, default=50, help="of workers; other faults come in proportion (50)"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same one breaks the same (1)")
    parser.add_argument("--faults", default="all", help="all, none, or some of them: a,b,c")
    parser.add_argument(
        "--mutation", choices=list(MUTATIONS), default="", help="pay in a wrong way"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_SECONDS,
        help="seconds from the last fault in which all must be final (180)",
    )
    parser.add_argument(
        "--json", action="store_true", dest="as_json", help="print one JSON object"
    )
    if sys.version_info >= (3, 14):
        parser.color = False
    return parser


def _listed(rows: dict[str, str]) -> str:
    return "\n".join(f"  {name:<22}{says}" for name, says in rows.items())
