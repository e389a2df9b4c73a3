"""A live bridge by the house's own liquidity, over two real chains, to the last unit."""

import json
import re
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from engine.ledger.checks import check, listed_invariants
from engine.payouts import rebalancing
from engine.payouts.models import Payout
from engine.rails.models import Attempt, HouseCrossing, LiquidityMove, SignedTransaction, Slot
from tests.cast import EVM, USDT, Api, drain_once, fund
from tests.rails.evm.conftest import devnets, keystore, nodes, program  # noqa: F401
from zopay_site.embedded import devnet

pytestmark = pytest.mark.django_db(transaction=True)
# What a quote takes of 100 USDT from Polygon to Ethereum differs with the price of gas.
SENT = 100 * USDT
ROUNDS_MAX = 40


@pytest.fixture
def nets(devnets, settings):  # noqa: F811
    settings.RESUBMIT_SECONDS = 0
    return devnets("ethereum", "polygon")


@pytest.fixture
def api(acme, mint, nets):
    """Acme's user-1 holds 1,000 USDT on Polygon and nothing elsewhere."""
    fund(acme, livemode=True, network="polygon", units=1000 * USDT)
    return Api(mint(acme, livemode=True), livemode=True)


def step(nets):
    for net in nets.values():
        net.mine()
        net.watch()
    drain_once()


def run(nets, *, until):
    for _ in range(ROUNDS_MAX):
        payout = Payout.objects.get()
        if until(payout):
            return payout
        step(nets)
    pytest.fail(f"it stayed {payout} on leg {payout.leg}, waiting for {payout.waiting_for!r}")


def balances(acme):
    """The house's accounts in live USDT, and the user's on Polygon."""
    from engine.ledger.models import Account
    from engine.ledger.services import balance_of

    rows = Account.objects.filter(livemode=True, asset="USDT")
    return {row.code: balance_of(account_id=row.pk) for row in rows}


def test_it_is_paid_there_and_nothing_leaves_here(api, nets, acme):
    before = {name: net.balance(EVM) for name, net in nets.items()}
    answer = api.pay()
    payout = run(nets, until=lambda payout: payout.is_final)
    received = payout.units_received
    fee = SENT - received

    assert (payout.status, payout.rail, payout.leg) == ("delivered", "evm", 2)
    assert nets["ethereum"].balance(EVM) - before["ethereum"] == received
    assert nets["polygon"].balance(EVM) - before["polygon"] == 0
    assert list(SignedTransaction.objects.values_list("slot__wallet__network", flat=True)) == [
        "ethereum"
    ]
    assert [
        (one.leg, one.rail, one.network, one.state) for one in Attempt.objects.order_by("leg")
    ] == [(1, "house", "polygon", "done"), (2, "evm", "ethereum", "done")]

    # The books follow the money as if it had moved: of 1,000 that came in on Polygon the
    # user has 900 there and the house its fee; on Ethereum nothing is owed to anybody.
    held = balances(acme)
    assert held["custody:polygon"] == -(900 * USDT + fee)
    assert held["custody:ethereum"] == 0
    assert held["in_transit"] == 0
    assert held["fees"] == fee
    user = next(code for code in held if code.endswith(":polygon:available"))
    assert held[user] == 900 * USDT
    assert held[user.replace("available", "held")] == 0
    assert check(listed_invariants()).clean

    told = api.get(f"/payouts/{answer['id']}").json()["timeline"]
    signed = SignedTransaction.objects.get()
    assert [(line["status"], line.get("network"), line.get("tx_hash")) for line in told] == [
        ("pending", None, None),
        ("broadcast", "polygon", None),
        ("broadcast", "ethereum", signed.hash),
        ("delivered", "ethereum", signed.hash),
    ]
    assert ["explorer_url" in line for line in told] == [False, False, True, True]
    assert "house:" not in json.dumps(told)


def test_while_it_is_on_its_way_both_sides_are_accounted_for(api, nets, acme):
    api.pay()
    payout = run(nets, until=lambda payout: payout.leg == 2)
    received = payout.units_received

    held = balances(acme)
    assert held["custody:polygon"] == -(1000 * USDT - received)
    assert held["in_transit"] == -received
    assert held.get("custody:ethereum", 0) == 0
    assert check(listed_invariants()).clean
    (line,) = rebalancing.imbalances()
    assert (line.settled, line.in_flight, line.carried) == (0, received, 0)
    shown = api.get("/transactions", external_ref="user-1", type="payout").json()["data"][0]
    assert "house" not in shown.get("tx_hash", "")


