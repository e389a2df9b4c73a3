"""Sweeping what lies at deposit addresses into a hot wallet, one nonce at a time.

A derived address is a lane like any other: a HotWallet of purpose `deposits`, whose nonces
are slots that are signed, kept, sent and looked for as those of payouts are. It has no
native coin, so a hot wallet first sends it some (a slot of kind `gas`); once that is
there, it sends all of its tokens to a hot wallet (a slot of kind `consolidation`).

Where a sweep stands is read from slots and from the chain, so there is nothing else to
remember: whoever dies at any line leaves a slot that the next one goes on with. Two at
once do not double one: a slot is only taken when, under the lock of the address's row, no
other slot was taken since the chain was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, Q

from engine.common.units import divide_up
from engine.rails.errors import RailUnavailable
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.erc20 import topic_of, transfer_calldata
from engine.rails.evm.fees import fees_for
from engine.rails.evm.looks import look_up_slots
from engine.rails.evm.preflights import estimate
from engine.rails.evm.rail import HEAD, submit_on
from engine.rails.evm.rpc import Call, RpcRefused
from engine.rails.evm.signatures import CANCEL_GAS
from engine.rails.evm.slots import GAS_SPARE_PERCENT, Lane, Send, lock_lane, take_slots
from engine.rails.evm.views import read_slots
from engine.rails.models import (
    DepositKey,
    HotWallet,
    Slot,
    SlotKind,
    Token,
    WalletPurpose,
)
from engine.rails.networks import NETWORKS
from engine.rails.signing import signer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.base import Sighting
    from engine.rails.evm.rpc import Chain

KINDS = (SlotKind.GAS, SlotKind.CONSOLIDATION)
# keccak256("balanceOf(address)"), its first four bytes (EIP-20).
BALANCE_OF = "0x70a08231"
# A sweep is paid for at twice the base fee; the rest is for when that rises meanwhile.
TOP_UP_PERCENT = 125
# No roll-up takes so much for a plain payment; a node that says so is not to empty a wallet.
GAS_LIMIT_MAX = 1_000_000
# Payouts go first: sweeps take no more than this part of a wallet's room.
ROOM_SHARE = 2


@dataclass(frozen=True, slots=True)
class Sweep:
    """What lies at one deposit address, and what stands in the way of moving it.

    `units` and `wei` are what every node that answered admits. `gas_limit` and `fee_wei`
    are what moving it takes, and the most that a unit of gas may cost. `state` is one of
    STATES. `slots` and `next_nonce` are what was known before the chain was asked.
    """

    key: DepositKey
    wallet: HotWallet | None
    state: str
    units: int = 0
    wei: int = 0
    gas_limit: int = 0
    fee_wei: int = 0
    slots: int = 0

    @property
    def needed_wei(self) -> int:
        return self.gas_limit * self.fee_wei


STATES = {
    "small": "less than --min lies there",
    "under way": "a send of its own, or gas for it, is on its way",
    "strange": "its wallet is frozen, or the address sent something that is not ours",
    "refused": "the token refuses to move it",
    "no key": "the signer has not the key of this address",
    "needs gas": "gas is sent to it first",
    "ready": "it is sent now",
    "dear": "gas is above our ceiling",
}


def survey(
    network: str, asset: str, keys: Sequence[DepositKey], *, to: str, units_min: int
) -> list[Sweep]:
    """Ask the chain what lies at each key's address, and change nothing.

    Raises RailUnavailable.
    """
    if not keys:
        return []
    chain = connected_chain(network)
    token = Token.objects.get(network=network, asset=asset)
    # Before the chain is asked: a slot that is taken from here on is noticed by `take`.
    known = _known(network, keys)
    fee = _fee(chain)
    held = _held(chain, token.address, [key.address for key in keys])
    swept = [
        _swept(key, *known[key.index], *held[key.address], units_min=units_min, fee=fee)
        for key in keys
        if key.address in held
    ]
    waiting = [one for one in swept if one.state == "ready"]
    calls = [estimate(one.key.address, token.address, to, one.units) for one in waiting]
    gas = dict(
        zip((one.key.index for one in waiting), chain.ask(calls) if calls else (), strict=True)
    )
    return [
        _with_gas(one, gas[one.key.index], token.gas_limit) if one.key.index in gas else one
        for one in swept
    ]


def _known(
    network: str, keys: Sequence[DepositKey]
) -> dict[int, tuple[HotWallet | None, int, int]]:
    """By index: the wallet of the address, how many slots concern it, and how many are open."""
    wallets = {
        wallet.address: wallet
        for wallet in HotWallet.objects.filter(
            network=network, address__in=[key.address for key in keys]
        )
    }
    return {
        key.index: (wallet, *_slots_of(network, key.address, wallet))
        for key in keys
        for wallet in [wallets.get(key.address)]
    }


def _slots_of(network: str, address: str, wallet: HotWallet | None) -> tuple[int, int]:
    # Two counts and no OR, so that each has its index.
    both = [
        slots.aggregate(all=Count("pk"), open=Count("pk", filter=Q(closed_at=None)))
        for slots in (
            Slot.objects.filter(wallet=wallet) if wallet else Slot.objects.none(),
            Slot.objects.filter(
                wallet__network=network, kind=SlotKind.GAS, destination=address
            ),
        )
    ]
    return sum(one["all"] for one in both), sum(one["open"] for one in both)


def _fee(chain: Chain) -> int:
    """The most that a unit of gas may cost now, in wei; 0 while that is above our ceiling."""
    block, tip = chain.ask(HEAD)
    if isinstance(block, RpcRefused) or isinstance(tip, RpcRefused):
        raise RailUnavailable(f"{chain.network} does not tell its fees.")
    fees = fees_for(base_fee_wei=int(block["baseFeePerGas"], 16), tip_wei=int(tip, 16))
    return 0 if fees is None else fees.max_fee_wei


def _held(chain: Chain, token: str, addresses: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Tokens and wei at each address: the least that any node tells. Left out when untold."""
    calls = []
    for address in addresses:
        line = {"to": token, "data": BALANCE_OF + topic_of(address)[2:]}
        calls.append(Call("eth_call", [line, "latest"]))
        calls.append(Call("eth_getBalance", [address, "latest"]))
    told = [[_number(answer) for answer in answers] for answers in chain.ask_each(calls)]
    held: dict[str, tuple[int, int]] = {}
    for place, address in enumerate(addresses):
        units = [numbers[2 * place] for numbers in told]
        wei = [numbers[2 * place + 1] for numbers in told]
        if min(*units, *wei) >= 0:
            held[address] = (min(units), min(wei))
    return held


