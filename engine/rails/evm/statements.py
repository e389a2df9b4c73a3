"""What the chains say that our wallets have sent, for books that have forgotten some of it.

A chain holds a send by its wallet and nonce, and so do slots. Bytes that were signed after
a backup are found again on the chain itself: by the Transfer logs of our tokens, else by
the block in which the wallet's nonce rose. They are adopted only for a slot that says the
very same, or as its cancellation; whatever else went out is a stranger, for a person.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection
from django.db.models.functions import Greatest

from engine.rails.connections import connected_networks
from engine.rails.depths import largest_depth
from engine.rails.errors import RailUnavailable
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.erc20 import has_transfer, topic_of, transfer_calldata
from engine.rails.evm.rpc import Call
from engine.rails.evm.rpc_batch import quantity
from engine.rails.evm.sent import (
    adopt,
    find_sent,
    own_terms,
    shown,
    shows_ours,
    take_own_move,
)
from engine.rails.evm.views import read_slots
from engine.rails.evm.wallet_watch import BALANCE_OF
from engine.rails.models import (
    DepositAddress,
    HotWallet,
    Slot,
    SlotKind,
    Token,
    WalletPurpose,
)
from engine.rails.statements import CannotRecall, Difference, Held

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from engine.rails.base import Prepared
    from engine.rails.evm.rpc import Chain
    from engine.rails.evm.views import SlotView

logger = structlog.get_logger(__name__)

STRANGER = "stranger"
AS_THEY_ARE = ("kind", "asset", "destination", "to_address", "gas_limit")
# A token's limit may have been another when the send was made, but not in magnitude.
GAS_LIMIT_TIMES = 10
# Beyond what enough nodes count: more than that no node may claim and be looked into.
STRANGERS_MAX = 10_000
# Nonces between those that have a slot.
GAPS = """
    SELECT n FROM (
        SELECT nonce, lead(nonce) OVER (ORDER BY nonce) AS following
        FROM rails_slot WHERE wallet_id = %(wallet)s
    ) s, LATERAL generate_series(s.nonce + 1, s.following - 1) AS n
    WHERE s.following > s.nonce + 1 AND n < %(used)s
    ORDER BY n LIMIT %(most)s
