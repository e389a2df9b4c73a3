"""What a look-up believes: every hash, deep enough, and only the token's own word."""

from datetime import UTC, datetime

import pytest

from engine.rails.base import Outcome
from engine.rails.depths import forget_depths
from engine.rails.models import DepthPolicy, Slot, Token
from tests.rails.evm.play import (
    DEPTH,
    Mirror,
    hashes_of,
    look,
    owner_does,
    payments,
    prepare,
    rail,
    sent,
    slot_of,
    spike,
)
from zopay_site.embedded import devnet
from zopay_site.embedded.contracts import artifact

pytestmark = pytest.mark.django_db


@pytest.fixture
def bumped(net, one_lane, order, settings):
    """Sent, and sent again at twice the fee: two hashes at one nonce."""
    prepared = sent(order())
    spike(net, 20)
    settings.EVM_BUMP_SECONDS = 0
    rail().submit([prepared])
    settings.EVM_BUMP_SECONDS = 3600
    assert len(hashes_of(prepared)) == 2
    return prepared


def raw_of(prepared, number):
    return (
        "0x"
        + bytes(Slot.objects.get(pk=int(prepared.payload)).signed.get(number=number).raw).hex()
    )


def test_the_first_hash_is_found_though_it_was_bumped(net, bumped):
    """A node that dropped the replacement mines the first one: that is a delivery too."""
    first, second = hashes_of(bumped)
    net.ask("anvil_dropTransaction", second)
    spike(net, 1)
    net.ask("eth_sendRawTransaction", raw_of(bumped, 1))
    net.mine(DEPTH)

    sighting = look(bumped)

    assert (sighting.outcome, sighting.reference) == (Outcome.FINAL, first)
    assert slot_of(bumped).mined_hash == first
    assert len(payments(net)) == 1


def test_the_last_hash_is_found(net, bumped):
    net.mine(DEPTH)

    sighting = look(bumped)

    assert (sighting.outcome, sighting.reference) == (Outcome.FINAL, hashes_of(bumped)[1])
    assert len(payments(net)) == 1


def test_what_waits_is_called_by_its_latest_hash_and_says_the_same_each_time(net, bumped):
    looks = [look(bumped) for _ in range(3)]

    assert {one.outcome for one in looks} == {Outcome.SEEN}
    assert {one.reference for one in looks} == {hashes_of(bumped)[1]}
    assert [one.evidence for one in looks] == [
        {"hash": hashes_of(bumped)[1], "said": "waiting for a block"}
    ] * 3


def test_of_two_hashes_that_nodes_hold_the_latest_is_shown(net, bumped, settings):
    with Mirror(net, eth_getTransactionByHash=lambda params, _: {"hash": params[0]}) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}

        assert look(bumped).reference == hashes_of(bumped)[1]


def test_what_nobody_was_sent_is_unknown_and_not_dead(net, one_lane, order):
    (prepared,) = prepare(order())
    net.mine(100)

    sighting = look(prepared)

    assert (sighting.outcome, sighting.evidence, sighting.seen_at) == (
        Outcome.UNKNOWN,
        {},
        None,
    )


def test_what_a_node_has_forgotten_is_unknown_and_not_dead(net, one_lane, order):
    prepared = sent(order())
    net.ask("anvil_dropTransaction", hashes_of(prepared)[0])
    net.mine(100)

    assert look(prepared).outcome is Outcome.UNKNOWN

    rail().submit([prepared])
    net.mine(DEPTH)
    assert look(prepared).outcome is Outcome.FINAL
    assert len(payments(net)) == 1


def test_confirmations_count_up_and_only_the_last_one_delivers(net, one_lane, order):
    prepared = sent(order())
    seen = []
    for _ in range(DEPTH + 1):
        net.mine()
        sighting = look(prepared)
        seen.append((sighting.outcome, sighting.confirmations))

    assert seen == [
        (Outcome.SEEN, 1),
        (Outcome.SEEN, 2),
        (Outcome.SEEN, 3),
        (Outcome.SEEN, 4),
        (Outcome.FINAL, 5),
        (Outcome.FINAL, 5),
    ]


@pytest.mark.parametrize(("units", "needed"), [(999_999, 2), (1_000_000, 4), (9_000_000, 6)])
def test_the_depth_follows_the_amount(net, one_lane, order, units, needed):
    DepthPolicy.objects.filter(network="ethereum").update(confirmations=2)
    for units_min, confirmations in ((1_000_000, 4), (9_000_000, 6)):
        DepthPolicy.objects.create(
            network="ethereum", asset="USDT", units_min=units_min, confirmations=confirmations
        )
    forget_depths()
    prepared = sent(order(units=units))
    net.mine(needed - 1)

    early = look(prepared)
    net.mine()
    late = look(prepared)

    assert (early.outcome, early.confirmations) == (Outcome.SEEN, needed - 1)
    assert (late.outcome, late.confirmations) == (Outcome.FINAL, needed)
    assert early.confirmations_needed == late.confirmations_needed == needed


def test_a_sighting_says_where_when_and_what_it_cost(net, one_lane, order):
    prepared = sent(order())
    net.mine(DEPTH)

    sighting = look(prepared)

    (hash_,) = hashes_of(prepared)
    receipt = net.ask("eth_getTransactionReceipt", hash_)
    block = net.ask("eth_getBlockByHash", receipt["blockHash"], False)
    assert sighting.evidence == {
        "hash": hash_,
        "block": int(receipt["blockNumber"], 16),
        "block_hash": receipt["blockHash"],
        "status": "0x1",
    }
    assert sighting.seen_at == datetime.fromtimestamp(int(block["timestamp"], 16), UTC)
    assert (sighting.cost_asset, sighting.cost_units) == (
        "ETH",
        int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16),
    )
    assert (slot_of(prepared).spent_wei, slot_of(prepared).mined_hash) == (
        sighting.cost_units,
        hash_,
    )