def _number(answer: Any) -> int:
    """-1 for a refusal, and for the nothing that an address without a contract says."""
    return int(answer, 16) if isinstance(answer, str) and answer != "0x" else -1


def _swept(
    key: DepositKey,
    wallet: HotWallet | None,
    slots: int,
    under_way: int,
    units: int,
    wei: int,
    *,
    units_min: int,
    fee: int,
) -> Sweep:
    if under_way:
        state = "under way"
    elif units < max(units_min, 1):
        state = "small"
    elif wallet is not None and wallet.frozen_at is not None:
        state = "strange"
    else:
        state = "ready" if fee else "dear"
    return Sweep(key, wallet, state, units=units, wei=wei, fee_wei=fee, slots=slots)


def _with_gas(one: Sweep, told: Any, most: int) -> Sweep:
    state, gas = "refused", 0
    if not isinstance(told, RpcRefused):
        gas = min(int(told, 16) * GAS_SPARE_PERCENT // 100, most)
        state = "ready" if one.wei >= gas * one.fee_wei else "needs gas"
    return Sweep(
        one.key,
        one.wallet,
        state,
        units=one.units,
        wei=one.wei,
        gas_limit=gas,
        fee_wei=one.fee_wei,
        slots=one.slots,
    )


def with_wallet(network: str, one: Sweep) -> Sweep:
    """The same with a lane of its own, once the signer has the key, and the chain is quiet.

    Nodes are asked for its nonce only here, when the row is made. Raises RailUnavailable.
    """
    if signer().address_of(key_name(one.key)) != one.key.address:
        return _but(one, "no key")
    wallet = one.wallet
    if wallet is None:
        nonce = _nonce(connected_chain(network), one.key.address)
        if nonce is None:
            return _but(one, "strange")
        # Not enabled: watchers ask nodes for the balance of every enabled wallet.
        wallet, _ = HotWallet.objects.get_or_create(
            network=network,
            address=one.key.address,
            defaults={
                "key_name": key_name(one.key),
                "purpose": WalletPurpose.DEPOSITS,
                "next_nonce": nonce,
                "is_enabled": False,
            },
        )
    return _but(one, one.state, wallet=wallet)


def _but(one: Sweep, state: str, wallet: HotWallet | None = None) -> Sweep:
    return Sweep(
        one.key, wallet or one.wallet, state, one.units, one.wei, one.gas_limit, one.fee_wei,
        one.slots,
    )  # fmt: skip


def key_name(key: DepositKey) -> str:
    """What the signer calls it."""
    return f"deposit/{key.index}"


def _nonce(chain: Chain, address: str) -> int | None:
    """How many nonces the address has used, by every node alike; None while that moves."""
    tags = ("latest", "pending")
    told = {
        answer
        for answers in chain.ask_each(
            [Call("eth_getTransactionCount", [address, tag]) for tag in tags]
        )
        for answer in answers
    }
    (first, *others) = told
    return None if others or not isinstance(first, str) else int(first, 16)


def take_gas(network: str, sweeps: Sequence[Sweep]) -> int:
    """Take a hot wallet's nonces to send these addresses gas. Returns how many were taken.

    Raises RailUnavailable.
    """
    wanted = sorted(
        (one for one in sweeps if one.state == "needs gas"), key=lambda one: one.key.index
    )
    if not wanted:
        return 0
    price = wanted[0].fee_wei
    limits = _gas_limits(connected_chain(network), [one.key.address for one in wanted])
    with transaction.atomic(durable=True):
        # First, as everybody who locks several wallets does it before those of addresses.
        lane = lock_lane(network, tried=[], gas_price=price)
        if lane is None:
            return 0
        room = lane.room // ROOM_SHARE
        for one in wanted:
            value = divide_up(one.needed_wei * TOP_UP_PERCENT, 100) - one.wei
            limit = limits.get(one.key.address)
            if limit is None:
                continue
            cost = limit + divide_up(value, price)
            if len(lane.taken) >= room or lane.gas < cost:
                break
            if not _is_as_seen(network, one):
                continue
            lane.gas -= cost
            send = _gas_send(network, one.key.address, value, gas_limit=limit)
            lane.taken.append((one.key.index, send))
        return len(take_slots(lane))


def _gas_limits(chain: Chain, addresses: Sequence[str]) -> dict[str, int]:
    """What to allow for a plain payment to each address. Left out when no node tells.

    On roll-ups it is more than Ethereum's 21,000, and more at one hour than at another.
    Too little is refused, or burned; what is too much is not used. So the highest counts.
    """
    calls = [
        Call("eth_estimateGas", [{"from": address, "to": address, "value": "0x0"}])
        for address in addresses
    ]
    limits: dict[str, int] = {}
    for address, *answers in zip(addresses, *chain.ask_each(calls), strict=True):
        most = max(map(_number, answers))
        if most >= 0:
            wanted = most * GAS_SPARE_PERCENT // 100
            limits[address] = min(max(wanted, CANCEL_GAS), GAS_LIMIT_MAX)
    return limits


def _gas_send(network: str, address: str, value: int, *, gas_limit: int) -> Send:
    return Send(
        kind=SlotKind.GAS,
        asset=NETWORKS[network].native,
        units=value,
        destination=address,
        to_address=address,
        calldata=b"",
        gas_limit=gas_limit,
        value_wei=value,
    )


def take_sweep(network: str, asset: str, one: Sweep, *, to: str) -> bool:
    """Take the address's next nonce to send all its tokens. False when it is not as seen."""
    token = Token.objects.get(network=network, asset=asset)
    send = Send(
        kind=SlotKind.CONSOLIDATION,
        asset=asset,
        units=one.units,
        destination=to,
        to_address=token.address,
        calldata=transfer_calldata(to=to, units=one.units),
        gas_limit=one.gas_limit,
    )
    with transaction.atomic(durable=True):
        wallet = _is_as_seen(network, one)
        if wallet is None:
            return False
        lane = Lane(wallet.pk, wallet.address, wallet.next_nonce, room=1, gas=0)
        lane.taken.append((one.key.index, send))
        return bool(take_slots(lane))


def _is_as_seen(network: str, one: Sweep) -> HotWallet | None:
    """Lock the address's row; None when anything was taken for it since it was surveyed."""
    if one.wallet is None:
        return None
    wallet = HotWallet.objects.select_for_update(no_key=True).get(pk=one.wallet.pk)
    if wallet.frozen_at is not None:
        return None
    return wallet if _slots_of(network, one.key.address, wallet) == (one.slots, 0) else None


def drive(network: str, *, is_sending: bool) -> dict[int, Sighting]:
    """Sign, send and look at whatever gas and sweeps are open. Safe to repeat, and to double.

    Answers by slot. Raises RailUnavailable when the chain cannot be asked.
    """
    by_kind: dict[SlotKind, list[int]] = {kind: [] for kind in KINDS}
    slots = Slot.objects.filter(wallet__network=network, kind__in=KINDS, closed_at=None)
    for kind, slot_id in slots.order_by("pk").values_list("kind", "pk"):
        by_kind[SlotKind(kind)].append(slot_id)
    # One after the other: when the signer lacks a key of the one kind, the other still goes.
    for ids in by_kind.values():
        if ids and is_sending:
            submit_on(network, list(read_slots(ids).values()))
    ids = [slot_id for ids in by_kind.values() for slot_id in ids]
    return dict(zip(ids, look_up_slots(ids), strict=True)) if ids else {}
