"""Furnishes a local chain: our tokens on it, and wallets with gas and tokens to spend.

Standard library only and no database, so that tests and bin/chaos can use it on a chain of
their own. settle_in.py writes what came of it into the database.
"""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zopay_site.embedded.chains import LOCAL
from zopay_site.embedded.contracts import artifact
from zopay_site.embedded.jsonrpc import Refused, ask
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WEI = 10**18
UNITS = 10**6
# Each wallet gets so much at first, and again when less than half is left.
GAS_WEI = 10_000 * WEI
TOKEN_UNITS = 50_000_000 * UNITS
NAMES = MappingProxyType({"USDT": "Tether USD", "XAUT": "Tether Gold"})
# What anvil's first account deploys first and second is always there: an address is a
# digest of who deployed and her nonce.
FIRST = MappingProxyType(
    {
        "USDT": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
        "XAUT": "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
    }
)
MINED_SECONDS = 20.0
WORD_BYTES = 32


def is_local(url: str, network: str) -> bool:
    """A node of ours or somebody's own anvil, and no copy of a real chain. Asks only."""
    try:
        told = ask(url, "anvil_nodeInfo")
        chain_id = int(ask(url, "eth_chainId"), 16)
    except (OSError, ValueError, Refused):
        return False
    is_fork = not isinstance(told, dict) or (told.get("forkConfig") or {}).get("forkUrl")
    return network in LOCAL and chain_id == LOCAL[network].chain_id and not is_fork


def furnish(
    url: str,
    network: str,
    *,
    wallets: Sequence[str],
    known: Mapping[str, str] | None = None,
    token_units: int = TOKEN_UNITS,
) -> dict[str, str]:
    """Deploy what is not there and fund `wallets`; answers the token of each asset.

    Again changes nothing until a wallet has spent half. `known` are addresses by asset at
    which to look first. Raises Stop for a chain that is not local: nothing was sent then.
    """
    if not is_local(url, network):
        raise Stop(
            f"The node of {network} is no local chain, so nothing is deployed there.",
            then=f"unset RPC_URL_{network.upper()}",
        )
    owner = ask(url, "eth_accounts")[0]
    tokens = {asset: _find(url, asset, known or {}) for asset in NAMES}
    deployed = {
        asset: send(url, owner, code=_creation(asset))
        for asset, address in tokens.items()
        if address is None
    }
    receipts = dict(zip(deployed, mined(url, deployed.values()), strict=True))
    found = {
        asset: address or _with_checksum(receipts[asset]["contractAddress"])
        for asset, address in tokens.items()
    }
    sent = []
    for wallet in wallets:
        gas = GAS_WEI - int(ask(url, "eth_getBalance", wallet, "latest"), 16)
        if gas > GAS_WEI // 2:
            sent.append(send(url, owner, to=wallet, value=gas))
        for token in found.values():
            lacking = token_units - balance(url, token, wallet)
            if lacking > token_units // 2:
                line = call("mint(address,uint256)", wallet, lacking)
                sent.append(send(url, owner, to=token, code=line))
    mined(url, sent)
    return found


# Far above any spike; the accounts of a local chain have a thousand million coins.
OFFER_WEI = 10**13


def send(url: str, sender: str, *, to: str = "", code: str = "0x", value: int = 0) -> str:
    """Let the node sign with an account of its own; answers the hash."""
    wish = {"from": sender, "data": code, "value": hex(value)} | ({"to": to} if to else {})
    # What the node would offer by itself is too little once the clock has put the base fee
    # back to its floor, and it drops such sends without a word.
    wish |= {"maxFeePerGas": hex(OFFER_WEI), "maxPriorityFeePerGas": hex(10**9)}
    return str(ask(url, "eth_sendTransaction", wish))


def mined(url: str, hashes: Iterable[str]) -> list[dict[str, Any]]:
    """Make a block of them and answer their receipts. Raises Stop when one has failed."""
    hashes = list(hashes)
    if not hashes:
        return []
    ask(url, "evm_mine")
    deadline = time.monotonic() + MINED_SECONDS
    receipts = [ask(url, "eth_getTransactionReceipt", each) for each in hashes]
    # A node answers for a block a moment before it answers for what is in it.
    while None in receipts and time.monotonic() < deadline:
        time.sleep(0.02)
        receipts = [ask(url, "eth_getTransactionReceipt", each) for each in hashes]
    if any(receipt is None or int(receipt["status"], 16) != 1 for receipt in receipts):
        raise Stop(
            "The local chain did not take what furnishes it.",
            then="bin/up --fresh starts over, without the data",
        )
    return receipts


def balance(url: str, token: str, holder: str) -> int:
    """Units of a token that `holder` has."""
    line = {"to": token, "data": call("balanceOf(address)", holder)}
    return int(ask(url, "eth_call", line, "latest"), 16)


def call(signature: str, *values: str | int, contract: str = "token") -> str:
    """Calldata of one of our contracts: addresses as "0x…", numbers and truths as int."""
    words = [int(value, 16) if isinstance(value, str) else int(value) for value in values]
    selector: str = artifact(contract)["selectors"][signature]
    return selector + "".join(f"{word:064x}" for word in words)


def _find(url: str, asset: str, known: Mapping[str, str]) -> str | None:
    """Where this token already is: a contract that calls itself by its name."""
    for address in (known.get(asset), FIRST[asset]):
        if address is None or ask(url, "eth_getCode", address, "latest") == "0x":
            continue
        line = {"to": address, "data": call("symbol()")}
        if bytes.fromhex(ask(url, "eth_call", line, "latest")[2:]) == _texts(asset):
            return address
    return None


def _with_checksum(address: str) -> str:
    """EIP-55, for which the usual addresses need no Keccak."""
    for usual in FIRST.values():
        if usual.lower() == address.lower():
            return usual
    # Only where somebody's own anvil was in use before; it costs the start of bin/up.
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(address))


def _creation(asset: str) -> str:
    """Bytecode with its two arguments, name and symbol, behind it."""
    bytecode: str = artifact("token")["bytecode"]
    return bytecode + _texts(NAMES[asset], asset).hex()


def _texts(*texts: str) -> bytes:
    """Short strings as the ABI lays them out: first where each is, then length and letters."""
    heads, tails = b"", b""
    for text in texts:
        where = len(texts) * WORD_BYTES + len(tails)
        heads += where.to_bytes(WORD_BYTES, "big")
        tails += len(text).to_bytes(WORD_BYTES, "big")
        tails += text.encode().ljust(WORD_BYTES, b"\0")
    return heads + tails
