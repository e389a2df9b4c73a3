"""Deposits on a real chain: credited once, to whom they belong, and only at depth."""

# ruff: noqa: F811 - pytest passes fixtures by name

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.ledger.services import balances
from engine.partners.services import see_end_user
from engine.payouts import deposits, tasks
from engine.payouts.deposits import watch_deposits
from engine.payouts.models import Deposit
from engine.rails.depths import forget_depths
from engine.rails.errors import DepositsUnavailable
from engine.rails.evm import transfers_in
from engine.rails.models import Arrival, DepositWatch, DepthPolicy, Token
from engine.rails.tasks import watch_chain
from tests.cast import USDT, footprint
from tests.payouts.paying_in import (  # noqa: F401 - fixtures among them
    DEPTH,
    address,
    ask_for,
    books_are_clean,
    chain,
    devnets,
    enrich,
    held,
    keystore,
    net,
    nodes,
    pay,
    program,
    send,
    user,
)
from tests.rails.test_deposits import XPUB
from zopay_site.embedded import devnet

pytestmark = pytest.mark.django_db


def test_a_deposit_is_credited_at_its_depth_and_not_a_block_sooner(chain, user, address):
    receipt = pay(chain, address, 25 * USDT)

    for _ in range(DEPTH - 1):
        assert watch_deposits() == 0
        assert held(user) == 0
        chain.mine()
    assert watch_deposits() == 1

    assert held(user) == 25 * USDT
    deposit = Deposit.objects.get()
    index = int(receipt["logs"][0]["logIndex"], 16)
    assert deposit.reference == f"{receipt['transactionHash']}:{index}"
    assert (deposit.units, deposit.network, deposit.status, deposit.livemode) == (
        25 * USDT,
        "ethereum",
        "confirmed",
        True,
    )
    assert balances(codes=["custody:ethereum"], asset="USDT", livemode=True) == {
        "custody:ethereum": -25 * USDT
    }
    assert books_are_clean()


def test_looking_again_credits_nothing_again(chain, user, address):
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)
    watch_deposits()
    before = footprint()

    for _ in range(3):
        assert watch_deposits() == 0
        chain.mine()

    assert footprint() == before
    assert Arrival.objects.get().state == "credited"


def test_two_transfers_of_one_block_are_two_deposits(chain, user, address):
    receipts = devnet.mined(chain.url, [send(chain, address, n * USDT) for n in (2, 3, 4)])
    assert len({receipt["blockHash"] for receipt in receipts}) == 1
    chain.mine(DEPTH)

    assert watch_deposits() == 3

    assert held(user) == 9 * USDT
    assert sorted(Deposit.objects.values_list("units", flat=True)) == [
        2 * USDT,
        3 * USDT,
        4 * USDT,
    ]


def test_the_largest_depth_of_the_network_decides_for_all(chain, user, address):
    DepthPolicy.objects.create(
        network="ethereum", asset="USDT", units_min=1000 * USDT, confirmations=12
    )
    forget_depths()
    pay(chain, address, USDT)
    chain.mine(DEPTH + 5)
    assert watch_deposits() == 0
    chain.mine()
    assert watch_deposits() == 1


def test_another_asset_at_the_same_address_is_credited_too(chain, user, address):
    pay(chain, address, 7, asset="XAUT")
    chain.mine(DEPTH)

    assert watch_deposits() == 1

    assert (held(user), held(user, "XAUT")) == (0, 7)


def test_a_token_that_only_calls_itself_so_pays_nobody(chain, user, address):
    owner = chain.ask("eth_accounts")[0]
    listed = Token.objects.get(network="ethereum", asset="USDT")
    false = devnet.mined(
        chain.url, [devnet.send(chain.url, owner, code=devnet._creation("USDT"))]
    )[0]["contractAddress"]
    enrich(chain, false)
    before = footprint()
    receipt = pay(chain, address, 1_000_000 * USDT, token=false)
    assert receipt["logs"][0]["address"].lower() == false.lower() != listed.address.lower()
    chain.mine(DEPTH)

    assert watch_deposits() == 0

    assert footprint() == before
    assert Arrival.objects.count() == 0


def test_nothing_is_no_deposit(chain, user, address):
    pay(chain, address, 0)
    chain.mine(DEPTH)

    assert watch_deposits() == 0
    assert Deposit.objects.count() == 0


