"""Finding on the chain what a wallet has sent, and taking it as our own where it is.

Any node may show a send, so that one that lags hides nothing; and none is believed, since
a send that is taken as ours must bear our wallet's own signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rlp  # type: ignore[import-untyped]
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Greatest
from eth_keys.exceptions import BadSignature
from eth_utils.conversions import to_bytes, to_hex
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from eth_utils.hexadecimal import is_hexstr

from engine.rails.errors import RailUnavailable
from engine.rails.evm.erc20 import TRANSFER_TOPIC, topic_of, transfer_calldata
from engine.rails.evm.rpc import Call
from engine.rails.evm.rpc_batch import quantity
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
from engine.rails.signing import signer_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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

    Raises RailUnavailable when too few nodes answer.
    """
    found = _waiting(chain, wallet)
    low = _searched_from(wallet, min(nonces), head)
    last = head
    while last >= low and not {*nonces} <= {*found}:
        first = max(last - BLOCKS_AT_ONCE + 1, low)
        _take_better(found, _by_logs(chain, wallet, first, last), wallet)
        last = first - 1
    for nonce in sorted({*nonces} - {*found}):
        if nonce not in found:
            _take_better(found, _by_count(chain, wallet, nonce, low, head), wallet)
    return {nonce: found[nonce] for nonce in nonces if nonce in found}


def shows_ours(chain: Chain, wallet: HotWallet, nonce: int, *, head: int) -> bool:
    """Whether any node has a send at that nonce with our own signature. Quicker than all
    of find_sent. Raises RailUnavailable.
    """
    found = _waiting(chain, wallet)
    if nonce not in found:
        low = _searched_from(wallet, nonce, head)
        _take_better(found, _by_count(chain, wallet, nonce, low, head), wallet)
    return nonce in found and is_signed_by(wallet.network, wallet.address, found[nonce])


def _searched_from(wallet: HotWallet, nonce: int, head: int) -> int:
    """The block of what we last know to be mined before that nonce: nonces are in order."""
    known = wallet.slots.filter(nonce__lt=nonce, mined_block__isnull=False)
    block: int | None = known.aggregate(last=Max("mined_block"))["last"]
    return max(head - SEARCHED_BLOCKS, 0) if block is None else block


def _take_better(
    found: dict[int, Sent], more: Mapping[int, Sent], wallet: HotWallet
) -> dict[int, Sent]:
    """Add what another node shows; where two differ, ours before others', mined before not."""

    def worth(one: Sent) -> tuple[bool, bool]:
        is_ours = is_signed_by(wallet.network, wallet.address, one)
        return is_ours, one.get("blockNumber") is not None

    for nonce, one in more.items():
        if nonce not in found or (one != found[nonce] and worth(one) > worth(found[nonce])):
            found[nonce] = one
    return found


def _waiting(chain: Chain, wallet: HotWallet) -> dict[int, Sent]:
    found: dict[int, Sent] = {}
    for (block,) in chain.ask_each([Call("eth_getBlockByNumber", ["pending", True])]):
        _take_better(found, _in_block(block, wallet), wallet)
    return found


def _by_logs(chain: Chain, wallet: HotWallet, first: int, last: int) -> dict[int, Sent]:
    tokens = Token.objects.filter(network=wallet.network).values_list("address", flat=True)
    wanted = {
        "fromBlock": hex(first),
        "toBlock": hex(last),
        "address": sorted(tokens),
        "topics": [TRANSFER_TOPIC, topic_of(wallet.address)],
    }
    answers = chain.ask_each([Call("eth_getLogs", [wanted])])
    told = [logs for (logs,) in answers if isinstance(logs, list)]
    if len(told) < chain.quorum:
        raise RailUnavailable(f"{chain.network} does not tell what our wallets have sent.")
    hashes = {
        str(log.get("transactionHash"))
        for logs in told
        for log in logs
        if isinstance(log, dict)
    }
    found: dict[int, Sent] = {}
    if hashes:
        calls = [Call("eth_getTransactionByHash", [one]) for one in sorted(hashes)]
        for sent in chain.ask_each(calls):
            _take_better(found, _ours(sent, wallet), wallet)
    return found


def _by_count(
    chain: Chain, wallet: HotWallet, nonce: int, low: int, head: int
) -> dict[int, Sent]:
    """The block in which the count rose beyond it; cancels and failed sends have no log."""
    while low < head:
        middle = (low + head) // 2
        told = chain.ask_each([Call("eth_getTransactionCount", [wallet.address, hex(middle)])])
        counts = [count for (one,) in told if (count := quantity(one)) is not None]
        if not counts:
            return {}
        # By the node that knows most, as for how many there are.
        if max(counts) > nonce:
            head = middle
        else:
            low = middle + 1
    found: dict[int, Sent] = {}
    for (block,) in chain.ask_each([Call("eth_getBlockByNumber", [hex(low), True])]):
        _take_better(found, _in_block(block, wallet), wallet)
    return found


def _in_block(block: Any, wallet: HotWallet) -> dict[int, Sent]:
    return _ours(block.get("transactions") if isinstance(block, dict) else (), wallet)


def _ours(sent: Any, wallet: HotWallet) -> dict[int, Sent]:
    """Those that this wallet is said to have sent, by nonce."""
    return {
        int(one["nonce"], 16): one
        for one in (sent if isinstance(sent, list) else ())
        if isinstance(one, dict)
        and str(one.get("from")).lower() == wallet.address.lower()
        and all(quantity(one.get(name)) is not None for name in ("nonce", "value", "gas"))
        and is_hexstr(one.get("input"))
        and is_hexstr(one.get("hash"))
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
    is_ours = is_signed_by(slot.network, slot.wallet, sent)
    if kind is None or raw is None or not is_ours:
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
                gas_limit=int(sent["gas"], 16),
            )
        ],
        ignore_conflicts=True,
    )
    return None


def is_signed_by(network: str, wallet: str, sent: Sent) -> bool:
    """Whether these are bytes with that wallet's signature for that network, under the hash
    that the node says.
    """
    raw = _raw(sent)
    if raw is None or to_hex(keccak(raw)) != str(sent["hash"]).lower():
        return False
    if int(sent["chainId"], 16) != NETWORKS[network].chain_id:
        return False
    try:
        signer = signer_of(raw)
    except (BadSignature, ValidationError, TypeError, ValueError):
        return False
    return signer == wallet


def own_terms(wallet: HotWallet, sent: Sent | None) -> dict[str, Any] | None:
    """What a slot would say of a send that stayed in the house: gas for an address of ours,
    tokens to a wallet of ours, or the cancellation of either. None for any other, and for
    bytes that could not be kept as ours.
    """
    if sent is None or not is_signed_by(wallet.network, wallet.address, sent):
        return None
    return _own_terms(wallet.network, sent)


def take_own_move(wallet: HotWallet, nonce: int, sent: Sent, terms: dict[str, Any]) -> bool:
    """Keep a send that stayed in the house; whether it could be kept.

    The slot, its bytes and the wallet's count come together or not at all: a slot at a
    nonce that is still to be given away would break whoever is given it.
    """
    with transaction.atomic():
        HotWallet.objects.select_for_update().get(pk=wallet.pk)
        slot, _ = Slot.objects.get_or_create(
            wallet=wallet, nonce=nonce, defaults=terms | {"gas_limit": int(sent["gas"], 16)}
        )
        if adopt(read_slots([slot.pk])[slot.pk], sent) is not None:
            transaction.set_rollback(True)
            return False
        HotWallet.objects.filter(pk=wallet.pk).update(
            next_nonce=Greatest("next_nonce", nonce + 1)
        )
    return True


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
