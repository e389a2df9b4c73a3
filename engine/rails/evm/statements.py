"""What the chains say that our wallets have sent, for books that have forgotten some of it.

A chain holds a send by its wallet and nonce, and so do slots. Bytes that were signed after
a backup are found again on the chain itself: by the Transfer logs of our tokens, else by
the block in which the wallet's nonce rose. They are adopted only for a slot that says the
very same, or as its cancellation; whatever else went out is a stranger, for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.db.models.functions import Greatest

from engine.rails.connections import connected_networks
from engine.rails.depths import largest_depth
from engine.rails.errors import RailUnavailable
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.erc20 import has_transfer, topic_of
from engine.rails.evm.rpc import Call
from engine.rails.evm.sent import adopt, find_sent, own_move, shown
from engine.rails.evm.views import read_slots
from engine.rails.evm.wallet_watch import BALANCE_OF
from engine.rails.models import DepositAddress, HotWallet, Slot, Token
from engine.rails.statements import CannotRecall, Difference, Held

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from engine.rails.base import Prepared
    from engine.rails.evm.rpc import Chain
    from engine.rails.evm.views import SlotView

logger = structlog.get_logger(__name__)

STRANGER = "stranger"
AS_THEY_ARE = ("kind", "asset", "destination", "to_address", "gas_limit")


class EvmStatement:
    """See rails/statements.py for the questions."""

    def terms_of(self, batch: Sequence[Prepared]) -> list[dict[str, Any]]:
        """The slots, in the chain's own words."""
        slots = read_slots([int(one.payload) for one in batch])
        return [_as_json(slots[int(one.payload)]) for one in batch]

    def recall(self, *, network: str, reference: str, terms: dict[str, Any]) -> bytes:
        """Take the nonce again that was taken, for the same. Raises CannotRecall."""
        wallet = (
            HotWallet.objects.select_for_update()
            .filter(network=network, address=terms["wallet"])
            .first()
        )
        if wallet is None:
            raise CannotRecall(f"{network} has no wallet {terms['wallet']} of ours")
        nonce = terms["nonce"]
        known = Slot.objects.filter(wallet=wallet, nonce=nonce).first()
        if known is not None:
            if _as_json(read_slots([known.pk])[known.pk]) != terms:
                raise CannotRecall(f"{reference} was taken for something else since")
            return str(known.pk).encode()
        slot = Slot.objects.create(
            wallet=wallet,
            nonce=nonce,
            calldata=bytes.fromhex(terms["calldata"]),
            units=int(terms["units"]),
            value_wei=int(terms["value_wei"]),
            **{name: terms[name] for name in AS_THEY_ARE},
        )
        HotWallet.objects.filter(pk=wallet.pk).update(
            next_nonce=Greatest("next_nonce", nonce + 1)
        )
        return str(slot.pk).encode()

    def ahead_of_us(self) -> str:
        """Whether a chain has taken nonces that we have not given away."""
        for network in connected_networks():
            wallets = list(HotWallet.objects.filter(network=network, frozen_at__isnull=True))
            calls = [
                Call("eth_getTransactionCount", [wallet.address, "latest"])
                for wallet in wallets
            ]
            counts = _numbers(connected_chain(network), *calls)
            # Read again after the chain was asked, as others send meanwhile.
            known = dict(HotWallet.objects.values_list("pk", "next_nonce"))
            for wallet, count in zip(wallets, counts, strict=True):
                if count > known[wallet.pk]:
                    return (
                        f"{network} has taken {count} sends of {wallet.address},"
                        f" and we know of {known[wallet.pk]}."
                    )
        return ""

    def recover(self, *, explained: Collection[str]) -> list[Difference]:
        """Find the bytes of every open slot that the chain has used up, and the strangers."""
        found: list[Difference] = []
        connected = set(connected_networks())
        for wallet in HotWallet.objects.order_by("network", "pk"):
            if wallet.network in connected:
                chain = connected_chain(wallet.network)
                found += _recover_wallet(chain, wallet, explained)
            elif wallet.slots.filter(closed_at__isnull=True).exists():
                raise RailUnavailable(f"{wallet.network} is not connected.")
        return found

    def delivered(self, batch: Sequence[Prepared]) -> list[bool]:
        """Whether a block still holds the token's own word for each."""
        slots = read_slots([int(one.payload) for one in batch])
        receipts: dict[int, Any] = {}
        for network in {slot.network for slot in slots.values()}:
            here = [slot for slot in slots.values() if slot.network == network]
            calls = [Call("eth_getTransactionReceipt", [slot.mined_hash]) for slot in here]
            answers = connected_chain(network).ask(calls)
            receipts |= {slot.id: one for slot, one in zip(here, answers, strict=True)}
        return [
            _shows(receipts[slot.id], slot)
            for one in batch
            for slot in (slots[int(one.payload)],)
        ]

    def held(self) -> list[Held]:
        """Our tokens at hot wallets and deposit addresses, as deep as anything is final."""
        found = []
        for network in connected_networks():
            chain = connected_chain(network)
            for token in Token.objects.filter(network=network):
                units = _balance(chain, token)
                found.append(Held(network, token.asset, units))
        return found


