"""How fast a chain is and what a transfer uses there; and rounds that nothing holds up."""

import threading
from time import monotonic, sleep

import pytest
from django.db import connection

from engine.rails import tasks
from engine.rails.evm.heads import watch_head
from engine.rails.evm.measures import measure
from engine.rails.models import ChainHead, HotWallet, Token, WalletAsset
from tests.rails.evm.connected import connecting
from tests.rails.evm.nodes import Refusal

pytestmark = pytest.mark.django_db
OURS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OURS_2 = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"


@pytest.fixture
def connect(settings):
    with connecting(settings) as start:
        yield start


@pytest.fixture
def node(connect):
    return connect()[0]


@pytest.fixture
def wallets():
    return [
        HotWallet.objects.create(network="ethereum", address=address, key_name=name)
        for address, name in ((OURS, "one"), (OURS_2, "two"))
    ]


def test_how_fast_blocks_come_is_measured_while_somebody_waits(node):
    head = watch_head("ethereum")
    slept_at = 90
    real = node._eth_getBlockByNumber

    def block(params):
        told = real(*params)
        number = int(told["number"], 16)
        slept = 3600 if number > slept_at else 0
        return told | {"timestamp": hex(1_700_000_000 + 2 * number + slept)}

    node.answers["eth_getBlockByNumber"] = block

    measure("ethereum", number=head.number)

    assert ChainHead.objects.get().block_seconds == 2.0


def test_a_chain_too_young_keeps_what_was_assumed(connect):
    (node,) = connect(blocks=4)
    head = watch_head("ethereum")
    node.calls.clear()

    measure("ethereum", number=head.number)

    assert (ChainHead.objects.get().block_seconds, node.asked) == (12.0, [])


def test_it_measures_once_a_minute(node, monkeypatch):
    head = watch_head("ethereum")
    now = [1000.0]
    monkeypatch.setattr("engine.rails.evm.measures.monotonic", lambda: now[0])
    measure("ethereum", number=head.number)
    node.calls.clear()
    now[0] += 59

    measure("ethereum", number=head.number)
    assert node.asked == []

    now[0] += 1
    measure("ethereum", number=head.number)
    assert node.asked == ["eth_getBlockByNumber"] * 6


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"USDT": "0x10000", "XAUT": "0xea60"}, 65_536),
        ({"USDT": "refused", "XAUT": "0xea60"}, 60_000),
        # Never more than the most that we let a transfer use, nor less than a payment.
        ({"USDT": "0xffffff", "XAUT": "0x1"}, 120_000),
        ({"USDT": "0x1", "XAUT": "0x2"}, 21_000),
        ({"USDT": "refused", "XAUT": "refused"}, 65_000),
    ],
)
def test_a_transfer_is_the_dearest_token_paid_to_a_stranger(node, wallets, told, expected):
    for asset in ("USDT", "XAUT"):
        WalletAsset.objects.create(wallet=wallets[0], asset=asset, balance_units=1)
        WalletAsset.objects.create(wallet=wallets[1], asset=asset, balance_units=9)
    tokens = {
        row.address.lower(): row.asset for row in Token.objects.filter(network="ethereum")
    }
    asked = []

    def estimate(params):
        asked.append(params[0])
        answer = told[tokens[params[0]["to"].lower()]]
        if answer == "refused":
            raise Refusal(3, "execution reverted")
        return answer

    node.answers["eth_estimateGas"] = estimate
    head = watch_head("ethereum")

    measure("ethereum", number=head.number)

    assert ChainHead.objects.get().transfer_gas == expected
    assert {one["from"] for one in asked} == {OURS_2}


def test_who_holds_no_token_asks_for_no_estimate(node, wallets):
    WalletAsset.objects.create(wallet=wallets[0], asset="USDT", balance_units=0)
    head = watch_head("ethereum")

    measure("ethereum", number=head.number)

    assert "eth_estimateGas" not in node.asked


def test_the_round_goes_on_when_a_chain_is_away_or_strange(connect, settings, caplog):
    (away,) = connect()
    (strange,) = connect(network="polygon", chain_id=137)
    (well,) = connect(network="avalanche", chain_id=43114)
    settings.RPC_URLS = {
        "ethereum": (away.url,), "polygon": (strange.url,), "avalanche": (well.url,),
    }  # fmt: skip
    away.fault = 500
    strange.answers["eth_feeHistory"] = {
        "baseFeePerGas": ["0x1"],
        "gasUsedRatio": ["x"],
        "reward": [["0x1"]],
    }

    tasks.watch_chains()

    assert list(ChainHead.objects.values_list("network", flat=True)) == ["avalanche"]
    assert "chain_away" in caplog.text


def test_an_answer_that_nobody_thought_of_holds_up_one_chain_only(connect, settings, caplog):
    (odd,) = connect()
    (well,) = connect(network="polygon", chain_id=137)
    settings.RPC_URLS = {"ethereum": (odd.url,), "polygon": (well.url,)}
    block = odd._eth_getBlockByNumber
    odd.answers["eth_getBlockByNumber"] = lambda params: block(*params) | {"timestamp": "noon"}

    tasks.watch_chains()

    assert ChainHead.objects.get(network="polygon").block_seconds == 1.0
    assert ChainHead.objects.get(network="ethereum").block_seconds == 12.0
    assert "chain_watch_failed" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_one_worker_at_a_time_looks_at_a_network(connect, settings):
    (slow,) = connect()
    (quick,) = connect(network="polygon", chain_id=137)
    settings.RPC_URLS = {"ethereum": (slow.url,), "polygon": (quick.url,)}
    slow.fault = "hang"
    first = threading.Thread(target=run_and_close, args=(tasks.watch_chains,))
    first.start()
    wait_until(lambda: slow.heard)
    slow.fault = None

    tasks.watch_chains()

    assert list(ChainHead.objects.values_list("network", flat=True)) == ["polygon"]
    first.join(20)
    tasks.watch_chains()
    assert ChainHead.objects.count() == 2


def wait_until(is_so):
    deadline = monotonic() + 10
    while not is_so():
        assert monotonic() < deadline
        sleep(0.01)


def run_and_close(call):
    try:
        call()
    finally:
        connection.close()
