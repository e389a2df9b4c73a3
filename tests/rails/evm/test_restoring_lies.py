"""After a restore: nodes that lag or lie, and what else left a wallet meanwhile."""

import pytest
import rlp
from eth_account import Account
from eth_utils import keccak, to_checksum_address

from engine.rails.base import Outcome, Prepared
from engine.rails.evm.erc20 import transfer_calldata
from engine.rails.evm.rpc import forget_chains
from engine.rails.models import SignedTransaction, Slot
from engine.rails.networks import NETWORKS
from engine.rails.signing import SigningRequest, signer
from engine.rails.statements import CannotRecall
from tests.cast import EVM_2
from tests.rails.evm.play import Mirror, look, prepare, rail, sent, slot_of, somebody_sends

pytestmark = pytest.mark.django_db

THIEF = to_checksum_address("0x" + "66" * 20)
FEES = {"maxFeePerGas": 90 * 10**9, "maxPriorityFeePerGas": 3 * 10**9}
# Terms of a journal that no send of a payout ever had.
NO_PAYOUTS = [
    {"calldata": transfer_calldata(to=THIEF, units=10**12).hex()},
    {"to_address": THIEF},
    {"value_wei": str(10**18)},
    {"kind": "gas"},
    {"kind": "consolidation"},
    {"gas_limit": 30_000_000},
    {"gas_limit": 0},
    {"units": "1"},
    {"destination": THIEF},
    {"asset": "XAUT"},
    {"asset": "DOGE"},
    {"wallet": THIEF},
    {"nonce": 8},
]


@pytest.fixture
def second(net, settings):
    """Starts a second node of the chain, bent as told, before the honest one."""
    started = []

    def start(**bends):
        node = Mirror(net, **bends)
        started.append(node)
        settings.RPC_URLS = {"ethereum": (node.url, net.url)}
        forget_chains()
        return node

    yield start
    for node in started:
        node.close()


@pytest.fixture
def order_again(net, one_lane, order):
    """What the journal would say of a payout: terms to recall, at a nonce of one's choice."""

    def make(nonce, **changes):
        (prepared,) = prepare(order())
        (terms,) = rail().statement.terms_of([prepared])
        return terms | {"nonce": nonce} | changes

    return make


def sends_itself(net, wallet, nonce, **fields):
    """What left the house before the restore, with the wallet's own key."""
    chain = {"chainId": NETWORKS[net.network].chain_id, "nonce": nonce}
    [signed] = signer().sign([SigningRequest(wallet.key_name, chain | fields | FEES)])
    net.ask("eth_sendRawTransaction", "0x" + signed.raw.hex())


def moves_gas(net, wallet, nonce):
    sends_itself(net, wallet, nonce, to=wallet.address, value=1, data="0x", gas=21_000)


def pays_a_stranger(net, wallet, nonce):
    data = "0x" + transfer_calldata(to=EVM_2, units=5_000_000).hex()
    sends_itself(net, wallet, nonce, to=net.token(), value=0, data=data, gas=90_000)


def name_of(wallet, nonce):
    return f"ethereum:{wallet.address}:{nonce}"


def recover(*explained):
    return rail().statement.recover(explained=explained)


def test_a_count_that_one_node_makes_up_does_not_freeze_the_house(net, one_lane, second):
    second(eth_getTransactionCount=lambda *_: "0xff")

    assert rail().statement.ahead_of_us() == ""


def test_what_enough_nodes_count_freezes_the_house(net, one_lane, second):
    somebody_sends(net, one_lane.address, to=one_lane.address, code="0x")
    net.mine(8)
    second()

    assert rail().statement.ahead_of_us() == (
        f"ethereum has taken 1 sends of {one_lane.address}, and we know of 0."
    )


def test_a_send_with_our_signature_freezes_the_house_by_one_node_alone(net, one_lane, second):
    moves_gas(net, one_lane, 0)
    net.mine(8)
    second(eth_getTransactionCount=lambda *_: "0x0")

    assert rail().statement.ahead_of_us().startswith("ethereum has taken 1 sends of")


def test_a_node_that_lags_does_not_hide_what_was_sent(net, one_lane, second):
    somebody_sends(net, one_lane.address, to=one_lane.address, code="0x")
    net.mine(8)
    honest = recover()
    second(
        eth_getTransactionCount=lambda *_: "0x0",
        eth_getLogs=lambda *_: [],
        eth_getBlockByNumber=lambda *_: None,
        eth_getTransactionByHash=lambda *_: None,
    )

    assert [one.what for one in honest] == [name_of(one_lane, 0)]
    assert recover() == honest


def test_a_count_out_of_all_proportion_is_not_looked_into(net, one_lane, second):
    second(eth_getTransactionCount=lambda *_: hex(10**12))

    with pytest.raises(Exception, match="counts 1000000000000 sends"):
        recover()


@pytest.mark.parametrize(("chain_id", "is_our_key"), [(1, False), (137, True)])
def test_bytes_of_another_key_or_for_another_chain_are_not_taken_as_ours(
    net, one_lane, order, second, chain_id, is_our_key
):
    (prepared,) = prepare(order())
    slot = slot_of(prepared)
    fields = {
        "chainId": chain_id, "nonce": 0, "to": slot.to_address, "value": 0,
        "gas": slot.gas_limit, "data": "0x" + bytes(slot.calldata).hex(), **FEES,
    }  # fmt: skip
    if is_our_key:
        raw = signer().sign([SigningRequest(one_lane.key_name, fields)])[0].raw
    else:
        raw = bytes(Account.create().sign_transaction(fields).raw_transaction)
    told = as_a_node_tells(raw) | {"from": one_lane.address}
    second(
        eth_getTransactionCount=lambda *_: "0x1",
        eth_getBlockByNumber=lambda _, block: block and block | {"transactions": [told]},
    )

    found = {one.what: one.detail for one in recover()}

    assert found[name_of(one_lane, 0)]["why"] == "says something else"
    assert SignedTransaction.objects.exists() is False


