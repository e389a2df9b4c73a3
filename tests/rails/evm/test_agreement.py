"""Two nodes: what only one of them says decides nothing."""

import pytest

from engine.rails.base import Outcome
from engine.rails.errors import RailUnavailable
from engine.rails.evm.rpc import forget_chains
from tests.rails.evm.play import (
    DEPTH,
    Mirror,
    hashes_of,
    look,
    owner_does,
    prepare,
    rail,
    sent,
    slot_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def final(net, one_lane, order):
    """Paid, and as deep as the policy asks."""
    prepared = sent(order())
    net.mine(DEPTH)
    return prepared


@pytest.fixture
def beside(net, settings):
    """Looks with the true node and one that is bent, whichever comes first."""

    def run(prepared, *, is_first, **bends):
        with Mirror(net, **bends) as liar:
            urls = (liar.url, net.url)
            settings.RPC_URLS = {"ethereum": urls if is_first else urls[::-1]}
            return look(prepared)

    return run


either = pytest.mark.parametrize("is_first", [True, False])


def changed(**changes):
    return lambda _, receipt: receipt and receipt | changes


def with_log(**changes):
    return lambda _, receipt: receipt | {"logs": [one | changes for one in receipt["logs"]]}


@either
def test_two_nodes_that_say_the_same_are_believed(final, beside, is_first):
    assert beside(final, is_first=is_first).outcome is Outcome.FINAL


@either
@pytest.mark.parametrize(
    "bend",
    [
        changed(blockHash="0x" + "11" * 32),
        changed(blockNumber="0x1"),
        changed(status="0x0"),
        changed(logs=[]),
        with_log(data="0x1"),
        with_log(address="0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"),
        changed(gasUsed="0x1"),
        changed(effectiveGasPrice="0xffffffffffff"),
        lambda *_: None,
    ],
    ids=["block", "number", "status", "no log", "units", "token", "gas", "price", "none"],
)
def test_a_receipt_that_one_node_tells_otherwise_decides_nothing(final, beside, is_first, bend):
    sighting = beside(final, is_first=is_first, eth_getTransactionReceipt=bend)

    assert (sighting.outcome, sighting.confirmations) == (Outcome.SEEN, 0)
    assert (sighting.failure_code, sighting.cost_units) == ("", 0)
    assert slot_of(final).closed_at is None


@either
def test_a_failure_that_one_node_makes_up_is_no_delivery_either(
    net, one_lane, order, beside, is_first
):
    """It reverted; one node says that it went well, logs and all."""
    one = order()
    good = sent(one)
    net.mine(DEPTH)
    told = net.ask("eth_getTransactionReceipt", hashes_of(good)[0])
    (dead,) = prepare(order())
    owner_does(net, "blacklist(address)", one.destination)
    rail().submit([dead])
    net.mine(DEPTH)

    sighting = beside(
        dead,
        is_first=is_first,
        eth_getTransactionReceipt=changed(status="0x1", logs=told["logs"]),
    )

    assert (sighting.outcome, sighting.failure_code) == (Outcome.SEEN, "")


@either
@pytest.mark.parametrize("lag", [1, 3, DEPTH])
def test_a_node_that_lags_holds_the_count_back(net, final, beside, is_first, lag):
    head = net.number - lag

    sighting = beside(
        final,
        is_first=is_first,
        eth_blockNumber=lambda *_: hex(head),
    )

    assert (sighting.outcome, sighting.confirmations) == (Outcome.SEEN, DEPTH - lag)


@either
def test_a_head_that_one_node_makes_up_confirms_nothing(net, one_lane, order, beside, is_first):
    prepared = sent(order())
    net.mine()

    sighting = beside(prepared, is_first=is_first, eth_blockNumber=lambda *_: "0xffffff")

    assert (sighting.outcome, sighting.confirmations) == (Outcome.SEEN, 1)


@either
def test_a_block_that_one_node_knows_otherwise_confirms_nothing(final, beside, is_first):
    sighting = beside(
        final,
        is_first=is_first,
        eth_getBlockByNumber=lambda _, block: block | {"hash": "0x" + "22" * 32},
    )

    assert (sighting.outcome, sighting.confirmations) == (Outcome.SEEN, 0)


def test_while_one_of_two_is_down_nothing_is_final_and_all_is_sent(net, final, order, settings):
    (prepared,) = prepare(order())
    with Mirror(net) as other:
        other.fault = 500
        settings.RPC_URLS = {"ethereum": (other.url, net.url)}
        with pytest.raises(RailUnavailable):
            look(final)
        (receipt,) = rail().submit([prepared])
        assert receipt.accepted is True

        other.fault = None
        forget_chains()
        assert look(final).outcome is Outcome.FINAL


def test_two_of_three_that_agree_are_enough_when_the_third_is_down(net, final, settings):
    with Mirror(net) as second, Mirror(net) as third:
        third.fault = 500
        settings.RPC_URLS = {"ethereum": (third.url, second.url, net.url)}

        assert look(final).outcome is Outcome.FINAL


def test_two_of_three_that_agree_are_not_enough_when_the_third_contradicts(
    net, final, settings
):
    with (
        Mirror(net) as second,
        Mirror(net, eth_getTransactionReceipt=changed(status="0x0")) as liar,
    ):
        settings.RPC_URLS = {"ethereum": (liar.url, second.url, net.url)}

        assert look(final).outcome is Outcome.SEEN
