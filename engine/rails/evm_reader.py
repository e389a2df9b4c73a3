"""Looking at one transaction on a development chain of ours, for the page that shows it.

The web process asks this, so it loads no web3: four JSON-RPC questions in one HTTP
request, read only. It asks a node on this very machine or nobody, and nothing that it
answers decides about money: that is for engine/rails/evm, with its quorum and its depths.

Fields are those of Ethereum's JSON-RPC (the execution-apis specification): quantities are
hex strings, and a receipt is null while the transaction waits to be mined.
"""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from engine.rails.connections import is_devnet
from engine.rails.errors import RailUnavailable

HASH = re.compile(r"0x[0-9a-f]{64}\Z")
SECONDS_MAX = 3.0
ANSWER_BYTES_MAX = 1_000_000
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
# keccak256("Transfer(address,address,uint256)"), as EIP-20 names the event.
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
TRANSFER_TOPICS = 3
WORD = re.compile(r"0x[0-9a-fA-F]{64}\Z")


@dataclass(frozen=True, slots=True)
class TokenTransfer:
    """What one Transfer log says. Addresses in lower case, as logs hold them."""

    token: str
    sender: str
    to: str
    units: int


@dataclass(frozen=True, slots=True)
class ChainTransaction:
    """One transaction as the node knows it.

    `block`, `succeeded` and `gas_wei` (all that its sender paid for gas) are None while it
    waits to be mined. `confirmations` counts its own block; 0 before.
    """

    hash: str
    sender: str
    to: str
    value_wei: int
    block: int | None
    confirmations: int
    succeeded: bool | None
    gas_wei: int | None
    transfers: tuple[TokenTransfer, ...]
    receipt: dict[str, Any] | None


def read_devnet(network: str, hash_: str) -> ChainTransaction | None:
    """What the devnet says of `hash_`; None for one that it, or we, never heard of.

    Raises RailUnavailable when the node does not answer, and KeyError when `network` is
    no devnet of ours.
    """
    if not is_devnet(network):
        raise KeyError(network)
    hash_ = hash_.lower()
    if not HASH.match(hash_):
        return None
    sent, receipt, head = _ask(
        settings.RPC_URLS[network][0],
        [
            ("eth_getTransactionByHash", [hash_]),
            ("eth_getTransactionReceipt", [hash_]),
            ("eth_blockNumber", []),
        ],
    )
    if not isinstance(sent, dict):
        return None
    try:
        return _read(hash_, sent, receipt, int(str(head), 16))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RailUnavailable(f"The node of {network} answered strangely.") from error


def _read(
    hash_: str, sent: dict[str, Any], receipt: dict[str, Any] | None, head: int
) -> ChainTransaction:
    block = None if receipt is None else int(receipt["blockNumber"], 16)
    return ChainTransaction(
        hash=hash_,
        sender=sent["from"].lower(),
        to=(sent["to"] or "").lower(),
        value_wei=int(sent["value"], 16),
        block=block,
        confirmations=0 if block is None else max(head - block + 1, 1),
        succeeded=None if receipt is None else int(receipt["status"], 16) == 1,
        gas_wei=None
        if receipt is None
        else int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16),
        transfers=() if receipt is None else tuple(_transfers(receipt["logs"])),
        receipt=receipt,
    )


def _transfers(logs: list[dict[str, Any]]) -> list[TokenTransfer]:
    return [
        TokenTransfer(
            token=log["address"].lower(),
            sender="0x" + log["topics"][1][-40:].lower(),
            to="0x" + log["topics"][2][-40:].lower(),
            units=int(log["data"], 16),
        )
        for log in logs
        if len(log["topics"]) == TRANSFER_TOPICS
        and log["topics"][0].lower() == TRANSFER
        and WORD.match(log["data"])
    ]


def _ask(url: str, calls: list[tuple[str, list[Any]]]) -> list[Any]:
    """The results in the order of `calls`. Raises RailUnavailable, without the address."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        raise RailUnavailable("A devnet is a node on this machine.")
    asked = [
        {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
        for place, (method, params) in enumerate(calls)
    ]
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS_MAX)
    try:
        link.request(
            "POST",
            parts.path or "/",
            body=json.dumps(asked),
            headers={"Content-Type": "application/json", "Connection": "close"},
        )
        answers = json.loads(link.getresponse().read(ANSWER_BYTES_MAX))
        by_id = {answer["id"]: answer["result"] for answer in answers}
        return [by_id[place] for place in range(len(calls))]
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError) as error:
        raise RailUnavailable("The node did not answer as a node does.") from error
    finally:
        link.close()
