"""The one call and the one log of ERC-20 that money depends on (EIP-20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSFER_SELECTOR = keccak(text="transfer(address,uint256)")[:4]
TRANSFER_TOPIC = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
TOPICS = 3


def transfer_calldata(*, to: str, units: int) -> bytes:
    """What to send to a token so that it moves `units` to the address `to`."""
    return TRANSFER_SELECTOR + encode(["address", "uint256"], [to, units])


def topic_of(address: str) -> str:
    """An address as logs index it: 32 bytes, in lower case."""
    return "0x" + address.lower().removeprefix("0x").rjust(64, "0")


def has_transfer(
    receipt: Mapping[str, Any], *, token: str, sender: str, to: str, units: int
) -> bool:
    """Whether this receipt holds the token's own word that exactly this was moved."""
    return any(
        log.get("address", "").lower() == token.lower()
        and [topic.lower() for topic in log.get("topics", ())]
        == [TRANSFER_TOPIC, topic_of(sender), topic_of(to)]
        and _number(log.get("data")) == units
        for log in receipt.get("logs") or ()
    )


def _number(word: object) -> int | None:
    """A word of data as a number; None for what is no number."""
    try:
        return int(str(word), 16)
    except ValueError:
        return None
