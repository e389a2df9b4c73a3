"""Finding on the chain what a wallet has sent, and taking it as our own where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rlp  # type: ignore[import-untyped]
from django.db.models import Max
from eth_utils.conversions import to_bytes, to_hex
from eth_utils.crypto import keccak

from engine.rails.errors import RailUnavailable
from engine.rails.evm.erc20 import TRANSFER_TOPIC, topic_of, transfer_calldata
from engine.rails.evm.rpc import Call, RpcRefused
from engine.rails.evm.views import read_slots
from engine.rails.models import (
    DepositKey,
    HotWallet,
    SignedKind,
    SignedTransaction,
    Slot,
    SlotKind,
    Token,
)
from engine.rails.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.rails.evm.rpc import Chain
    from engine.rails.evm.views import SlotView

    Sent = dict[str, Any]

# What most nodes take at once, and how far back we search where nothing says how far.
BLOCKS_AT_ONCE = 1000
SEARCHED_BLOCKS = 100_000
DYNAMIC_FEE = 2
# transfer(address,uint256): its selector and two words.
TRANSFER_BYTES = 4 + 2 * 32


def find_sent(
    chain: Chain, wallet: HotWallet, nonces: Collection[int], *, head: int
) -> dict[int, Sent]:
    """What the chain holds, or a node waits with, at each of these nonces; what can be found.

    Raises RailUnavailable when a node does not answer.
    """
    found = _waiting(chain, wallet)
    low = _searched_from(wallet, min(nonces), head)
    last = head
    while last >= low and not {*nonces} <= {*found}:
        first = max(last - BLOCKS_AT_ONCE + 1, low)
        found |= _by_logs(chain, wallet, first, last)
        last = first - 1
    for nonce in sorted({*nonces} - {*found}):
        found |= _by_count(chain, wallet, nonce, low, head) if nonce not in found else {}
    return {nonce: found[nonce] for nonce in nonces if nonce in found}


def _searched_from(wallet: HotWallet, nonce: int, head: int) -> int:
    """The block of what we last know to be mined before that nonce: nonces are in order."""
    known = wallet.slots.filter(nonce__lt=nonce, mined_block__isnull=False)
    block: int | None = known.aggregate(last=Max("mined_block"))["last"]
    return max(head - SEARCHED_BLOCKS, 0) if block is None else block


def _waiting(chain: Chain, wallet: HotWallet) -> dict[int, Sent]:
    (block,) = chain.ask([Call("eth_getBlockByNumber", ["pending", True])])
    return _ours(block.get("transactions") if isinstance(block, dict) else (), wallet)


def _by_logs(chain: Chain, wallet: HotWallet, first: int, last: int) -> dict[int, Sent]:
    tokens = Token.objects.filter(network=wallet.network).values_list("address", flat=True)
    wanted = {
        "fromBlock": hex(first),
        "toBlock": hex(last),
        "address": sorted(tokens),
        "topics": [TRANSFER_TOPIC, topic_of(wallet.address)],
    }
    (logs,) = chain.ask([Call("eth_getLogs", [wanted])])
    if not isinstance(logs, list):
        raise RailUnavailable(f"{chain.network} does not tell what our wallets have sent.")
    hashes = sorted({log["transactionHash"] for log in logs})
    if not hashes:
        return {}
    sent = chain.ask([Call("eth_getTransactionByHash", [one]) for one in hashes])
    return _ours(sent, wallet)


def _by_count(
    chain: Chain, wallet: HotWallet, nonce: int, low: int, head: int
) -> dict[int, Sent]:
    """The block in which the count rose beyond it; cancels and failed sends have no log."""
    while low < head:
        middle = (low + head) // 2
        (count,) = chain.ask([Call("eth_getTransactionCount", [wallet.address, hex(middle)])])
        if isinstance(count, RpcRefused):
            return {}
        if int(count, 16) > nonce:
            head = middle
        else:
            low = middle + 1
    (block,) = chain.ask([Call("eth_getBlockByNumber", [hex(low), True])])
    return _ours(block.get("transactions") if isinstance(block, dict) else (), wallet)


def _ours(sent: Any, wallet: HotWallet) -> dict[int, Sent]:
    """Those that this wallet has sent, by nonce."""
    return {
        int(one["nonce"], 16): one
        for one in sent or ()
        if isinstance(one, dict) and str(one.get("from")).lower() == wallet.address.lower()
    }


def adopt(slot: SlotView, sent: Sent | None) -> dict[str, Any] | None:
    """Keep the bytes of what was sent at this slot, if they say what the slot says.

    Returns what does not fit; None when all is well. A send that only waits somewhere may
    be unknown to our nodes, and then it is not found: that is well too, since at its nonce
    nothing but the same can follow.
    """
    if sent is None:
        return None if slot.signed else {"why": "used up by a send that was not found"}
    hash_ = str(sent["hash"]).lower()
    if any(one.hash == hash_ for one in slot.signed):
        return None
    kind, raw = _kind(slot, sent), _raw(sent)
    if kind is None or raw is None or to_hex(keccak(raw)) != hash_:
        return {"why": "says something else", "sent": shown(sent)}
    SignedTransaction.objects.bulk_create(
        [
            SignedTransaction(
                slot_id=slot.id,
                number=(slot.latest.number if slot.latest else 0) + 1,
                kind=kind,
                hash=hash_,
                raw=raw,
                max_fee_wei=int(sent["maxFeePerGas"], 16),
                tip_wei=int(sent["maxPriorityFeePerGas"], 16),
            )
        ],
        ignore_conflicts=True,
    )
    return None


def own_move(wallet: HotWallet, nonce: int, sent: Sent | None) -> SlotView | None:
    """A slot for a send that stayed in the house: gas for an address of ours, tokens to a
    wallet of ours, or the cancellation of either. None for any other.
    """
    terms = None if sent is None else _own_terms(wallet.network, sent)
    if terms is None or sent is None:
        return None
    slot, _ = Slot.objects.get_or_create(
        wallet=wallet,
        nonce=nonce,
        defaults=terms | {"gas_limit": int(sent["gas"], 16)},
    )
    return read_slots([slot.pk])[slot.pk]


def _own_terms(network: str, sent: Sent) -> dict[str, Any] | None:
    to, calldata = str(sent.get("to")).lower(), to_bytes(hexstr=sent["input"])
    wallets = {
        address.lower(): address
        for address in HotWallet.objects.filter(network=network).values_list(
            "address", flat=True
        )
    }
    if not calldata:
        keys = DepositKey.objects.filter(address__iexact=to).values_list("address", flat=True)
        ours = wallets | {address.lower(): address for address in keys}
        if to not in ours:
            return None
        return {
            "kind": SlotKind.GAS,
            "asset": NETWORKS[network].native,
            "units": int(sent["value"], 16),
            "destination": ours[to],
            "to_address": ours[to],
            "value_wei": int(sent["value"], 16),
        }
    token = Token.objects.filter(network=network, address__iexact=to).first()
    if token is None or len(calldata) != TRANSFER_BYTES or int(sent["value"], 16):
        return None
    receiver = wallets.get(f"0x{calldata[16:36].hex()}")
    units = int.from_bytes(calldata[36:])
    if receiver is None or calldata != transfer_calldata(to=receiver, units=units):
        return None
    return {
        "kind": SlotKind.CONSOLIDATION,
        "asset": token.asset,
        "units": units,
        "destination": receiver,
        "to_address": token.address,
        "calldata": calldata,
    }


def shown(sent: Sent) -> dict[str, Any]:
    """What a person needs of it."""
    return {name: sent.get(name) for name in ("hash", "to", "value", "input", "blockNumber")}


def _kind(slot: SlotView, sent: Sent) -> SignedKind | None:
    to, value = str(sent.get("to")).lower(), int(sent["value"], 16)
    if (to, value, str(sent["input"]).lower()) == (
        slot.to_address.lower(), slot.value_wei, to_hex(slot.calldata),
    ):  # fmt: skip
        return SignedKind.TRANSFER
    if (to, value, sent["input"]) == (slot.wallet.lower(), 0, "0x"):
        return SignedKind.CANCEL
    return None


def _raw(sent: Sent) -> bytes | None:
    """The signed bytes of what a node describes (EIP-2718, EIP-1559); None for other types."""
    try:
        if int(sent["type"], 16) != DYNAMIC_FEE:
            return None
        numbers = [
            int(sent[name], 16)
            for name in ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")
        ]
        if sent.get("accessList"):
            # We never sign one.
            return None
        parity = int(sent.get("yParity") or sent["v"], 16)
        body = [
            *numbers,
            to_bytes(hexstr=sent["to"]),
            int(sent["value"], 16),
            to_bytes(hexstr=sent["input"]),
            [],
            parity,
            int(sent["r"], 16),
            int(sent["s"], 16),
        ]
    except (KeyError, TypeError, ValueError):
        return None
    encoded: bytes = rlp.encode(body)
    return bytes([DYNAMIC_FEE]) + encoded
