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
from engine.rails.evm.rpc import Call, RpcRefused
from engine.rails.models import Token, WalletAsset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.base import Order

    Answer = Order | RailRejected | RailUnavailable

# JSON-RPC has one code for a revert (EIP-1474 as amended by clients); others only say so.
REVERTED = 3


def preflight_orders(orders: Sequence[Order]) -> list[Answer]:
    """Each order with the gas that it would use, or why it cannot be sent."""
    answers: dict[int, Answer] = {}
    tokens = {(row.network, row.asset): row.address for row in Token.objects.all()}
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


def _simulate(network: str, asset: str, token: str, orders: Sequence[Order]) -> list[Answer]:
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
        estimate(sender, token, order.destination, order.units)
        for order, can_pay in zip(orders, affordable, strict=True)
        if can_pay
    ]
    told = iter(chain.ask(calls) if calls else ())
    answers: list[Answer] = [
        _judge(order, next(told))
        if can_pay
        else RailUnavailable(
            "No wallet of this network holds enough of the asset.", waiting_for="liquidity"
        )
        for order, can_pay in zip(orders, affordable, strict=True)
    ]
    if any(isinstance(answer, RailRejected) for answer in answers):
        (control,) = chain.ask([estimate(sender, token, sender, 1)])
        if isinstance(control, RpcRefused):
            # Not the destination's fault: the token pays nobody just now.
            raise RailUnavailable("The token refuses every transfer.", waiting_for="token")
    return answers


def estimate(sender: str, token: str, to: str, units: int) -> Call:
    """Run a transfer at the head of the chain, and count its gas."""
    calldata = to_hex(transfer_calldata(to=to, units=units))
    return Call("eth_estimateGas", [{"from": sender, "to": token, "data": calldata}])


def _judge(order: Order, told: object) -> Answer:
    if not isinstance(told, RpcRefused):
        return replace(order, gas=int(str(told), 16))
    if told.code == REVERTED or "revert" in told.message.lower():
        return RailRejected(
            "The token refuses to pay this destination.", failure_code="destination_rejected"
        )
    return RailUnavailable(f"The transfer could not be simulated: {told.message}.")
