"""Somebody else has used a nonce of ours: the wallet stops, and nobody is paid twice."""

import pytest

from engine.rails.base import Outcome
from engine.rails.evm.erc20 import transfer_calldata
from engine.rails.evm.rpc import Chain
from engine.rails.models import HotWallet, SignedTransaction
from tests.cast import EVM_2
from tests.meeting import Session
from tests.rails.evm.nodes import Refusal
from tests.rails.evm.play import (
    DEPTH,
    Mirror,
    hashes_of,
    look,
    payments,
    prepare,
    rail,
    sent,
    slot_of,
    somebody_sends,
    spike,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def unsent(net, one_lane, order, monkeypatch):
    """Signed and stored, and never heard by the node."""
    (prepared,) = prepare(order())
    with monkeypatch.context() as away:
        away.setattr(Chain, "send", lambda _, raws: [(None, "nobody answered")] * len(raws))
        rail().submit([prepared])
    assert len(hashes_of(prepared)) == 1
    return prepared


def take_its_nonce(net, wallet, *, to, units):
    code = "0x" + transfer_calldata(to=to, units=units).hex()
    return somebody_sends(net, wallet.address, to=net.token(), code=code)


def is_frozen(wallet):
    return HotWallet.objects.get(pk=wallet.pk).frozen_why


def test_another_payment_at_our_nonce_is_dead_and_freezes_the_wallet(net, one_lane, unsent):
    hash_ = take_its_nonce(net, one_lane, to=EVM_2, units=5)
    net.mine(DEPTH)

    sighting = look(unsent)

    assert (sighting.outcome, sighting.failure_code) == (Outcome.DEAD, "nonce_taken")
    assert sighting.evidence == {
        "said": "nonce 0 was used by a send that is not ours",
        "wallet": one_lane.address,
        "nonce": 0,
        "other": {
            "hash": hash_,
            "to": net.token().lower(),
            "value": "0x0",
            "input": "0x" + transfer_calldata(to=EVM_2, units=5).hex(),
        },
    }
    assert is_frozen(one_lane) == "nonce 0 was used by a send that is not ours"
    assert (slot_of(unsent).spent_wei, slot_of(unsent).closed_at is None) == (0, False)
    assert (sighting.cost_units, look(unsent).outcome) == (0, Outcome.DEAD)


def test_it_is_nothing_before_it_is_as_deep_as_the_policy(net, one_lane, unsent):
    take_its_nonce(net, one_lane, to=EVM_2, units=5)
    net.mine(DEPTH - 1)

    assert look(unsent).outcome is Outcome.UNKNOWN
    assert is_frozen(one_lane) == ""

    net.mine()
    assert look(unsent).outcome is Outcome.DEAD


def test_the_same_payment_may_be_ours_and_is_never_released(net, one_lane, unsent):
    slot = slot_of(unsent)
    take_its_nonce(net, one_lane, to=slot.destination, units=slot.units)
    net.mine(DEPTH)
    for _ in range(3):
        sighting = look(unsent)

        assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
        assert sighting.evidence["other"]["to"] == net.token().lower()
    assert is_frozen(one_lane)
    assert slot_of(unsent).closed_at is None


def test_a_payment_that_another_slot_should_have_made_is_never_released(
    net, one_lane, order, unsent
):
    """A restored database hands out its nonces anew, to other payouts."""
    (other,) = prepare(order(destination=EVM_2, units=5))
    take_its_nonce(net, one_lane, to=EVM_2, units=5)
    net.mine(DEPTH)

    sighting = look(unsent)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert look(other).outcome is Outcome.UNKNOWN


def test_a_node_that_has_no_old_states_proves_nothing(net, one_lane, unsent, settings):
    take_its_nonce(net, one_lane, to=EVM_2, units=5)
    net.mine(DEPTH)

    def pruned(*_):
        raise Refusal(-32000, "missing trie node")

    with Mirror(net, eth_getTransactionCount=pruned) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        sighting = look(unsent)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, False)
    assert is_frozen(one_lane) == ""


