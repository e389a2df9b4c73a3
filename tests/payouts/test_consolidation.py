"""Sweeps on a real chain: every token arrives once, whoever dies, and gas is booked."""

# ruff: noqa: F811 - pytest passes fixtures by name

from io import StringIO

import pytest
import rlp
from django.core.management import CommandError, call_command

from engine.ledger.services import balances
from engine.payouts import consolidation
from engine.payouts.consolidation import Halted, consolidate, drive
from engine.payouts.deposits import watch_deposits
from engine.payouts.models import Freeze
from engine.rails.models import HotWallet, SignedTransaction, Slot
from engine.rails.signing import create_deposit_account, forget_signers
from tests.cast import USDT, count
from tests.payouts.paying_in import (  # noqa: F401 - fixtures among them
    DEPTH,
    ask_for,
    books_are_clean,
    chain,
    devnets,
    keystore,
    net,
    nodes,
    pay,
    program,
    user,
)
from tests.payouts.sweeping import (  # noqa: F401 - fixtures among them
    NEEDED,
    in_hot_wallets,
    kinds,
    paid,
    run,
    settle,
    states,
)
from tests.rails.evm.nodes import Refusal
from tests.rails.evm.play import Mirror

pytestmark = pytest.mark.django_db


def test_tokens_go_to_a_hot_wallet_and_nothing_is_left(chain, paid):
    before = in_hot_wallets(chain)
    poorest = HotWallet.objects.order_by("assets__balance_units", "pk").first()

    first = consolidate(**NEEDED)
    assert states(first) == ["needs gas", "needs gas", "small"]
    assert (first.gas_sent, first.swept) == (2, 0)
    settle(chain)
    then = consolidate(**NEEDED)
    assert (then.gas_sent, then.swept) == (0, 2)
    assert states(then) == ["ready", "ready", "small"]
    settle(chain)

    assert [chain.balance(one) for one in paid] == [0, 0, 3 * USDT]
    assert in_hot_wallets(chain) == before + 65 * USDT
    assert kinds() == ["consolidation", "consolidation", "gas", "gas"]
    assert {slot.destination for slot in Slot.objects.filter(kind="consolidation")} == {
        poorest.address
    }
    assert then.to == poorest


class RollUp(Mirror):
    """Takes Ethereum's part of the fee inside the gas limit, as ArbOS does."""

    part = 900

    def _result(self, call):
        if call["method"] == "eth_sendRawTransaction":
            gas = int.from_bytes(rlp.decode(bytes.fromhex(call["params"][0][4:]))[4], "big")
            if gas < 21_000 + self.part:
                raise Refusal(-32000, "intrinsic gas too low")
        answer = super()._result(call)
        if call["method"] == "eth_estimateGas":
            return hex(int(answer, 16) + self.part)
        return answer


