"""The house's own bridge tries its second leg before the first one is over."""

import pytest

from engine.rails.base import Order
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.evm.rpc import forget_chains
from engine.rails.models import HotWallet, HouseCrossing, Token
from tests.rails.crossings import (
    ADDRESSES,
    pay_second_leg,
    prepare,
    slot,
)
from tests.rails.evm.nodes import Node, Refusal


@pytest.fixture(autouse=True)
def node(settings, wallet):
    forget_chains()
    with Node() as node:
        node.answers["eth_estimateGas"] = "0xe09d"
        settings.RPC_URLS = {"ethereum": (node.url,)}
        Token.objects.update_or_create(
            network="ethereum", asset="USDT", defaults={"address": ADDRESSES[5]}
        )
        wallet(100)
        yield node
    forget_chains()


def test_the_order_comes_back_as_it_was(house, cross, node):
    order = cross(60)

    assert house.preflight([order]) == [order]
    assert isinstance(order, Order)
    assert node.asked == ["eth_estimateGas"]
    assert HouseCrossing.objects.count() == 0


def test_a_destination_that_would_refuse_is_found_out_in_time(house, cross, node):
    # The token pays others: only this destination is refused.
    order = cross(60)

    def answer(params):
        if order.destination[2:].lower() in params[0]["data"]:
            raise Refusal(3, "execution reverted")
        return "0xe09d"

    node.answers["eth_estimateGas"] = answer
    (refusal,) = house.preflight([order])

    assert isinstance(refusal, RailRejected)
    assert refusal.failure_code == "destination_rejected"


def test_promised_tokens_are_no_liquidity(house, cross):
    prepare(house, [cross(60)])
    enough, short = house.preflight([cross(40), cross(41)])

    assert isinstance(enough, Order)
    assert isinstance(short, RailUnavailable)
    assert short.waiting_for == "liquidity"


def test_a_promise_that_was_handed_on_is_not_counted_twice(house, cross):
    order = cross(60)
    prepare(house, [order])
    slot(HotWallet.objects.get(), 60, 0)
    pay_second_leg(order)
    enough, short = house.preflight([cross(40), cross(1)])

    assert isinstance(enough, Order)
    assert isinstance(short, RailUnavailable)


def test_a_batch_is_looked_at_together(house, cross):
    assert [type(answer) for answer in house.preflight([cross(60), cross(60)])] == [
        Order,
        RailUnavailable,
    ]


def test_a_chain_that_does_not_answer_makes_it_wait(house, cross, node):
    node.close()
    (answer,) = house.preflight([cross(1)])

    assert isinstance(answer, RailUnavailable)