def test_a_stranger_s_address_is_nobody_s_deposit(chain, user, address):
    pay(chain, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", 25 * USDT)
    chain.mine(DEPTH)

    assert watch_deposits() == 0
    assert Deposit.objects.count() == 0


def test_the_treasury_s_deposit_is_the_partner_s_and_is_seen(chain, acme, user):
    treasury = ask_for(acme, None)
    pay(chain, treasury, 30 * USDT)
    chain.mine(DEPTH)

    assert watch_deposits() == 1

    code = f"partner:{acme.pk.hex}:ethereum:available"
    assert balances(codes=[code], asset="USDT", livemode=True) == {code: 30 * USDT}
    assert Arrival.objects.get().state == "treasury"
    assert (Deposit.objects.count(), held(user)) == (0, 0)
    assert books_are_clean()


def test_everybody_is_credited_their_own(chain, acme, other, user):
    stranger = see_end_user(partner_id=other.pk, livemode=True, external_ref="user-1")
    for owner, each, units in [(acme, user, 11), (other, stranger, 22), (acme, user, 33)]:
        pay(chain, ask_for(owner, each), units)
    chain.mine(DEPTH)

    assert watch_deposits() == 3

    assert (held(user), held(stranger)) == (44, 22)


def test_what_arrives_before_the_watcher_s_first_round_is_credited(net, settings, acme, user):
    """Whoever connected the network has begun the search, so addresses are given at once."""
    settings.DEPOSIT_XPUB = XPUB
    enrich(net, net.token())
    net.mine(2 * DEPTH)
    pay(net, ask_for(acme, user), 25 * USDT)
    net.mine(DEPTH)

    assert watch_deposits() == 1

    assert held(user) == 25 * USDT


def test_no_address_is_given_before_the_search_has_begun(net, settings, acme, user):
    settings.DEPOSIT_XPUB = XPUB
    DepositWatch.objects.all().delete()
    with pytest.raises(DepositsUnavailable):
        ask_for(acme, user)

    watch_chain("ethereum")

    assert DepositWatch.objects.get().next_block == net.number
    assert ask_for(acme, user)


def test_what_came_before_the_search_a_person_can_have_searched(chain, user, address):
    pay(chain, address, 25 * USDT)
    chain.mine()
    DepositWatch.objects.all().delete()
    watch_deposits()
    assert DepositWatch.objects.get().next_block == chain.number
    chain.mine(DEPTH)
    watch_deposits()
    assert held(user) == 0

    call_command("resume_deposits", network="ethereum", from_block=0)
    watch_deposits()
    assert held(user) == 25 * USDT


def test_an_unconnected_network_is_not_searched(settings):
    settings.RPC_URLS = {}

    assert watch_deposits() == 0
    assert DepositWatch.objects.count() == 0


def test_beat_s_task_searches(chain, user, address):
    pay(chain, address, USDT)
    chain.mine(DEPTH)

    tasks.watch_deposits()

    assert held(user) == USDT


@pytest.mark.parametrize("named_max", [2, 3])
def test_many_owners_are_credited_their_own(chain, acme, user, monkeypatch, named_max):
    """Two are too many to be named to nodes, or just not."""
    monkeypatch.setattr(deposits, "KEYS_NAMED_MAX", named_max)
    others = [
        see_end_user(partner_id=acme.pk, livemode=True, external_ref=f"user-{number}")
        for number in (2, 3)
    ]
    for units, one in enumerate([user, *others], 5):
        pay(chain, ask_for(acme, one), units)
    pay(chain, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", 25 * USDT)
    chain.mine(DEPTH)

    assert watch_deposits() == 3

    assert [held(one) for one in (user, *others)] == [5, 6, 7]


def test_a_round_reads_no_more_keys_than_it_names(chain, acme, user, monkeypatch):
    monkeypatch.setattr(deposits, "KEYS_NAMED_MAX", 1)
    for number in range(5):
        ask_for(
            acme, see_end_user(partner_id=acme.pk, livemode=True, external_ref=f"u{number}")
        )
    chain.mine(DEPTH)

    with CaptureQueriesContext(connection) as asked:
        watch_deposits()

    (reading,) = [one["sql"] for one in asked if 'FROM "rails_depositkey"' in one["sql"]]
    assert reading.endswith("LIMIT 2")


def test_many_blocks_are_searched_in_pieces(chain, user, address, monkeypatch):
    monkeypatch.setattr(transfers_in, "BLOCKS_MAX", 4)
    pay(chain, address, 3)
    chain.mine(9)
    pay(chain, address, 4)
    chain.mine(DEPTH)

    assert watch_deposits() == 2

    watch = DepositWatch.objects.get()
    assert watch.next_block == chain.number - DEPTH + 2
    assert held(user) == 7
