"""Offering more for what is stuck: the same payment, stored first, and never without end."""

from itertools import pairwise

import pytest
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

from engine.rails.base import Outcome
from engine.rails.evm.fees import Fees, bumped, fees_for
from engine.rails.evm.rpc import Chain
from tests.rails.evm.play import (
    DEPTH,
    GWEI,
    Mirror,
    calm,
    hashes_of,
    look,
    payments,
    pool,
    prepare,
    rail,
    sent,
    signed_at,
    slot_of,
    spike,
    submit_and_die,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def at_once(settings):
    """What has waited at all has waited long enough."""
    settings.EVM_BUMP_SECONDS = 0


def fields(signed):
    return TypedTransaction.from_bytes(HexBytes(bytes(signed.raw))).as_dict()


def terms(signed):
    names = ("chainId", "nonce", "to", "value", "data", "gas")
    return {name: fields(signed)[name] for name in names}


def test_a_bump_keeps_the_payment_and_adds_to_both_caps(net, one_lane, order, at_once):
    prepared = sent(order())
    for gwei in (6, 20, 70):
        spike(net, gwei)
        rail().submit([prepared])
    signed = signed_at(prepared)

    assert [one.number for one in signed] == [1, 2, 3, 4]
    assert [terms(one) for one in signed] == [terms(signed[0])] * 4
    for last, one in pairwise(signed):
        assert one.max_fee_wei * 100 >= last.max_fee_wei * 115
        assert one.tip_wei * 100 >= last.tip_wei * 115
        assert fields(one)["maxFeePerGas"] == one.max_fee_wei
        assert fields(one)["maxPriorityFeePerGas"] == one.tip_wei
    net.mine(DEPTH)
    assert look(prepared).reference == signed[-1].hash
    assert len(payments(net)) == 1


def test_a_bump_is_stored_before_it_is_sent(net, one_lane, order, at_once, monkeypatch):
    prepared = sent(order())
    spike(net, 20)

    submit_and_die(monkeypatch, Chain, "send", prepared)

    assert len(hashes_of(prepared)) == 2
    assert net.ask("eth_getTransactionByHash", hashes_of(prepared)[1]) is None


def test_a_spike_is_followed_and_what_comes_after_it_is_cheap_again(
    net, one_lane, order, at_once
):
    prepared = sent(order())
    spike(net, 50)
    rail().submit([prepared])
    calm(net)
    net.mine(DEPTH)
    sighting = look(prepared)
    later = sent(order())

    assert (sighting.outcome, sighting.reference) == (Outcome.FINAL, hashes_of(prepared)[1])
    assert signed_at(later)[0].max_fee_wei < 10 * GWEI


def test_only_what_waits_too_long_is_bumped(net, one_lane, order, settings):
    settings.EVM_BUMP_SECONDS = 3600
    prepared = sent(order())
    spike(net, 20)
    rail().submit([prepared])

    assert len(hashes_of(prepared)) == 1


def test_nothing_is_bumped_while_the_chain_stands_still(net, one_lane, order, at_once):
    net.ask("evm_mine")
    prepared = sent(order())
    for _ in range(3):
        rail().submit([prepared])

    assert len(hashes_of(prepared)) == 1


def test_of_those_that_are_priced_right_only_the_first_is_bumped(net, one_lane, order, at_once):
    """The others wait for it, and no fee brings them in before."""
    prepared = prepare(order(), order(), order())
    net.ask("evm_increaseTime", 30)
    # The node was never told of the first, so the others wait behind a gap.
    rail().submit(prepared[1:])
    rail().submit(prepared[:1])
    for one in prepared:
        net.ask("anvil_dropTransaction", hashes_of(one)[0])
    net.mine()

    rail().submit(prepared)

    assert [len(hashes_of(one)) for one in prepared] == [2, 1, 1]


def test_whatever_offers_less_than_the_chain_asks_is_bumped(net, one_lane, order, at_once):
    prepared = sent(order(), order(), order())
    spike(net, 20)

    rail().submit(prepared)

    assert [len(hashes_of(one)) for one in prepared] == [2, 2, 2]
    net.mine(DEPTH)
    assert {one.outcome for one in rail().look_up(prepared)} == {Outcome.FINAL}
    assert len(payments(net)) == 3


def test_what_a_block_holds_is_not_bumped(net, one_lane, order, at_once):
    prepared = sent(order())
    net.mine()
    look(prepared)
    spike(net, 20)

    rail().submit([prepared])

    assert len(hashes_of(prepared)) == 1


def test_after_eight_bumps_a_person_decides(net, one_lane, order, at_once, settings):
    settings.EVM_FEE_CEILING_WEI = 10**18
    prepared = sent(order())
    # Known to the node, and never in a block: it waits behind a nonce that nobody uses.
    with Mirror(net, eth_getTransactionByHash=lambda params, _: {"hash": params[0]}) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        for gwei in (5, 15, 45, 140, 430, 1300, 4000, 12000):
            assert look(prepared).needs_person is False
            spike(net, gwei)
            rail().submit([prepared])
        spike(net, 36000)
        rail().submit([prepared])
        sighting = look(prepared)

    assert len(hashes_of(prepared)) == 9
    assert (sighting.outcome, sighting.needs_person) == (Outcome.SEEN, True)
    assert slot_of(prepared).closed_at is None


def test_above_our_ceiling_it_waits_and_goes_on_below_it(
    net, one_lane, order, at_once, settings
):
    settings.EVM_FEE_CEILING_WEI = 40 * GWEI
    prepared = sent(order())
    spike(net, 60)

    (receipt,) = rail().submit([prepared])
    assert (len(hashes_of(prepared)), pool(net)) == (1, 0)
    assert receipt.accepted is False

    spike(net, 30)
    rail().submit([prepared])
    assert [one.max_fee_wei for one in signed_at(prepared)][1:] == [40 * GWEI]
    net.mine(DEPTH)
    assert look(prepared).outcome is Outcome.FINAL
    assert len(payments(net)) == 1


WEI = st.integers(min_value=1, max_value=2_000 * GWEI)


@given(max_fee=WEI, tip=WEI, base_fee=WEI, tip_now=WEI)
def test_every_node_takes_a_bump(max_fee, tip, base_fee, tip_now):
    """geth asks for a tenth more in both caps, and for a tip within the whole."""
    last = Fees(max(max_fee, tip), tip)

    more = bumped(last, base_fee_wei=base_fee, tip_wei=tip_now)

    if more is None:
        assert last.max_fee_wei * 115 > 500 * GWEI * 100 or base_fee + tip_now > 100 * GWEI
        return
    assert more.max_fee_wei * 100 >= last.max_fee_wei * 115
    assert more.tip_wei * 100 >= last.tip_wei * 115
    assert base_fee + more.tip_wei <= more.max_fee_wei <= 500 * GWEI


@given(base_fee=WEI, tip=WEI)
def test_a_first_offer_lasts_for_a_while_and_stays_below_the_ceiling(base_fee, tip):
    first = fees_for(base_fee_wei=base_fee, tip_wei=tip)

    if first is None:
        assert base_fee + tip > 500 * GWEI
        return
    assert first.max_fee_wei == min(2 * base_fee + tip, 500 * GWEI)
    assert first.tip_wei == tip <= first.max_fee_wei