def test_gas_is_sent_where_a_plain_payment_takes_more_than_on_ethereum(chain, paid, settings):
    before = in_hot_wallets(chain)
    with RollUp(chain) as node:
        settings.RPC_URLS = {"ethereum": (node.url,)}

        run(chain)

    assert in_hot_wallets(chain) == before + 65 * USDT
    limits = Slot.objects.filter(kind="gas").values_list("gas_limit", flat=True)
    assert list(limits) == [21_900 * 130 // 100] * 2


def test_a_mad_count_of_gas_empties_no_wallet(chain, paid, settings):
    with Mirror(chain) as sane, RollUp(chain) as mad:
        mad.part = 10**12
        settings.RPC_URLS = {"ethereum": (sane.url, mad.url)}

        assert consolidate(**NEEDED).gas_sent == 2

    limits = Slot.objects.filter(kind="gas").values_list("gas_limit", flat=True)
    assert list(limits) == [1_000_000] * 2


def test_a_second_run_moves_nothing(chain, paid):
    run(chain)
    slots, held = count("rails_slot"), in_hot_wallets(chain)

    run(chain)

    assert (count("rails_slot"), in_hot_wallets(chain)) == (slots, held)


def test_what_comes_later_is_swept_with_the_gas_that_is_left(chain, paid):
    run(chain)
    pay(chain, paid[0], 50 * USDT)
    chain.mine(DEPTH)
    watch_deposits()
    before = in_hot_wallets(chain)

    run(chain)

    assert in_hot_wallets(chain) == before + 50 * USDT
    wallet = HotWallet.objects.get(address=paid[0])
    assert wallet.next_nonce == 2


def test_all_gas_is_booked_once_and_the_books_say_what_the_chain_says(chain, paid):
    before = native_of_the_house(chain, paid)

    run(chain)
    drive("ethereum")

    burned = before - native_of_the_house(chain, paid)
    assert burned > 0
    assert balances(codes=["network_cost"], asset="ETH", livemode=True) == {
        "network_cost": -burned
    }
    assert balances(codes=["custody:ethereum"], asset="ETH", livemode=True) == {
        "custody:ethereum": burned
    }
    assert sum(Slot.objects.values_list("spent_wei", flat=True)) == burned
    assert books_are_clean()


def native_of_the_house(chain, paid):
    hot = HotWallet.objects.filter(purpose="payouts").values_list("address", flat=True)
    return sum(int(chain.ask("eth_getBalance", one, "latest"), 16) for one in {*hot, *paid})


def test_gas_of_a_slot_that_was_closed_before_it_was_booked_is_booked_later(
    chain, paid, monkeypatch
):
    consolidate(**NEEDED)
    drive("ethereum")
    chain.mine(DEPTH)
    with monkeypatch.context() as patched:
        patched.setattr(consolidation, "_book_gas", lambda _network: 0)
        assert drive("ethereum") == 0
    assert balances(codes=["network_cost"], asset="ETH", livemode=True) == {}

    drive("ethereum")

    spent = sum(Slot.objects.values_list("spent_wei", flat=True))
    assert balances(codes=["network_cost"], asset="ETH", livemode=True) == {
        "network_cost": -spent
    }


def test_the_minimum_is_exact(chain, paid):
    done = consolidate(**NEEDED | {"units_min": 25 * USDT}, is_dry=True)
    assert states(done) == ["needs gas", "needs gas", "small"]
    done = consolidate(**NEEDED | {"units_min": 25 * USDT + 1}, is_dry=True)
    assert states(done) == ["small", "needs gas", "small"]


def test_a_dry_run_changes_nothing(chain, paid):
    wallets = count("rails_hotwallet")

    done = consolidate(**NEEDED, is_dry=True)

    assert [one.units for one in done.sweeps] == [25 * USDT, 40 * USDT, 3 * USDT]
    assert (count("rails_slot"), count("rails_hotwallet")) == (0, wallets)


def test_an_address_where_nothing_was_credited_is_left_alone(chain, acme, paid, user):
    from engine.partners.services import see_end_user

    third = see_end_user(partner_id=acme.pk, livemode=True, external_ref="user-3")
    pay(chain, ask_for(acme, third), 99 * USDT)

    assert len(consolidate(**NEEDED, is_dry=True).sweeps) == 3


def test_the_signer_s_key_must_be_the_address_s(chain, paid, settings):
    (settings.KEYSTORE_DIR / "deposits.json").unlink()
    create_deposit_account()
    forget_signers()

    done = consolidate(**NEEDED)

    assert states(done) == ["no key", "no key", "small"]
    assert (count("rails_slot"), HotWallet.objects.filter(purpose="deposits").count()) == (0, 0)


@pytest.mark.parametrize("network", ["", "ethereum"])
def test_a_freeze_stops_sweeps_and_their_signing(chain, paid, network):
    consolidate(**NEEDED)
    Freeze.objects.create(network=network, reason="a test")

    with pytest.raises(Halted):
        consolidate(**NEEDED)
    assert drive("ethereum") == 2
    assert SignedTransaction.objects.count() == 0


def test_a_token_that_blocks_an_address_costs_no_gas(chain, paid):
    from zopay_site.embedded import devnet

    owner = chain.ask("eth_accounts")[0]
    line = devnet.call("blacklist(address)", paid[0])
    devnet.mined(chain.url, [devnet.send(chain.url, owner, to=chain.token(), code=line)])

    done = consolidate(**NEEDED)

    assert states(done) == ["refused", "needs gas", "small"]
    assert Slot.objects.get().destination == paid[1]


def test_an_address_that_has_sent_before_begins_at_its_nonce(chain, paid):
    chain.ask("anvil_impersonateAccount", paid[0])
    chain.ask("anvil_setBalance", paid[0], hex(10**18))
    chain.ask("eth_sendTransaction", {"from": paid[0], "to": paid[1], "value": hex(1)})
    chain.mine()

    run(chain)

    assert Slot.objects.get(kind="consolidation", wallet__address=paid[0]).nonce == 1
    assert chain.balance(paid[0]) == 0


def test_an_address_with_something_in_the_air_is_left_alone(chain, paid):
    chain.ask("anvil_impersonateAccount", paid[0])
    chain.ask("anvil_setBalance", paid[0], hex(10**18))
    chain.ask("eth_sendTransaction", {"from": paid[0], "to": paid[1], "value": hex(1)})

    done = consolidate(**NEEDED)

    assert states(done)[0] == "strange"
    assert not HotWallet.objects.filter(address=paid[0]).exists()


def test_a_hot_wallet_without_gas_sends_none(chain, paid):
    HotWallet.objects.filter(purpose="payouts").update(gas_wei=0)

    assert consolidate(**NEEDED).gas_sent == 0
    assert count("rails_slot") == 0


def test_payouts_keep_half_of_a_lane(chain, paid):
    HotWallet.objects.filter(purpose="payouts").update(in_flight_max=2)

    assert consolidate(**NEEDED).gas_sent == 1


def test_while_gas_is_dear_nothing_is_swept(chain, paid, settings):
    settings.EVM_FEE_CEILING_WEI = 1

    assert states(consolidate(**NEEDED)) == ["dear", "dear", "small"]
    assert count("rails_slot") == 0


def test_addresses_are_not_polled_by_the_watchers(chain, paid):
    run(chain)

    lanes = HotWallet.objects.filter(purpose="deposits")
    assert [lane.is_enabled for lane in lanes] == [False, False]


# --- The command ---


@pytest.fixture
def going_on(chain, settings, monkeypatch):
    """The chain moves on while the command waits."""
    settings.DEPOSIT_WATCH_SECONDS = 0
    from engine.payouts.management.commands import consolidate as command

    monkeypatch.setattr(command, "sleep", lambda _seconds: chain.mine(DEPTH))


def test_the_command_sees_it_through(chain, paid, going_on):
    before, out = in_hot_wallets(chain), StringIO()

    call_command("consolidate", network="Ethereum", asset="usdt", stdout=out)

    assert in_hot_wallets(chain) == before + 65 * USDT
    lines = out.getvalue().splitlines()
    assert lines[0] == f"{paid[0]} 25: gas is sent to it first"
    assert f"{paid[0]} 25: it is sent now" in lines
    assert lines[-1] == "Nothing is left to move."


def test_the_command_says_when_no_wallet_can_send_gas(chain, paid, going_on):
    HotWallet.objects.filter(purpose="payouts").update(gas_wei=0)

    with pytest.raises(CommandError, match="gas to send"):
        call_command("consolidate", network="ethereum", asset="USDT")


def test_the_command_ends_when_its_time_is_up(chain, paid):
    with pytest.raises(CommandError, match="run it again"):
        call_command("consolidate", network="ethereum", asset="USDT", wait_seconds=-1)


def test_the_command_s_dry_run_only_says(chain, paid):
    out = StringIO()

    call_command("consolidate", network="ethereum", asset="USDT", dry_run=True, stdout=out)

    assert len(out.getvalue().splitlines()) == 3
    assert count("rails_slot") == 0


@pytest.mark.parametrize(
    "changes",
    [{"network": "moon"}, {"asset": "BTC"}, {"min": "-1"}, {"min": "1e3"}, {"network": "base"}],
)
def test_the_command_refuses_what_it_cannot_do(chain, paid, changes):
    with pytest.raises(CommandError):
        call_command("consolidate", **{"network": "ethereum", "asset": "USDT"} | changes)

    assert count("rails_slot") == 0
