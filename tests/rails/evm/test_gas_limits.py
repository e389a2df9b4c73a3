"""One node that counts gas wrongly leaves no nonce that can neither be used nor burned."""

import pytest
import rlp
from django.db import transaction

from engine.rails.base import Outcome, Prepared
from engine.rails.evm.gas_limits import LIMIT_MAX, is_short_of_gas
from engine.rails.evm.rpc import forget_chains
from engine.rails.evm.slots import Send, lock_lane, take_slots
from engine.rails.models import Slot, SlotKind
from engine.rails.wallet_acts import ask_to_cancel
from tests.rails.evm.nodes import Refusal
from tests.rails.evm.play import (
    DEPTH,
    GWEI,
    Mirror,
    look,
    payments,
    rail,
    sent,
    signed_at,
    slot_of,
    spike,
)
from tests.rails.evm.test_fee_bumps import fields

pytestmark = pytest.mark.django_db
POSTED = 900


class Rollup(Mirror):
    """Asks, as ArbOS does, for the part of Ethereum's fee inside the gas limit."""

    least = 21_000 + POSTED

    def _result(self, call):
        if call["method"] == "eth_sendRawTransaction":
            signed = rlp.decode(bytes.fromhex(call["params"][0][4:]))
            if int.from_bytes(signed[4], "big") < self.least:
                raise Refusal(-32000, "intrinsic gas too low")
        return super()._result(call)


def connect(settings, *nodes):
    settings.RPC_URLS = {"ethereum": tuple(node.url for node in nodes)}
    forget_chains()


def taken(lane_of, send):
    """A slot for just this, whatever the house would have taken."""
    with transaction.atomic():
        lane = lock_lane(lane_of.network, tried=[], gas_price=GWEI)
        lane.taken.append((0, send))
        ((_, slot_id, _),) = take_slots(lane)
    return Prepared("evm", "ethereum", "of tests", str(slot_id).encode())


def gas_send(wallet, gas_limit=21_000):
    return Send(
        SlotKind.GAS, "ETH", 10**15, wallet.address, wallet.address, b"", gas_limit, 10**15
    )


def gas_limits(prepared):
    return [fields(one)["gas"] for one in signed_at(prepared)]


def test_a_payout_whose_gas_one_node_made_up_is_paid(net, one_lane, order, settings):
    with Mirror(net, eth_estimateGas=lambda *_: "0x1") as liar:
        connect(settings, liar, net)
        (checked,) = rail().preflight([order()])
    connect(settings, net)
    prepared = sent(checked)
    net.mine(DEPTH)

    assert slot_of(prepared).gas_limit == 120_000
    assert look(prepared).outcome is Outcome.FINAL
    assert len(payments(net)) == 1


def test_a_nonce_with_too_low_a_limit_is_burned_all_the_same(net, one_lane, order, settings):
    stuck = taken(one_lane, gas_send(one_lane, gas_limit=20_000))
    slot = Slot.objects.get(pk=int(stuck.payload))
    connect(settings, net)
    behind = sent(order())
    ask_to_cancel(slot.pk)

    rail().submit([stuck])
    net.mine(DEPTH)

    assert [one.kind for one in signed_at(stuck)] == ["cancel"]
    assert gas_limits(stuck) == [42_000]
    assert [look(stuck).outcome, look(behind).outcome] == [Outcome.DEAD, Outcome.FINAL]


def test_a_limit_that_nodes_refuse_is_raised_at_once(net, one_lane, order, settings):
    """Terms stay: only the limit is another."""
    with Rollup(net) as node:
        connect(settings, node)
        gas = taken(one_lane, gas_send(one_lane))
        (receipt,) = rail().submit([gas])
        behind = sent(order())
        net.mine(DEPTH)

        assert receipt.accepted is True
        assert gas_limits(gas) == [21_000, 41_000]
        assert [one.gas_limit for one in signed_at(gas)] == [21_000, 41_000]
        first, second = (fields(one) for one in signed_at(gas))
        for name in ("nonce", "to", "value", "data"):
            assert first[name] == second[name]
        assert [look(gas).outcome, look(behind).outcome] == [Outcome.FINAL, Outcome.FINAL]


def test_a_limit_that_is_refused_for_ever_is_signed_no_more_than_once_again(
    net, one_lane, settings
):
    with Rollup(net) as node:
        node.least = 10**9
        connect(settings, node)
        gas = taken(one_lane, gas_send(one_lane))
        for _ in range(3):
            rail().submit([gas])

    assert gas_limits(gas) == [21_000, 41_000]


