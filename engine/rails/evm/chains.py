"""The chain of a network that slots are on, in the words the engine waits by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.rails.errors import RailUnavailable
from engine.rails.evm.rpc import chain_of

if TYPE_CHECKING:
    from engine.rails.evm.rpc import Chain


def connected_chain(network: str) -> Chain:
    """The chain, or RailUnavailable when no node of it is configured any more."""
    try:
        return chain_of(network)
    except KeyError:
        raise RailUnavailable(f"{network} is not connected.", waiting_for="chain") from None
