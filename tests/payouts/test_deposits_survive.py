"""Deposits while the chain reorganises, workers die, and nodes lag or lie."""

# ruff: noqa: F811 - pytest passes fixtures by name

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from engine.payouts import deposits
from engine.payouts.deposits import watch_deposits, watch_network
from engine.payouts.models import Deposit
from engine.rails.depths import forget_depths
from engine.rails.evm import transfers_in
from engine.rails.models import Arrival, DepositWatch, DepthPolicy
from tests.cast import USDT, footprint
from tests.meeting import Session, wait_until_so_many_wait_for_me
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
from tests.rails.evm.nodes import Node
from zopay_site.embedded import devnet

pytestmark = pytest.mark.django_db


# --- Reorganisations ---


def test_a_reorganisation_above_the_depth_credits_once(chain, user, address):
    chain.mine(DEPTH)
    watch_deposits()
    pay(chain, address, 25 * USDT)
    chain.mine(2)
    watch_deposits()

    # Three blocks are made anew, the payment's among them; it is in none of them now.
    chain.ask("anvil_reorg", 3, [])
    chain.mine(DEPTH)
    assert watch_deposits() == 0
    assert held(user) == 0

    again = pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)
    assert watch_deposits() == 1
    assert held(user) == 25 * USDT
    assert Arrival.objects.get().tx_hash == again["transactionHash"]
    assert DepositWatch.objects.get().halted_at is None


def test_a_payment_that_a_reorganisation_moves_is_credited_once(chain, user, address):
    """It is mined behind another at first, then alone: one hash, at another log index."""
    chain.mine(DEPTH)
    watch_deposits()
    snapshot = chain.ask("evm_snapshot")
    sender = chain.ask("eth_accounts")[1]
    mint = devnet.call("mint(address,uint256)", sender, 9 * USDT)
    owner = chain.ask("eth_accounts")[0]
    devnet.mined(chain.url, [devnet.send(chain.url, owner, to=chain.token(), code=mint)])
    line = devnet.call("transfer(address,uint256)", address, 5 * USDT)
    wish = {"from": sender, "to": chain.token(), "data": line, "gas": hex(90_000)}
    before = [send(chain, address, USDT), chain.ask("eth_sendTransaction", wish)]
    first = devnet.mined(chain.url, before)
    chain.mine(2)
    watch_deposits()
    assert chain.ask("evm_revert", snapshot)
    devnet.mined(chain.url, [devnet.send(chain.url, owner, to=chain.token(), code=mint)])
    chain.mine()
    again = devnet.mined(chain.url, [chain.ask("eth_sendTransaction", wish)])
    assert again[0]["logs"][0]["logIndex"] != first[1]["logs"][0]["logIndex"]
    chain.mine(DEPTH)

    watch_deposits()
    watch_deposits()

    assert held(user) == 5 * USDT
    assert Deposit.objects.count() == 1


def halted(chain, user, address):
    """A credited deposit whose block a reorganisation deeper than the policy replaced."""
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH - 1)
    assert watch_deposits() == 1
    chain.ask("anvil_reorg", DEPTH + 1, [])
    chain.mine(2)
    before = footprint()
    assert watch_deposits() == 0
    return before


def test_a_reorganisation_deeper_than_the_policy_halts_the_network(chain, user, address):
    before = halted(chain, user, address)

    watch = DepositWatch.objects.get()
    assert watch.halted_at is not None
    assert watch.halted_why.startswith("reorganised deeper than the policy: block ")
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)
    assert watch_deposits() == 0
    # Nothing more is credited, and nothing is taken back.
    assert footprint() == before
    assert held(user) == 25 * USDT


def test_operators_are_told_once_that_a_network_is_halted(
    chain, user, address, settings, mailoutbox, django_capture_on_commit_callbacks
):
    settings.OPERATORS_EMAIL = "operators@zopay.example"

    with django_capture_on_commit_callbacks(execute=True):
        halted(chain, user, address)
        watch_deposits()

    (mail,) = mailoutbox
    assert mail.to == ["operators@zopay.example"]
    assert "ethereum" in mail.subject
    assert DepositWatch.objects.get().halted_why in mail.body


def test_what_replaced_blocks_hold_is_found_once_a_person_lets_it_go_on(chain, user, address):
    """Between the last common block and the one at which the network was halted."""
    chain.mine(DEPTH)
    watch_deposits()
    snapshot = chain.ask("evm_snapshot")
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH + 3)
    assert watch_deposits() == 1
    assert chain.ask("evm_revert", snapshot)
    pay(chain, address, 7 * USDT)
    chain.mine(DEPTH + 5)
    assert watch_deposits() == 0
    assert DepositWatch.objects.get().halted_at is not None

    call_command("resume_deposits", network="ethereum")

    assert watch_deposits() == 1
    assert held(user) == 32 * USDT
    assert watch_deposits() == 0


def test_a_halted_network_waits_though_its_chain_has_swung_back(chain, user, address):
    DepositWatch.objects.update(halted_at=timezone.now(), halted_why="a test")
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)

    assert watch_deposits() == 0
    assert held(user) == 0


@pytest.mark.django_db(transaction=True)
def test_a_network_that_is_halted_while_it_is_searched_credits_nothing(chain, user, address):
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)

    with transaction.atomic():
        watch = DepositWatch.objects.select_for_update()
        watch.update(halted_at=timezone.now(), halted_why="a test")
        other = Session(watch_deposits)
        wait_until_so_many_wait_for_me(1)

    assert other.wait() == 0
    assert held(user) == 0