@pytest.mark.parametrize(
    "block", [None, {}, {"transactions": []}, {"transactions": ["0x1", {"from": None}]}]
)
def test_who_used_it_being_unknown_a_person_decides(net, one_lane, unsent, settings, block):
    take_its_nonce(net, one_lane, to=EVM_2, units=5)
    net.mine(DEPTH)
    with Mirror(net, eth_getBlockByNumber=lambda *_: block) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        sighting = look(unsent)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert sighting.evidence["other"] is None
    assert is_frozen(one_lane)
    assert slot_of(unsent).closed_at is None


def test_one_node_s_word_about_who_used_it_is_not_enough(net, one_lane, unsent, settings):
    """Somebody paid the very same; one node of two says that it was something else."""
    slot = slot_of(unsent)
    take_its_nonce(net, one_lane, to=slot.destination, units=slot.units)
    net.mine(DEPTH)

    def lie(params, block):
        if not params[1]:
            return block
        calldata = "0x" + transfer_calldata(to=EVM_2, units=5).hex()
        return block | {
            "transactions": [one | {"input": calldata} for one in block["transactions"]]
        }

    with Mirror(net, eth_getBlockByNumber=lie) as liar:
        settings.RPC_URLS = {"ethereum": (liar.url, net.url)}
        sighting = look(unsent)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)


def test_one_node_s_word_that_it_was_used_is_not_enough(net, one_lane, unsent, settings):
    net.mine(DEPTH)
    with Mirror(net, eth_getTransactionCount=lambda *_: "0x63") as liar:
        settings.RPC_URLS = {"ethereum": (liar.url, net.url)}
        sighting = look(unsent)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, False)
    assert is_frozen(one_lane) == ""


def test_a_node_that_knows_our_block_and_not_yet_its_receipt_freezes_nobody(
    net, one_lane, order, settings
):
    prepared = sent(order())
    net.mine(DEPTH)
    with Mirror(
        net,
        eth_getTransactionReceipt=lambda *_: None,
        eth_getTransactionByHash=lambda *_: None,
    ) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        late = look(prepared)

        assert (late.outcome, late.needs_person) == (Outcome.UNKNOWN, False)
    assert is_frozen(one_lane) == ""
    settings.RPC_URLS = {"ethereum": (net.url,)}
    assert look(prepared).outcome is Outcome.FINAL


def test_what_was_mined_between_two_questions_is_ours(net, one_lane, order, settings):
    """The receipts are asked for, then it is mined, then the count is asked for."""
    prepared = sent(order())

    def mine_now(params, _):
        net.mine(2 * DEPTH)
        return net.ask("eth_getTransactionCount", params[0], "latest")

    with Mirror(net, eth_getTransactionCount=mine_now) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        sighting = look(prepared)

    assert sighting.outcome is Outcome.SEEN
    assert is_frozen(one_lane) == ""


@pytest.mark.django_db(transaction=True)
def test_a_bump_that_another_worker_made_since_we_looked_is_ours(
    net, one_lane, order, settings
):
    """She reads one hash, is held up, and meanwhile the second one is signed and mined."""
    prepared = sent(order())
    spike(net, 20)

    has_bumped = []

    def bump_now(params, _):
        if not has_bumped:
            has_bumped.append(True)
            settings.RPC_URLS, settings.EVM_BUMP_SECONDS = {"ethereum": (net.url,)}, 0
            Session(lambda: rail().submit([prepared])).wait()
            net.mine(2 * DEPTH)
        return net.ask("eth_getTransactionCount", params[0], "latest")

    with Mirror(net, eth_getTransactionCount=bump_now) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        sighting = look(prepared)

    assert sighting.outcome is Outcome.UNKNOWN
    assert is_frozen(one_lane) == ""
    assert len(hashes_of(prepared)) == 2
    assert look(prepared).outcome is Outcome.FINAL
    assert len(payments(net)) == 1


def test_a_slot_that_was_never_signed_is_not_dead_of_it(net, one_lane, order):
    (prepared,) = prepare(order())
    take_its_nonce(net, one_lane, to=EVM_2, units=5)
    net.mine(DEPTH)

    assert look(prepared).outcome is Outcome.UNKNOWN
    # Signed at the next round, and then it is.
    rail().submit([prepared])
    assert SignedTransaction.objects.count() == 1
    assert look(prepared).outcome is Outcome.DEAD
    assert is_frozen(one_lane)
