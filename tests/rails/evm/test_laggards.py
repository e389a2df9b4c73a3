"""A node that stands still is left out and told of; what waits too long is a person's."""

import pytest

from engine.rails.base import Outcome
from engine.rails.evm import laggards
from engine.rails.evm.rpc import forget_chains
from engine.rails.models import ChainHead
from tests.rails.evm.play import DEPTH, Mirror, look, sent, slot_of

pytestmark = pytest.mark.django_db
RECEIPT, NUMBER = "eth_getTransactionReceipt", "eth_blockNumber"


@pytest.fixture(autouse=True)
def logged(monkeypatch):
    """What was told to people: (event, name of the node) each."""
    told = []

    class Log:
        def error(self, event, **fields):
            told.append((event, fields["endpoint"]))

        warning = error

    monkeypatch.setattr(laggards, "logger", Log())
    laggards._behind.clear()
    return told


def connect(settings, *nodes):
    settings.RPC_URLS = {"ethereum": tuple(node.url for node in nodes)}
    forget_chains()


@pytest.fixture
def paid(net, one_lane, order):
    prepared = sent(order())
    net.mine(60)
    return prepared


def with_fee(fee):
    return lambda _, receipt: receipt and receipt | {"l1Fee": fee}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_node_of_three_that_stands_still_stops_nothing_and_is_told_of_once(
    net, paid, settings, logged, place
):
    with Mirror(net) as second, Mirror(net) as third:
        third.bends = {NUMBER: lambda *_: "0x1", RECEIPT: lambda *_: None}
        nodes = [net, second]
        nodes.insert(place, third)
        connect(settings, *nodes)
        looks = [look(paid) for _ in range(3)]
        assert [one.outcome for one in looks] == [Outcome.FINAL] * 3
        assert logged == [("rpc_is_behind", third.name)]

        third.bends.clear()
        look(paid)
        look(paid)

    assert logged[1:] == [("rpc_caught_up", third.name)]


def test_a_block_that_only_one_node_has_reached_is_no_depth(net, paid, settings, logged):
    stuck = 1
    with Mirror(net, eth_blockNumber=lambda *_: hex(stuck)) as second:
        connect(settings, net, second)
        sighting = look(paid)

    assert sighting.outcome is Outcome.SEEN
    assert logged == [("rpc_is_behind", second.name)]


def test_one_node_of_three_that_is_far_ahead_makes_nobody_late(net, paid, settings, logged):
    with Mirror(net) as second, Mirror(net, eth_blockNumber=lambda *_: "0xffffff") as third:
        connect(settings, third, net, second)
        sighting = look(paid)

    assert (sighting.outcome, sighting.confirmations, logged) == (Outcome.FINAL, DEPTH, [])


def test_a_few_blocks_behind_is_no_news(net, paid, settings, logged):
    behind = hex(net.number - laggards.BEHIND_BLOCKS)
    with Mirror(net, eth_blockNumber=lambda *_: behind) as second:
        connect(settings, net, second)
        look(paid)

    assert logged == []


def test_what_is_seen_for_longer_than_it_can_take_is_a_persons(net, one_lane, order, settings):
    prepared = sent(order())
    net.mine(1)
    head = ChainHead.objects.filter(network="ethereum")

    head.update(block_seconds=100.0)
    settings.REVIEW_SECONDS = 0
    assert look(prepared).needs_person is False

    head.update(block_seconds=0.0)
    sighting = look(prepared)
    assert (sighting.outcome, sighting.needs_person) == (Outcome.SEEN, True)

    settings.REVIEW_SECONDS = 3600
    assert look(prepared).needs_person is False


def test_what_waits_for_a_block_for_too_long_is_a_persons(net, one_lane, order, settings):
    settings.REVIEW_SECONDS = 0
    prepared = sent(order())
    ChainHead.objects.update(block_seconds=0.0)

    assert look(prepared).needs_person is True


def test_what_is_over_needs_nobody_however_long_it_took(net, paid, settings):
    settings.REVIEW_SECONDS = -3600
    ChainHead.objects.update(block_seconds=0.0)

    sighting = look(paid)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.FINAL, False)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_rollups_fee_that_one_node_alone_tells_neither_stops_nor_costs_anything(
    net, paid, settings, is_first
):
    """Else whoever makes one up empties the books, and who tells none stops them."""
    alone = gas_of(net, paid)
    with Mirror(net, eth_getTransactionReceipt=with_fee(hex(10**45))) as liar:
        connect(settings, *([liar, net] if is_first else [net, liar]))
        sighting = look(paid)

    assert (sighting.outcome, sighting.cost_units) == (Outcome.FINAL, alone)


def test_a_rollups_fee_that_enough_nodes_tell_is_booked(net, paid, settings):
    alone = gas_of(net, paid)
    bends = {RECEIPT: with_fee(hex(777))}
    with Mirror(net, **bends) as second, Mirror(net, **bends) as third:
        connect(settings, net, second, third)
        sighting = look(paid)

    assert (sighting.outcome, sighting.cost_units) == (Outcome.FINAL, alone + 777)


def test_two_fees_of_a_rollup_are_no_agreement(net, paid, settings):
    with (
        Mirror(net, eth_getTransactionReceipt=with_fee(hex(777))) as second,
        Mirror(net, eth_getTransactionReceipt=with_fee(hex(778))) as third,
    ):
        connect(settings, second, third)
        sighting = look(paid)

    assert (sighting.outcome, sighting.cost_units) == (Outcome.SEEN, 0)


def gas_of(net, prepared):
    (signed,) = slot_of(prepared).signed.all()
    receipt = net.ask(RECEIPT, signed.hash)
    return int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