def as_a_node_tells(raw):
    """Signed bytes of type 2 in the words of eth_getTransactionByHash (EIP-1559)."""
    names = (
        "chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value",
        "input", "accessList", "yParity", "r", "s",
    )  # fmt: skip
    told = dict(zip(names, rlp.decode(raw[1:]), strict=True))
    words = {
        name: hex(int.from_bytes(word))
        for name, word in told.items()
        if isinstance(word, bytes)
    }
    return words | {
        "hash": "0x" + keccak(raw).hex(), "type": "0x2", "accessList": [], "blockNumber": "0x1",
        "to": "0x" + told["to"].hex(), "input": "0x" + told["input"].hex(),
    }  # fmt: skip


def test_a_lane_still_pays_after_a_stranger_was_looked_into(net, one_lane, order):
    """It looks like a move of our own, but its bytes are not ours to keep."""
    somebody_sends(net, one_lane.address, to=one_lane.address, code="0x")
    net.mine(8)

    assert [one.what for one in recover()] == [name_of(one_lane, 0)]

    assert Slot.objects.exists() is False
    (prepared,) = prepare(order())
    assert isinstance(prepared, Prepared)


def test_a_move_of_our_own_comes_with_its_bytes_and_its_count(net, one_lane, order):
    moves_gas(net, one_lane, 0)
    net.mine(8)

    assert recover() == []

    one_lane.refresh_from_db()
    assert (one_lane.next_nonce, SignedTransaction.objects.get().slot.nonce) == (1, 0)
    prepared = sent(order())
    net.mine(8)
    assert (slot_of(prepared).nonce, look(prepared).outcome) == (1, Outcome.FINAL)


def test_a_move_of_our_own_behind_a_stranger_waits_until_she_is_explained(net, one_lane, order):
    pays_a_stranger(net, one_lane, 0)
    moves_gas(net, one_lane, 1)
    net.mine(8)

    for _ in range(2):
        assert [one.what for one in recover()] == [name_of(one_lane, 0)]
        one_lane.refresh_from_db()
        assert (one_lane.next_nonce, Slot.objects.count()) == (0, 0)

    recover(name_of(one_lane, 0))
    one_lane.refresh_from_db()
    assert (one_lane.next_nonce, Slot.objects.get().nonce) == (2, 1)
    assert slot_of(prepare(order())[0]).nonce == 2


def test_a_move_of_our_own_before_a_stranger_leaves_the_lane_in_order(net, one_lane, order):
    moves_gas(net, one_lane, 0)
    pays_a_stranger(net, one_lane, 1)
    net.mine(8)

    assert [one.what for one in recover()] == [name_of(one_lane, 1)]

    one_lane.refresh_from_db()
    assert (one_lane.next_nonce, Slot.objects.get().nonce) == (1, 0)
    assert slot_of(prepare(order())[0]).nonce == 1


def test_a_stranger_between_sends_of_the_journal_is_found(net, one_lane, order):
    first = sent(order())
    (terms,) = rail().statement.terms_of([first])
    pays_a_stranger(net, one_lane, 1)
    net.mine(8)
    payload = rail().statement.recall(
        network="ethereum", reference=name_of(one_lane, 2), terms=terms | {"nonce": 2}
    )
    one_lane.refresh_from_db()
    assert one_lane.next_nonce == 3
    rail().submit([Prepared("evm", "ethereum", name_of(one_lane, 2), payload)])
    net.mine(8)

    for _ in range(2):
        assert [one.what for one in recover()] == [name_of(one_lane, 1)]
    assert recover(name_of(one_lane, 1)) == []


@pytest.mark.parametrize("reference", ["ethereum:0x00:7", "polygon:0x00:7"])
def test_a_journal_line_under_another_name_is_refused(net, order_again, reference):
    with pytest.raises(CannotRecall):
        rail().statement.recall(network="ethereum", reference=reference, terms=order_again(7))


def test_a_journal_line_that_says_anything_but_a_payout_of_ours_is_refused(
    net, one_lane, order_again
):
    terms = order_again(7)
    for change in NO_PAYOUTS:
        with pytest.raises(CannotRecall):
            rail().statement.recall(
                network="ethereum", reference=name_of(one_lane, 7), terms=terms | change
            )

    one_lane.refresh_from_db()
    assert (Slot.objects.get().nonce, one_lane.next_nonce) == (0, 1)


def test_the_same_line_unchanged_is_taken_and_raises_the_count(net, one_lane, order_again):
    terms = order_again(7)

    rail().statement.recall(network="ethereum", reference=name_of(one_lane, 7), terms=terms)

    one_lane.refresh_from_db()
    assert (Slot.objects.latest("nonce").nonce, one_lane.next_nonce) == (7, 8)


def test_a_receipt_that_one_node_makes_up_delivers_nothing(net, one_lane, order, second):
    prepared = sent(order())
    net.mine(8)
    assert look(prepared).outcome is Outcome.FINAL
    assert rail().statement.delivered([prepared]) == [True]
    receipt = net.ask("eth_getTransactionReceipt", slot_of(prepared).mined_hash)
    net.ask("anvil_reorg", 8, [])
    second(eth_getTransactionReceipt=lambda *_: receipt)

    assert rail().statement.delivered([prepared]) == [False]


def test_a_balance_that_one_node_makes_up_is_not_held(net, one_lane, second):
    net.mine(8)
    honest = rail().statement.held()
    second(eth_call=lambda *_: "0x" + (10**30).to_bytes(32, "big").hex())

    assert rail().statement.held() == honest
