"""Handing over signed bytes: whatever is lost on the way, the same ones again pay once."""

import pytest

from engine.rails.base import Outcome
from engine.rails.errors import RailUnavailable
from engine.rails.evm.rpc import forget_chains
from tests.rails.evm.nodes import Node, Refusal
from tests.rails.evm.play import (
    DEPTH,
    Mirror,
    hashes_of,
    look,
    payments,
    pool,
    prepare,
    rail,
    sent,
    signed_at,
    slot_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def mirror(net, settings):
    """The only node that we are connected to: the chain behind somebody's proxy."""
    with Mirror(net) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        forget_chains()
        yield mirror


def strike(mirror, fault):
    """Let the fault hit the request after the one that asks for fees: the send."""

    def bend(_, answer):
        mirror.faults = [fault]
        return answer

    mirror.bends["eth_maxPriorityFeePerGas"] = bend


def heal(mirror):
    mirror.bends.clear()
    mirror.faults = []
    forget_chains()


@pytest.mark.parametrize(
    ("fault", "reached"),
    [
        ("drop reply", 1),
        ("drop request", 0),
        (500, 1),
        (502, 1),
        ("one short", 1),
        ("other ids", 1),
        ("<html>", 1),
    ],
)
def test_whatever_is_lost_the_same_bytes_again_pay_once(
    net, one_lane, order, mirror, fault, reached
):
    (prepared,) = prepare(order())
    strike(mirror, fault)

    (receipt,) = rail().submit([prepared])

    assert (receipt.reference, receipt.accepted) == (prepared.reference, None)
    assert pool(net) == reached
    assert len(hashes_of(prepared)) == 1

    heal(mirror)
    assert [rail().submit([prepared])[0].accepted for _ in range(3)] == [True] * 3
    assert (len(hashes_of(prepared)), pool(net)) == (1, 1)
    net.mine(DEPTH)
    assert look(prepared).outcome is Outcome.FINAL
    assert payments(net) == [(slot_of(prepared).destination.lower(), 9_999_000)]


def test_what_a_node_refuses_is_evidence_and_no_verdict(net, one_lane, order, mirror):
    (prepared,) = prepare(order())

    def refuse(*_):
        raise Refusal(-32000, "nonce too low")

    mirror.bends["eth_sendRawTransaction"] = refuse
    (receipt,) = rail().submit([prepared])

    assert receipt.accepted is False
    assert receipt.evidence == {"said": f"{mirror.name} said: nonce too low (-32000)"}
    # The node has taken it all the same: only a look tells.
    net.mine(DEPTH)
    assert look(prepared).outcome is Outcome.FINAL


def test_the_same_one_twice_in_a_batch_and_from_two_workers_is_paid_once(net, one_lane, order):
    prepared = sent(order())

    rail().submit([prepared, prepared])
    rail().submit([prepared])
    net.mine(DEPTH)
    rail().submit([prepared])
    net.mine(DEPTH)

    assert len(payments(net)) == 1


def test_a_batch_goes_out_in_the_order_of_its_nonces(net, one_lane, order, mirror):
    prepared = prepare(*(order() for _ in range(20)))

    rail().submit(prepared[::-1])

    assert mirror.asked.count("eth_sendRawTransaction") == 20
    assert (int(net.ask("txpool_status")["queued"], 16), pool(net)) == (0, 20)
    raws = [params[0] for method, params in mirror.calls if method == "eth_sendRawTransaction"]
    net.mine()
    mined = [net.ask("eth_getTransactionByHash", hashes_of(one)[0]) for one in prepared]
    assert [int(one["nonce"], 16) for one in mined] == list(range(20))
    assert raws == ["0x" + bytes(signed_at(one)[0].raw).hex() for one in prepared]


def test_answers_come_in_the_order_of_the_questions(net, one_lane, order):
    prepared = prepare(*(order() for _ in range(4)))[::-1]

    assert [one.reference for one in rail().submit(prepared)] == [
        one.reference for one in prepared
    ]


def test_what_a_block_holds_is_not_sent_again(net, one_lane, order, mirror):
    prepared = sent(order())
    net.mine()
    look(prepared)
    mirror.calls.clear()

    (receipt,) = rail().submit([prepared])

    assert (receipt.accepted, receipt.evidence) == (True, {"said": "a block holds it"})
    assert "eth_sendRawTransaction" not in mirror.asked


def test_a_network_that_is_away_does_not_stop_another(devnets, order, settings):
    nets = devnets("ethereum", "polygon")
    here, there = prepare(order(), order(network="polygon"))
    with Node() as gone:
        url = gone.url
    settings.RPC_URLS = {"ethereum": (nets["ethereum"].url,), "polygon": (url,)}
    forget_chains()

    receipts = rail().submit([here, there])
    nets["ethereum"].mine(DEPTH)
    sightings = rail().look_up([here, there])

    assert [receipt.accepted for receipt in receipts] == [True, None]
    assert [one.outcome for one in sightings] == [Outcome.FINAL, Outcome.UNKNOWN]
    assert hashes_of(there) == []
    for verb in (rail().submit, rail().look_up):
        with pytest.raises(RailUnavailable):
            verb([there])


def test_a_network_that_is_no_longer_connected_waits(net, one_lane, order, settings):
    prepared = sent(order())
    settings.RPC_URLS = {}

    for verb in (rail().submit, rail().look_up):
        with pytest.raises(RailUnavailable) as away:
            verb([prepared])
        assert away.value.waiting_for == "chain"


def test_two_nodes_are_both_told(net, one_lane, order, settings):
    with Mirror(net) as second, Mirror(net) as third:
        settings.RPC_URLS = {"ethereum": (second.url, third.url)}
        (prepared,) = prepare(order())
        second.fault = 500
        (receipt,) = rail().submit([prepared])

    assert receipt.accepted is True
    assert "eth_sendRawTransaction" in third.asked