"""


class EvmStatement:
    """See rails/statements.py for the questions."""

    def terms_of(self, batch: Sequence[Prepared]) -> list[dict[str, Any]]:
        """The slots, in the chain's own words."""
        slots = read_slots([int(one.payload) for one in batch])
        return [_as_json(slots[int(one.payload)]) for one in batch]

    def recall(self, *, network: str, reference: str, terms: dict[str, Any]) -> bytes:
        """Take the nonce again that was taken, for the same. Raises CannotRecall.

        A journal is a file on a disk, and what it says becomes a send that we sign: so
        only what prepare would have written is taken from it.
        """
        _refuse_unlike_ours(network, reference, terms)
        wallet = (
            HotWallet.objects.select_for_update()
            .filter(network=network, address=terms["wallet"], purpose=WalletPurpose.PAYOUTS)
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
            chain = connected_chain(network)
            wallets = list(HotWallet.objects.filter(network=network, frozen_at__isnull=True))
            calls = [
                Call("eth_getTransactionCount", [wallet.address, "latest"])
                for wallet in wallets
            ]
            *counts, heads = _told(chain, *calls, Call("eth_blockNumber", []))
            for wallet, told in zip(wallets, counts, strict=True):
                why = _ahead(chain, wallet, told, head=_agreed(chain, heads))
                if why:
                    return why
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
        """Whether, by enough nodes, a block still holds the token's own word for each."""
        slots = read_slots([int(one.payload) for one in batch])
        shown_by_enough: set[int] = set()
        for network in {slot.network for slot in slots.values()}:
            here = [slot for slot in slots.values() if slot.network == network]
            calls = [Call("eth_getTransactionReceipt", [slot.mined_hash]) for slot in here]
            chain = connected_chain(network)
            votes = Counter(
                slot.id
                for answers in chain.ask_each(calls)
                for slot, receipt in zip(here, answers, strict=True)
                if _shows(receipt, slot)
            )
            shown_by_enough |= {key for key, times in votes.items() if times >= chain.quorum}
        return [int(one.payload) in shown_by_enough for one in batch]

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


def _refuse_unlike_ours(network: str, reference: str, terms: Mapping[str, Any]) -> None:
    """Raises CannotRecall for terms of which we would never have made a slot."""
    token = Token.objects.filter(network=network, asset=terms["asset"]).first()
    if token is None:
        raise CannotRecall(f"{terms['asset']} has no token on {network}")
    calldata = transfer_calldata(to=terms["destination"], units=int(terms["units"]))
    if not (
        terms["kind"] == SlotKind.PAYOUT
        and terms["to_address"] == token.address
        and int(terms["value_wei"]) == 0
        and terms["calldata"] == calldata.hex()
        and 0 < int(terms["gas_limit"]) <= GAS_LIMIT_TIMES * token.gas_limit
    ):
        raise CannotRecall(f"{reference} is no payout as we send them")
    if reference != f"{network}:{terms['wallet']}:{int(terms['nonce'])}":
        raise CannotRecall(f"{reference} is not the name of wallet and nonce")


def _ahead(chain: Chain, wallet: HotWallet, told: Sequence[int], *, head: int) -> str:
    """Why the chain is ahead of us at this wallet, whose sends nodes count so; or nothing.

    As enough nodes say; or as any of them proves, by a send that bears our signature. A
    number that one node makes up, or is late with, is neither.
    """
    # Read after the chain was asked, as others send meanwhile.
    known = _next_nonce(wallet)
    count = _agreed(chain, told)
    if count <= known < told[0] and shows_ours(chain, wallet, known, head=head):
        # Unless it is what another worker has sent since.
        known, count = _next_nonce(wallet), known + 1
    if count <= known:
        return ""
    return (
        f"{chain.network} has taken {count} sends of {wallet.address}, and we know of {known}."
    )


def _next_nonce(wallet: HotWallet) -> int:
    return HotWallet.objects.values_list("next_nonce", flat=True).get(pk=wallet.pk)


def _recover_wallet(
    chain: Chain, wallet: HotWallet, explained: Collection[str]
) -> list[Difference]:
    used, head = _used(chain, wallet)
    # Read after the chain was asked: what is there by then was committed before it was sent.
    wallet.refresh_from_db()
    keys = wallet.slots.filter(closed_at__isnull=True, nonce__lt=used).values_list("pk")
    slots = {slot.nonce: slot for slot in read_slots([key for (key,) in keys]).values()}
    ahead = set(range(wallet.next_nonce, used))
    ahead -= set(
        wallet.slots.filter(nonce__gte=wallet.next_nonce).values_list("nonce", flat=True)
    )
    gaps = {
        nonce
        for nonce in _gaps(wallet, min(used, wallet.next_nonce))
        if _name(wallet, nonce) not in explained
    }
    if not slots and not ahead and not gaps:
        return []
    sent = find_sent(chain, wallet, {*slots, *ahead, *gaps}, head=head)
    found = [
        Difference(STRANGER, _name(wallet, nonce), detail)
        for nonce, slot in slots.items()
        if (detail := adopt(slot, sent.get(nonce)))
    ]
    found += [
        Difference(STRANGER, _name(wallet, nonce), _shown(sent, nonce))
        for nonce in _strangers(wallet, sorted(gaps | ahead), sent, explained)
    ]
    if wallet.next_nonce < used and {one.what for one in found} <= {*explained}:
        HotWallet.objects.filter(pk=wallet.pk).update(next_nonce=Greatest("next_nonce", used))
        logger.warning("nonces_passed_over", wallet=str(wallet), next_nonce=used)
    return found


def _used(chain: Chain, wallet: HotWallet) -> tuple[int, int]:
    """How many nonces any node counts, sends that wait included, and the head by enough.

    By the node that knows most: one that lags hides nothing. Raises RailUnavailable for a
    count that is out of all proportion.
    """
    latest, pending, heads = _told(
        chain,
        Call("eth_getTransactionCount", [wallet.address, "latest"]),
        Call("eth_getTransactionCount", [wallet.address, "pending"]),
        Call("eth_blockNumber", []),
    )
    used = max(latest[0], pending[0])
    agreed = max(_agreed(chain, latest), _agreed(chain, pending))
    if used > agreed + STRANGERS_MAX:
        raise RailUnavailable(
            f"A node of {chain.network} counts {used} sends of {wallet.address},"
            f" and others {agreed}."
        )
    return used, _agreed(chain, heads)


def _gaps(wallet: HotWallet, used: int) -> list[int]:
    """Nonces without a slot below others that have one: what the journals do not name."""
    with connection.cursor() as cursor:
        cursor.execute(GAPS, {"wallet": wallet.pk, "used": used, "most": STRANGERS_MAX})
        return [nonce for (nonce,) in cursor.fetchall()]


def _strangers(
    wallet: HotWallet,
    nonces: Sequence[int],
    sent: Mapping[int, dict[str, Any]],
    explained: Collection[str],
) -> list[int]:
    """Those of the nonces, in order, that stay strangers; what stayed in the house is kept.

    Nothing is kept behind a stranger that nobody has explained: our count would be raised
    beyond it, and it would be forgotten.
    """
    strangers, is_clear = [], True
    for nonce in nonces:
        terms = own_terms(wallet, sent.get(nonce))
        if terms is None:
            strangers.append(nonce)
            is_clear &= nonce < wallet.next_nonce or _name(wallet, nonce) in explained
        elif is_clear and not take_own_move(wallet, nonce, sent[nonce], terms):
            strangers.append(nonce)
            is_clear = False
    return strangers


def _name(wallet: HotWallet, nonce: int) -> str:
    return f"{wallet.network}:{wallet.address}:{nonce}"


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
    (heads,) = _told(chain, Call("eth_blockNumber", []))
    block = hex(max(_agreed(chain, heads) - largest_depth(network) + 1, 0))
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
    return sum(_agreed(chain, told) for told in _told(chain, *calls))


def _told(chain: Chain, *calls: Call) -> list[list[int]]:
    """For each call the numbers that nodes answer, the highest first, from a quorum at least.

    Raises RailUnavailable when fewer answer in numbers.
    """
    answers = chain.ask_each(calls)
    told = [
        sorted((one for one in map(quantity, column) if one is not None), reverse=True)
        for column in zip(*answers, strict=True)
    ]
    if any(len(numbers) < chain.quorum for numbers in told):
        raise RailUnavailable(f"Too few nodes of {chain.network} answer in numbers.")
    return told


def _agreed(chain: Chain, told: Sequence[int]) -> int:
    """The most that a quorum of nodes say, or more."""
    return told[chain.quorum - 1]