def test_a_cancel_is_burned_where_the_rollup_asks_for_more(net, one_lane, order, settings):
    with Rollup(net) as node:
        node.least = 200_000
        node.bends["eth_estimateGas"] = lambda *_: hex(node.least)
        connect(settings, node)
        prepared = sent(order(gas=40_000))
        ask_to_cancel(int(prepared.payload))
        rail().submit([prepared])
        net.mine(DEPTH)

        assert gas_limits(prepared) == [60_000, 260_000, 400_000]
        assert look(prepared).outcome is Outcome.DEAD


def test_what_takes_more_gas_by_now_is_signed_anew_though_no_fee_would_help(
    net, one_lane, order, settings
):
    prepared = sent(order(gas=40_000))
    settings.EVM_BUMP_SECONDS = 0
    with Mirror(net, eth_estimateGas=lambda *_: hex(90_000)) as node:
        connect(settings, node)
        rail().submit([prepared])
        rail().submit([prepared])

    connect(settings, net)
    assert gas_limits(prepared) == [60_000, 117_000]
    net.mine(DEPTH)
    assert look(prepared).outcome is Outcome.FINAL
    assert len(payments(net)) == 1


def test_no_node_makes_us_promise_all_our_gas_to_one_send(net, one_lane, order, settings):
    prepared = sent(order(gas=40_000))
    ask_to_cancel(int(prepared.payload))
    with Mirror(net, eth_estimateGas=lambda *_: hex(10**15)) as node:
        connect(settings, node)
        rail().submit([prepared])

    assert gas_limits(prepared) == [60_000, LIMIT_MAX]


def test_one_node_of_two_does_not_raise_the_limit_of_a_payment(net, one_lane, order, settings):
    prepared = sent(order(gas=40_000))
    settings.EVM_BUMP_SECONDS = 0
    with Mirror(net, eth_estimateGas=lambda *_: hex(900_000)) as node:
        connect(settings, node, net)
        rail().submit([prepared])

    assert gas_limits(prepared) == [60_000]


@pytest.mark.parametrize(
    ("accepted", "said", "is_short"),
    [
        (False, "http://a said: intrinsic gas too low (-32000)", True),
        (False, "http://a said: INTRINSIC_GAS_TOO_LOW (-32000)", True),
        (False, "http://a said: intrinsic gas too low: gas 21000, minimum needed 21900", True),
        (False, "http://a said: GasLimit too low (-32010)", True),
        (False, "http://a said: insufficient funds for gas * price + value (-32000)", False),
        (False, "http://a said: max fee per gas less than block base fee (-32000)", False),
        (True, "http://a said: intrinsic gas too low (-32000)", False),
        (None, "http://a timed out", False),
    ],
)
def test_which_refusals_are_for_want_of_gas(accepted, said, is_short):
    assert is_short_of_gas(accepted, said) is is_short


def test_a_cancel_may_cost_twice_what_a_payment_may(net, one_lane, order, settings):
    """Else what is at the ceiling already could not be replaced by anything."""
    settings.EVM_FEE_CEILING_WEI, settings.EVM_BUMP_SECONDS = 40 * GWEI, 0
    prepared = sent(order())
    spike(net, 38)
    rail().submit([prepared])
    spike(net, 60)
    ask_to_cancel(int(prepared.payload))

    rail().submit([prepared])
    net.mine(DEPTH)

    signed = [(one.kind, one.max_fee_wei) for one in signed_at(prepared)]
    assert signed[1:] == [("transfer", 40 * GWEI), ("cancel", 80 * GWEI)]
    assert look(prepared).outcome is Outcome.DEAD


def test_a_cancel_is_bumped_as_often_as_a_payment(net, one_lane, order, settings):
    settings.EVM_BUMPS_MAX, settings.EVM_BUMP_SECONDS = 2, 0
    prepared = sent(order())
    for gwei in (5, 15, 45, 100):
        spike(net, gwei)
        rail().submit([prepared])
    ask_to_cancel(int(prepared.payload))
    for gwei in (100, 220, 440, 600):
        spike(net, gwei)
        rail().submit([prepared])

    assert [one.kind for one in signed_at(prepared)] == ["transfer"] * 3 + ["cancel"] * 3