def test_its_page_counts_the_blocks_and_leads_to_our_explorer(api, nets, client, settings):
    settings.ZOPAY_DEMO, settings.DEVNET_NETWORKS = True, ["ethereum", "polygon"]
    tracking = api.pay()["tracking_url"].removeprefix(settings.ZOPAY_PUBLIC_URL)
    counts, tags = [], set()
    for _ in range(ROUNDS_MAX):
        now = client.get(f"{tracking}/now")
        tags.add(now["ETag"])
        html = now.content.decode()
        if found := re.search(
            r"Sent on Ethereum, waiting for confirmations \((\d+) of 5\)", html
        ):
            counts.append(int(found[1]))
        if "Delivered on Ethereum" in html:
            break
        step(nets)

    print(counts)
    assert "Moved from Polygon to Ethereum by the house&#x27;s own liquidity" in html
    assert sorted(counts) == counts
    assert len(set(counts)) >= 3
    assert len(tags) > len(set(counts))
    link = re.search(r'href="([^"]+/devnet/ethereum/tx/0x[0-9a-f]{64})"', html)[1]
    page = client.get(link.removeprefix(settings.ZOPAY_PUBLIC_URL)).content.decode()
    shown = rebalancing.amount_of(Payout.objects.get().units_received, "USDT")
    for expected in ("Done", EVM, shown.rstrip("0"), "development chain"):
        assert expected in page


def shut_out(net):
    """The token's owner blacklists the recipient, ahead of all that waits for a block."""
    (owner, *_) = net.ask("eth_accounts")
    line = devnet.call("blacklist(address)", EVM)
    net.ask(
        "eth_sendTransaction",
        {
            "from": owner,
            "to": net.token(),
            "data": line,
            "gas": hex(100_000),
            "maxFeePerGas": hex(10**12),
            "maxPriorityFeePerGas": hex(10**12),
        },
    )


def test_what_dies_at_the_other_end_comes_back_to_the_last_unit(api, nets, acme):
    before = balances(acme)
    api.pay()
    run(nets, until=lambda _: SignedTransaction.objects.exists())
    shut_out(nets["ethereum"])
    payout = run(nets, until=lambda payout: payout.is_final)

    assert (payout.status, payout.failure_code) == ("failed", "transfer_reverted")
    after = balances(acme)
    assert {code: after[code] for code in before} == before
    assert {code for code in after if after[code] != before.get(code, 0)} == set()
    assert nets["ethereum"].balance(EVM) == 0
    assert check(listed_invariants()).clean
    assert [line.net for line in rebalancing.imbalances()] == [0]


def test_a_destination_shut_out_beforehand_is_given_up_before_anything_crossed(api, nets, acme):
    before = balances(acme)
    shut_out(nets["ethereum"])
    nets["ethereum"].mine()
    api.pay()
    payout = run(nets, until=lambda payout: payout.is_final)

    assert (payout.status, payout.failure_code) == ("failed", "destination_rejected")
    after = balances(acme)
    assert {code for code in after if after[code] != before.get(code, 0)} == set()
    assert (HouseCrossing.objects.count(), Slot.objects.count()) == (0, 0)


def test_a_destination_shut_out_between_the_legs_gets_nothing_and_all_is_back(api, nets, acme):
    before = balances(acme)
    api.pay()
    run(nets, until=lambda payout: payout.leg == 2)
    shut_out(nets["ethereum"])
    nets["ethereum"].mine()
    payout = run(nets, until=lambda payout: payout.is_final)

    assert (payout.status, payout.failure_code) == ("failed", "destination_rejected")
    assert payout.needs_review is False
    after = balances(acme)
    assert {code for code in after if after[code] != before.get(code, 0)} == set()
    assert HouseCrossing.objects.get().released_at is not None
    assert Slot.objects.count() == 0
    assert check(listed_invariants()).clean


