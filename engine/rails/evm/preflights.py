"""Asking the chain whether a transfer would go through, before a nonce is spent on it.

A token may refuse a destination (Tether blocks addresses) or be paused for everybody; a
transfer that reverts on the chain burns its gas all the same. eth_estimateGas runs it at
the head of the chain, and says what it would use.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from eth_utils.conversions import to_hex

from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.erc20 import transfer_calldata
from engine.rails.evm.rpc import Call, RpcRefused, RpcUnavailable
from engine.rails.evm.rpc_batch import quantity
from engine.rails.models import Token, WalletAsset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.base import Order
    from engine.rails.evm.rpc import Chain

    Answer = Order | RailRejected | RailUnavailable

# Less than this no transfer takes (EIP-2028, EIP-2929), whatever a node makes of it: 21,000,
# its calldata, and two balances to read and to write.
GAS_MIN = 25_000
# JSON-RPC has one code for a revert (EIP-1474 as amended by clients); others only say so.
REVERTED = 3


def preflight_orders(orders: Sequence[Order]) -> list[Answer]:
    """Each order with the gas that it would use, or why it cannot be sent."""
    answers: dict[int, Answer] = {}
    tokens = {(row.network, row.asset): row for row in Token.objects.all()}
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, order in enumerate(orders):
        if (order.network, order.asset) in tokens:
            groups[order.network, order.asset].append(place)
        else:
            answers[place] = RailRejected(
                f"{order.asset} has no token on {order.network}.",
                failure_code="asset_not_on_network",
            )
    for (network, asset), places in groups.items():
        asked = [orders[place] for place in places]
        try:
            told = _simulate(network, asset, tokens[network, asset], asked)
        except RailUnavailable as error:
            told = [error] * len(asked)
        answers |= dict(zip(places, told, strict=True))
    return [answers[place] for place in range(len(orders))]


def _simulate(network: str, asset: str, token: Token, orders: Sequence[Order]) -> list[Answer]:
    richest = (
        WalletAsset.objects.filter(
            wallet__network=network,
            wallet__purpose="payouts",
            wallet__is_enabled=True,
            wallet__frozen_at=None,
            asset=asset,
            balance_units__isnull=False,
        )
        .order_by("-balance_units")
        .values_list("wallet__address", "balance_units")
        .first()
    )
    if richest is None:
        raise RailUnavailable(
            "No wallet of this network may pay just now.", waiting_for="wallet"
        )
    sender, held = richest
    # Without the balance the simulation would revert, and blame the destination for it.
    affordable = [order.units <= held for order in orders]
    chain = connected_chain(network)
    calls = [
        estimate(sender, token.address, order.destination, order.units)
        for order, can_pay in zip(orders, affordable, strict=True)
        if can_pay
    ]
    told = iter(chain.ask(calls) if calls else ())
    answers: list[Answer] = [
        _judge(order, next(told), gas_max=token.gas_limit) if can_pay else _short()
        for order, can_pay in zip(orders, affordable, strict=True)
    ]
    refused = [
        place for place, answer in enumerate(answers) if isinstance(answer, RailRejected)
    ]
    if refused:
        others: Sequence[RailUnavailable | None]
        try:
            others = _excused(
                chain, token.address, sender, [orders[place] for place in refused]
            )
        except RpcUnavailable as error:
            others = [error] * len(refused)
        for place, excuse in zip(refused, others, strict=True):
            answers[place] = excuse or answers[place]
    return answers


def _short() -> RailUnavailable:
    return RailUnavailable(
        "No wallet of this network holds enough of the asset.", waiting_for="liquidity"
    )


def _excused(
    chain: Chain, token: str, sender: str, refused: Sequence[Order]
) -> list[RailUnavailable | None]:
    """For each refused order whose fault it is, unless it is the destination's.

    Refusing is for good, so enough nodes must say it again, and say too that the token
    would pay the wallet itself as much: a wallet may hold less by now than it did when
    its balance was read, and a paused token pays nobody.
    """
    calls = [estimate(sender, token, sender, 1)]
    for order in refused:
        calls += [
            estimate(sender, token, order.destination, order.units),
            estimate(sender, token, sender, order.units),
        ]
    told = chain.ask_each(calls)
    if any(isinstance(answers[0], RpcRefused) for answers in told):
        raise RailUnavailable("The token refuses every transfer.", waiting_for="token")
    excused: list[RailUnavailable | None] = []
    for place in range(len(refused)):
        pairs = [answers[1 + 2 * place : 3 + 2 * place] for answers in told]
        if any(isinstance(to_itself, RpcRefused) for _, to_itself in pairs):
            excused.append(_short())
        elif all(_is_revert(to_it) for to_it, _ in pairs):
            excused.append(None)
        else:
            excused.append(RailUnavailable("The nodes do not agree on a transfer."))
    return excused


def estimate(sender: str, token: str, to: str, units: int) -> Call:
    """Run a transfer at the head of the chain, and count its gas."""
    calldata = to_hex(transfer_calldata(to=to, units=units))
    return Call("eth_estimateGas", [{"from": sender, "to": token, "data": calldata}])


def _judge(order: Order, told: object, *, gas_max: int) -> Answer:
    if _is_revert(told):
        return RailRejected(
            "The token refuses to pay this destination.", failure_code="destination_rejected"
        )
    gas = quantity(told)
    if gas is None:
        return RailUnavailable(f"The transfer could not be simulated: {str(told)[:100]}.")
    if gas > gas_max:
        # It would burn all of that, and fail for want of more.
        return RailUnavailable(
            f"The transfer would use {gas} gas, more than the token's gas_limit.",
            waiting_for="token",
        )
    # Whoever counts too little to be true has not counted: then the token's limit holds.
    return replace(order, gas=gas if gas >= GAS_MIN else 0)


def _is_revert(told: object) -> bool:
    return isinstance(told, RpcRefused) and (
        told.code == REVERTED or "revert" in told.message.lower()
    )
