"""What a node's answer to signed bytes means. It is evidence and never decides about money."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from engine.rails.evm.rpc_batch import Answer, RpcRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

Sent = tuple[bool | None, str]

# How clients say that they have these very bytes already: geth, Erigon and reth "already
# known", older geth and Besu "known transaction" (and never "unknown transaction type"),
# Nethermind "AlreadyKnown", OpenEthereum "Transaction with the same hash was already
# imported", anvil "transaction already imported". "Nonce too low" and "replacement
# transaction underpriced" say it of a nonce, which may be anybody's.
KNOWN = re.compile(
    r"already ?known|\bknown transaction\b|already imported|already in (?:the )?(?:mem)?pool",
    re.IGNORECASE,
)


def sent_as(raw: bytes, answer: Answer, *, name: str) -> Sent:
    """Whether the node called `name` took `raw` or had it, and what it said."""
    if isinstance(answer, RpcRefused):
        return KNOWN.search(answer.message) is not None, f"{name} said: {answer}"
    if str(answer).lower() != "0x" + keccak(raw).hex():
        return False, f"{name} took it for something else: {str(answer)[:100]}"
    return True, f"{name} took it"


def together(said: Sequence[Sent]) -> Sent:
    """One verdict of many nodes: any that took it, or else any that refused it."""
    verdicts = {verdict for verdict, _ in said}
    taken = True if True in verdicts else (False if False in verdicts else None)
    return taken, "; ".join(words for _, words in said)