def _as_json(slot: SlotView) -> dict[str, Any]:
    return {
        "wallet": slot.wallet,
        "nonce": slot.nonce,
        "kind": slot.kind.value,
        "asset": slot.asset,
        # Strings: not every reader of JSON knows numbers beyond 53 bits.
        "units": str(slot.units),
        "destination": slot.destination,
        "to_address": slot.to_address,
        "value_wei": str(slot.value_wei),
        "calldata": slot.calldata.hex(),
        "gas_limit": slot.gas_limit,
    }


def _recover_wallet(
    chain: Chain, wallet: HotWallet, explained: Collection[str]
) -> list[Difference]:
    latest, pending, head = _numbers(
        chain,
        Call("eth_getTransactionCount", [wallet.address, "latest"]),
        Call("eth_getTransactionCount", [wallet.address, "pending"]),
        Call("eth_blockNumber", []),
    )
    used = max(latest, pending)
    # Read after the chain was asked: what is there by then was committed before it was sent.
    wallet.refresh_from_db()
    keys = wallet.slots.filter(closed_at__isnull=True, nonce__lt=used).values_list("pk")
    slots = {slot.nonce: slot for slot in read_slots([key for (key,) in keys]).values()}
    strangers = set(range(wallet.next_nonce, used))
    strangers -= set(
        wallet.slots.filter(nonce__gte=wallet.next_nonce).values_list("nonce", flat=True)
    )
    if not slots and not strangers:
        return []
    sent = find_sent(chain, wallet, {*slots, *strangers}, head=head)
    ours = {
        nonce: slot for nonce in strangers if (slot := own_move(wallet, nonce, sent.get(nonce)))
    }
    slots |= ours
    strangers -= {*ours}
    found = [
        Difference(STRANGER, f"{wallet.network}:{wallet.address}:{nonce}", detail)
        for nonce, slot in slots.items()
        if (detail := adopt(slot, sent.get(nonce)))
    ]
    found += [
        Difference(STRANGER, f"{wallet.network}:{wallet.address}:{nonce}", _shown(sent, nonce))
        for nonce in sorted(strangers)
    ]
    if wallet.next_nonce < used and {one.what for one in found} <= {*explained}:
        HotWallet.objects.filter(pk=wallet.pk).update(next_nonce=Greatest("next_nonce", used))
        logger.warning("nonces_passed_over", wallet=str(wallet), next_nonce=used)
    return found


def _shown(sent: Mapping[int, dict[str, Any]], nonce: int) -> dict[str, Any]:
    """What a person needs of a send to find out whose it was."""
    return {"sent": shown(sent[nonce]) if nonce in sent else None}


def _shows(receipt: Any, slot: SlotView) -> bool:
    return (
        isinstance(receipt, dict)
        and receipt.get("status") == "0x1"
        and has_transfer(
            receipt,
            token=slot.to_address,
            sender=slot.wallet,
            to=slot.destination,
            units=slot.units,
        )
    )


def _balance(chain: Chain, token: Token) -> int:
    """All that our addresses hold of a token, at a depth at which anything is final."""
    network = chain.network
    wallets = HotWallet.objects.filter(network=network).values_list("address", flat=True)
    deposits = DepositAddress.objects.filter(
        network=network, asset=token.asset, key__isnull=False
    ).values_list("address", flat=True)
    holders = sorted({*wallets, *deposits})
    (head,) = _numbers(chain, Call("eth_blockNumber", []))
    block = hex(max(head - largest_depth(network) + 1, 0))
    calls = [
        Call(
            "eth_call",
            [
                {
                    "to": token.address,
                    "data": BALANCE_OF + topic_of(holder).removeprefix("0x"),
                },
                block,
            ],
        )
        for holder in holders
    ]
    return sum(_numbers(chain, *calls))


def _numbers(chain: Chain, *calls: Call) -> list[int]:
    """The numbers that one node answers. Raises RailUnavailable when it says anything else."""
    try:
        return [int(str(answer), 16) for answer in chain.ask(calls)]
    except ValueError:
        raise RailUnavailable(
            f"A node of {chain.network} does not answer in numbers."
        ) from None