def test_without_liquidity_it_waits_with_nothing_taken(api, nets, acme):
    from engine.rails.models import HotWallet

    HotWallet.objects.filter(network="ethereum").update(
        frozen_at="2026-01-01T00:00:00Z", frozen_why="a foreign nonce"
    )
    api.pay()
    before = balances(acme)
    for _ in range(3):
        step(nets)

    payout = Payout.objects.get()
    assert (payout.status, payout.leg) == ("pending", 1)
    assert payout.waiting_for != ""
    assert balances(acme) == before
    assert (HouseCrossing.objects.count(), Slot.objects.count()) == (0, 0)

    HotWallet.objects.update(frozen_at=None, frozen_why="")
    assert run(nets, until=lambda payout: payout.is_final).status == "delivered"


def test_what_crossed_is_to_be_carried_after_until_it_was(
    api, nets, acme, client, settings, tmp_path
):
    api.pay()
    received = run(nets, until=lambda payout: payout.is_final).units_received
    amount = rebalancing.amount_of(received, "USDT")
    advice = f"move {amount} USDT from polygon to ethereum"

    out = StringIO()
    call_command("rebalancing", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["moves"] == [
        {
            "asset": "USDT",
            "from_network": "polygon",
            "to_network": "ethereum",
            "settled": amount,
            "in_flight": "0",
            "carried": "0",
            "to_move": amount,
            "advice": advice,
        }
    ]
    by_network = {line["network"]: line for line in told["networks"] if line["asset"] == "USDT"}
    assert by_network["ethereum"]["books_say"] == "0"
    assert by_network["polygon"]["books_say"] == rebalancing.amount_of(
        1000 * USDT - received, "USDT"
    )
    out = StringIO()
    call_command("rebalancing", stdout=out)
    assert advice in out.getvalue()

    settings.STATIC_ROOT = tmp_path
    client.force_login(get_user_model().objects.create_superuser("root", password="x"))
    page = client.get("/admin/rails/housecrossing/").content.decode()
    assert advice in page
    assert f"{amount} USDT" in page

    call_command("rebalancing", "--moved", amount, "USDT", "polygon", "ethereum", "0xab")
    call_command("rebalancing", "--moved", amount, "USDT", "polygon", "ethereum", "0xab")
    (line,) = rebalancing.imbalances()
    assert (line.net, line.advice) == (0, "USDT is even between ethereum and polygon")
    assert LiquidityMove.objects.count() == 1


class TestTheList:
    """Crossings and moves either way, without chains."""

    def crossed(self, units, start, end, *, asset="USDT"):
        rebalancing.note_move(
            asset=asset,
            from_network=end,
            to_network=start,
            units=units,
            reference=f"{LiquidityMove.objects.count()}",
        )

    def test_one_way_and_back_is_even(self):
        self.crossed(5, "polygon", "ethereum")
        self.crossed(5, "ethereum", "polygon")

        assert [line.net for line in rebalancing.imbalances()] == [0]

    def test_the_larger_way_decides_the_direction(self):
        self.crossed(5, "polygon", "ethereum")
        self.crossed(8, "ethereum", "polygon")
        self.crossed(7, "arbitrum", "polygon")
        self.crossed(1, "polygon", "ethereum", asset="XAUT")

        assert [line.advice for line in rebalancing.imbalances()] == [
            "move 0.000007 USDT from arbitrum to polygon",
            "move 0.000003 USDT from ethereum to polygon",
            "move 0.000001 XAUT from polygon to ethereum",
        ]

    @pytest.mark.parametrize(
        "terms",
        [
            ("0", "USDT", "polygon", "ethereum", "a", "more than zero"),
            ("-1", "USDT", "polygon", "ethereum", "a", "decimal string"),
            ("1.0000001", "USDT", "polygon", "ethereum", "a", "6 decimals"),
            ("1", "BTC", "polygon", "ethereum", "a", "We carry"),
            ("1", "USDT", "moon", "ethereum", "a", "The networks are"),
            ("1", "USDT", "polygon", "polygon", "a", "cannot be moved"),
            ("1", "USDT", "polygon", "ethereum", " ", "a reference"),
        ],
    )
    def test_a_move_that_makes_no_sense_is_refused(self, terms):
        with pytest.raises(CommandError, match=terms[5]):
            call_command("rebalancing", "--moved", *terms[:5])
        assert LiquidityMove.objects.count() == 0

    def test_a_reference_means_one_move(self):
        call_command("rebalancing", "--moved", "1", "USDT", "polygon", "ethereum", "a")
        with pytest.raises(CommandError, match="noted before"):
            call_command("rebalancing", "--moved", "2", "USDT", "polygon", "ethereum", "a")

        assert LiquidityMove.objects.get().units == USDT
