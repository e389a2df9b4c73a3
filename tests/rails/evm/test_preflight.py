"""Asking before a nonce is spent: whose fault a refusal is, and what only has to wait."""

import pytest

from engine.rails.base import Order
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.models import HotWallet, SignedTransaction, Slot, Token, WalletAsset
from tests.cast import EVM_2
from tests.rails.evm.nodes import Refusal
from tests.rails.evm.play import Mirror, owner_does, rail

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_taken(db):
    """Whatever a preflight says, it takes and signs nothing."""
    yield
    assert (Slot.objects.count(), SignedTransaction.objects.count()) == (0, 0)


def preflight(*orders):
    return rail().preflight(orders)


def fate(answer):
    match answer:
        case Order():
            return "go"
        case RailRejected():
            return answer.failure_code
        case RailUnavailable():
            return answer.waiting_for


def test_a_transfer_that_would_go_through_says_what_gas_it_uses(net, one_lane, order):
    one = order()

    (answer,) = preflight(one)

    assert isinstance(answer, Order)
    assert 30_000 < answer.gas < 100_000
    assert (answer.payout_id, answer.units) == (one.payout_id, one.units)


def test_a_destination_that_the_token_blocks_is_rejected_in_its_place(net, one_lane, order):
    owner_does(net, "blacklist(address)", EVM_2)

    answers = preflight(order(), order(destination=EVM_2), order())

    assert [fate(one) for one in answers] == ["go", "destination_rejected", "go"]


def test_a_paused_token_waits_and_goes_on(net, one_lane, order):
    owner_does(net, "pause()")
    paused = preflight(order(), order(destination=EVM_2))
    owner_does(net, "unpause()")

    assert [fate(one) for one in paused] == ["token", "token"]
    assert fate(preflight(order())[0]) == "go"


def test_a_wallet_that_the_token_blocks_is_no_fault_of_the_destination(net, one_lane, order):
    owner_does(net, "blacklist(address)", one_lane.address)

    assert fate(preflight(order())[0]) == "token"


def test_more_than_any_wallet_holds_waits_for_liquidity(net, one_lane, order):
    WalletAsset.objects.update(balance_units=9_998_999)

    answers = preflight(order(), order(units=9_998_999))

    assert [fate(one) for one in answers] == ["liquidity", "go"]


def test_a_balance_that_was_read_too_long_ago_is_no_fault_of_the_destination(
    net, one_lane, order
):
    """By our rows the wallet could pay it; the chain knows that it has less by now."""
    WalletAsset.objects.update(balance_units=90_000_000_000_000)

    answers = preflight(order(units=60_000_000_000_000), order())

    assert [fate(one) for one in answers] == ["liquidity", "go"]


@pytest.mark.parametrize(
    "change", [{"is_enabled": False}, {"frozen_at": "2026-01-01T00Z", "frozen_why": "x"}]
)
def test_without_a_wallet_it_waits(net, one_lane, order, change):
    HotWallet.objects.update(**change)

    assert fate(preflight(order())[0]) == "wallet"


def test_a_balance_that_was_never_read_waits(net, one_lane, order):
    WalletAsset.objects.update(balance_units=None)

    assert fate(preflight(order())[0]) == "wallet"


def test_an_asset_without_a_token_is_rejected_in_its_place(net, one_lane, order):
    answers = preflight(order(network="tron"), order(), order(asset="BTC"))

    assert [fate(one) for one in answers] == [
        "asset_not_on_network",
        "go",
        "asset_not_on_network",
    ]


def test_a_transfer_that_needs_more_gas_than_it_may_use_waits(net, one_lane, order):
    """Sent, it would burn all that gas and fail."""
    Token.objects.filter(network="ethereum").update(gas_limit=30_000)

    assert fate(preflight(order())[0]) == "token"


def test_a_network_that_is_away_lets_another_s_orders_go(devnets, order, settings):
    nets = devnets("ethereum", "polygon")
    settings.RPC_URLS = {"ethereum": (nets["ethereum"].url,)}

    answers = preflight(order(network="polygon"), order())

    assert [fate(one) for one in answers] == ["chain", "go"]


@pytest.mark.parametrize(
    ("code", "words", "wanted"),
    [
        (3, "execution reverted: blacklisted", "destination_rejected"),
        (-32000, "execution reverted", "destination_rejected"),
        (-32015, "VM execution error: Reverted", "destination_rejected"),
        (-32000, "gas required exceeds allowance", "rail"),
        (-32603, "internal error", "rail"),
    ],
)
def test_only_a_revert_is_a_refusal(net, one_lane, order, settings, code, words, wanted):
    def refuse(params, answer):
        if params[0]["data"][34:74] == EVM_2[2:].lower():
            raise Refusal(code, words)
        return answer

    with Mirror(net, eth_estimateGas=refuse) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        answers = preflight(order(destination=EVM_2), order())

    assert [fate(one) for one in answers] == [wanted, "go"]


@pytest.mark.parametrize("answer", [None, {}, 21_000, "", "0x", "-0x1", "0x5_0"])
def test_an_answer_that_is_no_gas_waits(net, one_lane, order, settings, answer):
    with Mirror(net, eth_estimateGas=lambda *_: answer) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}

        assert fate(preflight(order())[0]) == "rail"


def test_one_node_s_refusal_is_not_enough_to_give_a_payout_up(net, one_lane, order, settings):
    def refuse(params, answer):
        if params[0]["data"][34:74] == EVM_2[2:].lower():
            raise Refusal(3, "execution reverted")
        return answer

    with Mirror(net, eth_estimateGas=refuse) as liar:
        settings.RPC_URLS = {"ethereum": (liar.url, net.url)}
        answers = preflight(order(destination=EVM_2), order())

    assert [fate(one) for one in answers] == ["rail", "go"]


def test_while_too_few_nodes_answer_only_the_refused_wait(net, one_lane, order, settings):
    owner_does(net, "blacklist(address)", EVM_2)
    with Mirror(net) as gone:
        gone.fault = 500
        settings.RPC_URLS = {"ethereum": (net.url, gone.url)}
        answers = preflight(order(destination=EVM_2), order())

    assert [fate(one) for one in answers] == ["rail", "go"]


def test_an_empty_batch_asks_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert (rail().preflight([]), rail().submit([]), rail().look_up([])) == ([], [], [])
