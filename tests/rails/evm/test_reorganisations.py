"""Blocks that come back without us: never delivered early, sent again, delivered once."""

import pytest

from engine.rails.base import Outcome
from tests.rails.evm.nodes import Refusal
from tests.rails.evm.play import (
    DEPTH,
    Mirror,
    hashes_of,
    look,
    payments,
    pool,
    rail,
    sent,
    slot_of,
)

pytestmark = pytest.mark.django_db


def reorganise(net, depth, keeping=()):
    """Make the last blocks anew, with nothing in them but `keeping` (raw, which block)."""
    net.ask("anvil_reorg", depth, [[raw, block] for raw, block in keeping])


def drop(net, prepared):
    for hash_ in hashes_of(prepared):
        net.ask("anvil_dropTransaction", hash_)


def mark(prepared):
    slot = slot_of(prepared)
    return slot.mined_block, slot.mined_hash


def test_a_reorganisation_that_drops_the_send_delivers_once_and_later(net, one_lane, order):
    prepared = sent(order())
    (hash_,) = hashes_of(prepared)
    net.mine(3)
    assert (look(prepared).outcome, look(prepared).confirmations) == (Outcome.SEEN, 3)
    first_block = mark(prepared)[0]

    reorganise(net, 3)
    drop(net, prepared)
    sighting = look(prepared)

    assert sighting.outcome is Outcome.UNKNOWN
    assert (mark(prepared), payments(net)) == ((None, ""), [])

    (receipt,) = rail().submit([prepared])
    assert (receipt.accepted, pool(net)) == (True, 1)
    looks = []
    for _ in range(DEPTH):
        net.mine()
        looks.append(look(prepared))

    assert [one.outcome for one in looks] == [Outcome.SEEN] * (DEPTH - 1) + [Outcome.FINAL]
    assert mark(prepared)[1] == hash_
    assert mark(prepared)[0] > first_block
    assert hashes_of(prepared) == [hash_]
    assert len(payments(net)) == 1


def test_a_reorganisation_that_moves_the_send_to_another_block_counts_from_there(
    net, one_lane, order
):
    prepared = sent(order())
    net.mine(4)
    was = look(prepared)
    raw = "0x" + bytes(slot_of(prepared).signed.get().raw).hex()

    reorganise(net, 4, keeping=[(raw, 2)])
    now = look(prepared)

    assert (was.outcome, was.confirmations) == (Outcome.SEEN, 4)
    assert (now.outcome, now.confirmations) == (Outcome.SEEN, 2)
    assert now.evidence["block"] == was.evidence["block"] + 2
    assert now.evidence["block_hash"] != was.evidence["block_hash"]
    net.mine(DEPTH - 2)
    assert look(prepared).outcome is Outcome.FINAL
    assert len(payments(net)) == 1


def test_a_mark_goes_away_with_its_block_and_comes_back(net, one_lane, order):
    prepared = sent(order())
    net.mine()
    look(prepared)
    marked = mark(prepared)

    reorganise(net, 1)
    drop(net, prepared)
    look(prepared)
    gone = mark(prepared)
    rail().submit([prepared])
    net.mine()
    look(prepared)

    assert gone == (None, "")
    assert mark(prepared) == (marked[0] + 1, marked[1])
    assert slot_of(prepared).closed_at is None


def test_a_block_that_changes_between_receipt_and_head_is_not_believed(
    net, one_lane, order, settings
):
    """The node tells a receipt, is reorganised, and only then tells its blocks."""
    prepared = sent(order())
    net.mine(DEPTH)
    (hash_,) = hashes_of(prepared)
    has_turned = []

    def turn(params, answer):
        if not has_turned:
            has_turned.append(True)
            reorganise(net, DEPTH)
            net.ask("anvil_dropTransaction", hash_)
        return net.ask("eth_getBlockByNumber", *params)

    with Mirror(net, eth_getBlockByNumber=turn) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        sighting = look(prepared)
        marked = mark(prepared)
        later = look(prepared)

    assert has_turned == [True]
    assert (sighting.outcome, sighting.confirmations) == (Outcome.SEEN, 0)
    assert (marked, payments(net)) == ((None, ""), [])
    assert later.outcome is Outcome.UNKNOWN


ODD_TIMES = [{"hash": "0x1", "timestamp": odd} for odd in (None, 5, "now", "0x" + "f" * 60)]


@pytest.mark.parametrize("block", [None, {}, *ODD_TIMES, Refusal(-32000, "header not found")])
def test_a_node_that_does_not_have_the_block_is_not_believed(
    net, one_lane, order, settings, block
):
    prepared = sent(order())
    net.mine(DEPTH)

    def bend(*_):
        if isinstance(block, Refusal):
            raise block
        return block

    with Mirror(net, eth_getBlockByNumber=bend) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        sighting = look(prepared)

    assert (sighting.outcome, sighting.confirmations) == (Outcome.SEEN, 0)
    assert slot_of(prepared).closed_at is None


def test_those_behind_a_dropped_send_are_paid_once_it_is_sent_again(net, one_lane, order):
    first, second, third = sent(order(units=1), order(units=2), order(units=3))
    net.mine(2)
    rail().look_up([first, second, third])

    reorganise(net, 2)
    for one in (first, second, third):
        drop(net, one)
    rail().look_up([first, second, third])
    rail().submit([third, first])
    rail().submit([second])
    net.mine(DEPTH)

    assert {one.outcome for one in rail().look_up([first, second, third])} == {Outcome.FINAL}
    assert sorted(units for _, units in payments(net)) == [1, 2, 3]