def test_what_is_final_stays_final_and_says_the_same(net, one_lane, order):
    prepared = sent(order())
    net.mine(DEPTH)
    first, closed = look(prepared), slot_of(prepared).closed_at
    net.mine(3)

    assert look(prepared) == first
    assert slot_of(prepared).closed_at == closed


def test_a_reverted_transfer_is_dead_as_deep_as_the_policy_and_cost_gas(net, one_lane, order):
    """The token refuses a destination that the preflight still saw unblocked."""
    one = order()
    (checked,) = rail().preflight([one])
    (prepared,) = prepare(checked)
    owner_does(net, "blacklist(address)", one.destination)
    rail().submit([prepared])
    net.mine(DEPTH - 1)
    early = look(prepared)
    net.mine()

    late = look(prepared)

    assert (early.outcome, early.failure_code, early.cost_units) == (Outcome.SEEN, "", 0)
    assert (late.outcome, late.failure_code) == (Outcome.DEAD, "transfer_reverted")
    assert late.evidence["status"] == "0x0"
    assert late.cost_units == slot_of(prepared).spent_wei > 0
    assert payments(net) == []


@pytest.fixture
def odd(net):
    """Our token is one that says one thing and does another; behave(answers, moves, tells)."""
    owner = net.ask("eth_accounts")[0]
    code = artifact("odd_token")["bytecode"]
    (receipt,) = devnet.mined(net.url, [devnet.send(net.url, owner, code=code)])
    address = net.ask("eth_getTransactionReceipt", receipt["transactionHash"])[
        "contractAddress"
    ]
    from eth_utils import to_checksum_address

    Token.objects.filter(network="ethereum", asset="USDT").update(
        address=to_checksum_address(address)
    )

    def behave(answers, is_moving, is_telling, *, holder):
        lines = [
            devnet.call("mint(address,uint256)", holder, 10**12, contract="odd_token"),
            devnet.call(
                "behave(uint256,bool,bool)",
                answers,
                is_moving,
                is_telling,
                contract="odd_token",
            ),
        ]
        hashes = [devnet.send(net.url, owner, to=address, code=line) for line in lines]
        devnet.mined(net.url, hashes)

    return behave


@pytest.mark.parametrize("answers", [0, 1])
@pytest.mark.parametrize("is_moving", [True, False])
def test_a_success_without_the_token_s_own_log_is_never_a_delivery(
    net, one_lane, order, odd, answers, is_moving
):
    odd(answers, is_moving, False, holder=one_lane.address)
    prepared = sent(order())
    net.mine(2 * DEPTH)

    sighting = look(prepared)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert sighting.evidence["status"] == "0x1"
    assert sighting.failure_code == ""
    # The nonce is used, but nobody has decided what became of the money.
    assert slot_of(prepared).closed_at is None


def bent_logs(net, prepared, settings, bend):
    """Look through a node that changes the logs of every receipt."""

    def change(_, receipt):
        return receipt and receipt | {"logs": [bend(dict(log)) for log in receipt["logs"]]}

    with Mirror(net, eth_getTransactionReceipt=change) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        return look(prepared)


@pytest.mark.parametrize(
    "bend",
    [
        lambda log: log | {"address": "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"},
        lambda log: log | {"topics": log["topics"][::-1]},
        lambda log: log | {"topics": log["topics"][:2]},
        lambda log: log | {"topics": ["0x" + "11" * 32, *log["topics"][1:]]},
        lambda log: log | {"topics": [*log["topics"][:2], "0x" + "0" * 63 + "1"]},
        lambda log: log | {"topics": [log["topics"][0], log["topics"][2], log["topics"][1]]},
        lambda log: log | {"data": hex(int(log["data"], 16) - 1)},
        lambda log: log | {"data": "0x"},
        lambda log: log | {"data": None},
    ],
    ids=["token", "topics", "few", "event", "to", "from", "units", "empty", "none"],
)
def test_another_s_log_is_no_word_of_our_token(net, one_lane, order, settings, bend):
    prepared = sent(order())
    net.mine(DEPTH)

    sighting = bent_logs(net, prepared, settings, bend)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert bent_logs(net, prepared, settings, dict).outcome is Outcome.FINAL


@pytest.mark.parametrize(
    "change",
    [
        {"transactionHash": "0x" + "11" * 32},
        {"blockHash": None},
        {"blockNumber": None},
        {"blockNumber": "soon"},
        {"status": None},
    ],
)
def test_what_is_no_receipt_of_this_hash_is_none(net, one_lane, order, settings, change):
    prepared = sent(order())
    net.mine(DEPTH)
    with Mirror(net, eth_getTransactionReceipt=lambda _, one: one | change) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        sighting = look(prepared)

    assert (sighting.outcome, sighting.confirmations) == (Outcome.SEEN, 0)


def test_sightings_come_in_the_order_of_the_questions(net, one_lane, order):
    done = sent(order())
    net.mine(DEPTH)
    waiting = sent(order())
    (unsent,) = prepare(order())

    sightings = rail().look_up([unsent, done, waiting, done])

    assert [one.outcome for one in sightings] == [
        Outcome.UNKNOWN,
        Outcome.FINAL,
        Outcome.SEEN,
        Outcome.FINAL,
    ]
