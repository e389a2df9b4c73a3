"""Network fees follow the chains they are paid on; a price that was promised stays."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from engine.ledger import checks, rollup
from engine.ledger.services import balances
from engine.payouts import network_prices, pricing, tasks
from engine.payouts.costs import NetworkCost, book_network_costs
from engine.payouts.errors import AmountTooSmall
from engine.payouts.models import NativePrice, NetworkFee, Payout, Quote
from engine.rails.depths import forget_depths
from engine.rails.models import ChainHead, DepthPolicy
from tests.cast import USDT

pytestmark = pytest.mark.django_db
GWEI = 10**9


@pytest.fixture(autouse=True)
def connected(settings):
    settings.RPC_URLS = {"ethereum": ("http://127.0.0.1:1",), "base": ("http://127.0.0.1:1",)}
    settings.NETWORK_FEE_MARGIN_PERCENT = 20
    network_prices._standing.clear()
    DepthPolicy.objects.filter(network="ethereum").delete()
    DepthPolicy.objects.create(network="ethereum", confirmations=65)
    DepthPolicy.objects.create(network="ethereum", units_min=10**9, confirmations=96)
    forget_depths()


def see(network="ethereum", *, age=0.0, **changes):
    """A head of `network`: 65,000 gas at 10 + 1 gwei, a block in 12 seconds."""
    fields = {
        "number": 1000,
        "hash": "0x" + "1" * 64,
        "base_fee_wei": 10 * GWEI,
        "tip_wei": 1 * GWEI,
        "transfer_gas": 65_000,
        "block_seconds": 12.0,
        "seen_at": timezone.now() - timedelta(seconds=age),
    } | changes
    return ChainHead.objects.update_or_create(network=network, defaults=fields)[0]


def fee(network="ethereum"):
    return NetworkFee.objects.get(network=network)


def test_the_fee_is_gas_times_its_price_times_the_coins_and_a_margin():
    head = see()

    assert network_prices.price_networks() == 1

    # 65,000 gas × 11 gwei = 0.000715 ETH, at 3,000 dollars 2.145, and a fifth more.
    assert fee().transfer_usd_micros == 2_574_000
    # As deep as small amounts must lie.
    assert fee().seconds == 65 * 12
    assert fee().as_of == head.seen_at


@pytest.mark.parametrize(
    ("margin", "base_fee", "tip", "gas", "expected"),
    [
        (0, 10 * GWEI, GWEI, 65_000, 2_145_000),
        (100, 10 * GWEI, GWEI, 65_000, 4_290_000),
        # Rounded up: what costs something is never promised for nothing.
        (20, 7, 0, 21_000, 1),
        (20, 0, 0, 65_000, 0),
        (20, 250 * GWEI, 2 * GWEI, 100_000, 90_720_000),
    ],
)
def test_wei_become_micro_dollars_without_losing_any(
    settings, margin, base_fee, tip, gas, expected
):
    settings.NETWORK_FEE_MARGIN_PERCENT = margin
    see(base_fee_wei=base_fee, tip_wei=tip, transfer_gas=gas)

    network_prices.price_networks()

    assert fee().transfer_usd_micros == expected


@pytest.mark.parametrize(("block_seconds", "expected"), [(0.25, 17), (0.26, 17), (12.05, 784)])
def test_the_time_to_final_is_rounded_up(block_seconds, expected):
    see(block_seconds=block_seconds)

    network_prices.price_networks()

    assert fee().seconds == expected


@pytest.mark.parametrize(
    ("percent", "age", "is_written"),
    [
        (100, 0, False),
        (101, 0, False),
        (99, 0, False),
        (102, 0, True),
        (98, 0, True),
        (100, 61, True),
    ],
)
def test_a_row_is_written_when_it_moved_or_grew_old(percent, age, is_written):
    see(base_fee_wei=10 * GWEI, tip_wei=0)
    network_prices.price_networks()
    before = fee()
    NetworkFee.objects.filter(pk=before.pk).update(
        as_of=timezone.now() - timedelta(seconds=age)
    )
    head = see(base_fee_wei=GWEI * percent // 10, tip_wei=0)

    assert network_prices.price_networks() == is_written

    assert (fee().as_of == head.seen_at) == is_written
    assert (fee().transfer_usd_micros != before.transfer_usd_micros) == (percent in {98, 102})


def test_a_quiet_chain_keeps_its_fee_true_to_the_minute():
    see(age=59)
    network_prices.price_networks()

    head = see()
    network_prices.price_networks()
    assert fee().as_of < head.seen_at

    see(seen_at=fee().as_of + timedelta(seconds=60))
    network_prices.price_networks()
    assert fee().as_of == ChainHead.objects.get().seen_at


@pytest.mark.parametrize("trouble", ["no head", "stale head", "no price"])
def test_without_a_head_or_a_price_the_fee_stands_and_is_told_of_once(trouble, caplog):
    before = NetworkFee.objects.values().get(network="ethereum")
    if trouble != "no head":
        see(age=61 if trouble == "stale head" else 0)
    if trouble == "no price":
        NativePrice.objects.filter(asset="ETH").delete()

    assert network_prices.price_networks() == 0
    assert network_prices.price_networks() == 0

    assert NetworkFee.objects.values().get(network="ethereum") == before
    assert caplog.text.count("network_fee_stands_still") == 1
    if trouble == "no price":
        NativePrice.objects.create(asset="ETH", usd_micros=3_000_000_000)
    see()
    assert network_prices.price_networks() == 1


def test_networks_that_do_not_follow_or_are_not_connected_are_left_alone():
    assert {row.network for row in NetworkFee.objects.filter(follows_chain=False)} == {
        "base",
        "optimism",
    }
    NetworkFee.objects.filter(network="ethereum").update(follows_chain=False)
    before = list(NetworkFee.objects.order_by("pk").values())
    for network in ("ethereum", "base", "polygon"):
        see(network)

    assert network_prices.price_networks() == 0

    assert list(NetworkFee.objects.order_by("pk").values()) == before


def test_a_fee_that_an_operator_wrote_meanwhile_is_not_written_over(monkeypatch):
    see()
    real = network_prices.measured

    def measured_slowly(head, **options):
        NetworkFee.objects.filter(network="ethereum").update(
            transfer_usd_micros=5, as_of=timezone.now()
        )
        return real(head, **options)

    monkeypatch.setattr(network_prices, "measured", measured_slowly)

    assert network_prices.price_networks() == 0
    assert fee().transfer_usd_micros == 5


def test_this_process_quotes_the_new_fee_at_once():
    assert pricing.price_book().networks["ethereum"].fixed_usd_micros == 1_200_000
    head = see()

    tasks.price_networks()

    hop = pricing.price_book().networks["ethereum"]
    assert (hop.fixed_usd_micros, hop.seconds, hop.as_of) == (2_574_000, 780, head.seen_at)


def test_a_coin_of_a_chain_is_nothing_that_can_be_paid_out(live_api):
    assert set(NativePrice.objects.values_list("asset", flat=True)) == {"ETH", "POL", "AVAX"}
    assert set(pricing.read_price_book().assets) == {
        *("USDT", "XAUT"),
        *("EUR", "GBP", "USD", "XAF", "XOF"),
    }

    refused = live_api.post(
        "/payouts/quote",
        {"external_ref": "user-1", "asset": "ETH", "amount": "1", "network_hint": "ethereum",
         "destination": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},
    )  # fmt: skip

    assert refused.status_code == 422
    assert refused.json()["code"] == "asset_unknown"


def test_a_spike_after_the_quote_costs_the_house_and_not_the_partner(
    promise, execute, finish, books, settings
):
    see()
    network_prices.price_networks()
    quote = promise()
    told = {"network": quote.network_fee_usd_micros, "arrives": quote.units_received}
    see(base_fee_wei=500 * GWEI)
    network_prices.price_networks()
    assert fee().transfer_usd_micros > 40 * told["network"]

    # The simulated rail carries it: what counts is what it is settled for.
    settings.RPC_URLS = {}
    execute(quote)
    finish()
    spent = 52_000 * 501 * GWEI
    book_network_costs(
        [NetworkCost(network="ethereum", asset="ETH", units=spent, hash="0x" + "a" * 64)]
    )

    payout = Payout.objects.get()
    assert payout.status == "delivered"
    assert told == {"network": 2_574_000, "arrives": payout.units_received}
    assert Quote.objects.get().network_fee_usd_micros == 2_574_000
    assert payout.units_sent == 100 * USDT == payout.units_received + quote.units_fee
    assert books("user:ethereum:held") == 0
    assert balances(codes=["network_cost"], asset="ETH", livemode=True) == {
        "network_cost": -spent
    }
    assert balances(codes=["fees"], asset="USDT", livemode=True) == {"fees": quote.units_fee}
    rollup.roll_up()
    report = checks.check(checks.listed_invariants())
    assert [one.invariant.name for one in report.findings if not one.clean] == []
    # The next one is told what it costs now.
    with pytest.raises(AmountTooSmall):
        promise()
    assert promise(units=200 * USDT).network_fee_usd_micros == fee().transfer_usd_micros


@pytest.mark.parametrize("model", ["nativeprice", "networkfee"])
def test_operators_edit_what_fees_are_made_of(admin_client, model):
    assert admin_client.get(reverse(f"admin:payouts_{model}_changelist")).status_code == 200


def test_the_list_of_fees_says_what_was_promised_and_what_was_burned(
    admin_client, promise, execute, finish, settings
):
    settings.RPC_URLS = {}
    quote = promise()
    execute(quote)
    finish()
    promise(to="polygon")
    book_network_costs(
        [
            NetworkCost(network="ethereum", asset="ETH", units=10**15, hash="0x" + "a" * 64),
            NetworkCost(network="ethereum", asset="ETH", units=10**14, hash="0x" + "b" * 64),
        ]
    )

    page = admin_client.get(reverse("admin:payouts_networkfee_changelist")).content.decode()

    # 0.0011 ETH at 3,000 dollars, against one delivered payout's fee.
    assert "3.30" in page
    assert "1.20" in page