def test_a_person_lets_it_go_on(chain, user, address):
    halted(chain, user, address)
    pay(chain, address, 4 * USDT)
    chain.mine(DEPTH)

    call_command("resume_deposits", network="ethereum")

    assert watch_deposits() == 1
    assert held(user) == 29 * USDT
    with pytest.raises(CommandError, match="not halted"):
        call_command("resume_deposits", network="ethereum")


@pytest.mark.parametrize("arguments", [{"network": "polygon"}, {"network": "ethereum"}])
def test_what_was_not_halted_is_not_resumed(chain, arguments):
    before = DepositWatch.objects.values().get()

    with pytest.raises(CommandError):
        call_command("resume_deposits", **arguments)

    assert DepositWatch.objects.values().get() == before


@pytest.mark.parametrize("past", [-1, 10**9])
def test_a_search_is_not_sent_where_there_is_nothing(chain, past):
    with pytest.raises(CommandError, match="from-block"):
        call_command("resume_deposits", network="ethereum", from_block=past)


def test_going_back_credits_nothing_twice(chain, user, address):
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)
    watch_deposits()
    before, reached = footprint(), DepositWatch.objects.get().next_block

    call_command("resume_deposits", network="ethereum", from_block=0)
    watch_deposits()

    assert footprint() == before
    assert Arrival.objects.count() == 1
    assert DepositWatch.objects.get().next_block == reached


def test_one_payment_in_two_blocks_is_left_to_a_person(chain, user, address, monkeypatch):
    """The same hash, in another block after a deep reorganisation, at another log index."""
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)
    watch_deposits()
    arrival = Arrival.objects.get()
    Arrival.objects.filter(pk=arrival.pk).update(block_hash="0x" + "ab" * 32, log_index=7)
    before = footprint()

    call_command("resume_deposits", network="ethereum", from_block=0)
    watch_deposits()

    assert footprint() == before
    assert sorted(Arrival.objects.values_list("state", flat=True)) == ["credited", "review"]


# --- Deaths and company ---


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["_credit", "_book", "credit_deposit", "move"])
def test_a_death_in_the_middle_is_repeated_and_credits_once(
    chain, user, acme, address, monkeypatch, place
):
    pay(chain, address, 25 * USDT)
    pay(chain, ask_for(acme, None), 30 * USDT)
    chain.mine(DEPTH)
    before, watch = footprint(), DepositWatch.objects.values().get()
    real, calls = getattr(deposits, place), []

    def dies_after(*args, **options):
        calls.append(real(*args, **options))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(deposits, place, dies_after)
        with pytest.raises(KeyboardInterrupt):
            watch_network("ethereum")

    assert len(calls) == 1
    assert footprint() == before
    assert (Arrival.objects.count(), DepositWatch.objects.values().get()) == (0, watch)
    assert watch_deposits() == 2
    assert held(user) == 25 * USDT


@pytest.mark.django_db(transaction=True)
def test_two_searchers_at_once_credit_once(chain, user, address):
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)

    with transaction.atomic():
        DepositWatch.objects.select_for_update().get()
        others = [Session(watch_deposits) for _ in range(2)]
        wait_until_so_many_wait_for_me(2)

    assert sorted(other.wait() for other in others) == [0, 1]
    assert DepositWatch.objects.get().halted_at is None
    assert held(user) == 25 * USDT
    assert Deposit.objects.count() == Arrival.objects.count() == 1


def test_a_network_that_is_away_stops_no_other(chain, user, address, settings):
    with Node(chain_id=137) as away:
        url = away.url
    settings.RPC_URLS = {"polygon": (url,), **settings.RPC_URLS}
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)

    assert watch_deposits() == 1


def test_a_network_that_breaks_stops_no_other(chain, user, address, settings):
    with Node(chain_id=137) as mad:
        mad.answers["eth_blockNumber"] = {"what": "is this"}
        settings.RPC_URLS = {"polygon": (mad.url,), **settings.RPC_URLS}
        pay(chain, address, 25 * USDT)
        chain.mine(DEPTH)

        assert watch_deposits() == 1


def test_a_node_that_is_behind_is_waited_for(chain, user, address, settings):
    """It knows the head's number and answers no logs: nothing is passed over."""
    pay(chain, address, 25 * USDT)
    chain.mine(DEPTH)
    with Node(chain_id=1, blocks=chain.number) as behind:
        behind.answers["eth_getLogs"] = []
        settings.RPC_URLS = {"ethereum": (chain.url, behind.url)}
        before = DepositWatch.objects.values().get()
        assert watch_deposits() == 0
        assert DepositWatch.objects.values().get() == before

    settings.RPC_URLS = {"ethereum": (chain.url,)}
    assert watch_deposits() == 1
    assert held(user) == 25 * USDT


def test_who_gets_an_address_while_the_head_is_asked_for_is_not_passed_over(
    chain, acme, user, monkeypatch
):
    """With one confirmation the newest block is searched, and it may pay a newer address."""
    DepthPolicy.objects.filter(network="ethereum").update(confirmations=1)
    forget_depths()
    real = transfers_in.agreed_head

    def asked_late(one):
        pay(chain, ask_for(acme, user), 25 * USDT)
        return real(one)

    monkeypatch.setattr(transfers_in, "agreed_head", asked_late)

    assert watch_deposits() == 1
    assert held(user) == 25 * USDT
