"""A live payout on a real chain whose fees multiply after the quote: who pays the difference."""

import pytest
from django.core.management import call_command

from engine.ledger import checks, rollup
from engine.ledger.models import Movement
from engine.ledger.services import balances
from engine.payouts import network_prices
from engine.payouts.models import NetworkFee, Payout, Quote
from engine.rails import signing, tasks
from engine.rails.depths import forget_depths
from engine.rails.evm.measures import forget_measures
from engine.rails.evm.rpc import forget_chains
from engine.rails.models import DepthPolicy, HotWallet, Token
from tests.cast import EVM, USDT, drain_once
from tests.rails.evm.anvils import mine, running
from zopay_site.embedded import devnet
from zopay_site.embedded.jsonrpc import ask

pytestmark = pytest.mark.django_db
GWEI = 10**9
ROUNDS_MAX = 20


@pytest.fixture
def chain(settings, tmp_path):
    """A connected Ethereum of our own, with a furnished wallet that the signer has."""
    settings.KEYSTORE_DIR = tmp_path / "keystore"
    settings.KEYSTORE_PASSWORD = "a-password-of-the-tests-made-of-forty-characters-or-more"
    settings.SIGNER = "engine.rails.signing.KeystoreSigner"
    settings.RPC_QUORUM = 0
    settings.LOOK_UP_SECONDS = 0
    for forget in (signing.forget_signers, forget_chains, forget_measures):
        forget()
    DepthPolicy.objects.filter(network="ethereum").update(confirmations=3)
    forget_depths()
    with running("ethereum", wallets=[]) as (url, tokens):
        settings.RPC_URLS = {"ethereum": (url,)}
        for asset, address in tokens.items():
            Token.objects.filter(network="ethereum", asset=asset).update(address=address)
        call_command("add_wallet", network="ethereum", key_name="hot-1", create_key=True)
        devnet.furnish(url, "ethereum", wallets=[HotWallet.objects.get().address])
        mine(url, 6)
        yield url
    forget_chains()


def look():
    """One round of each of the beat's tasks that know of chains."""
    tasks.watch_chains()
    network_prices.price_networks()


def deliver(url):
    for _ in range(ROUNDS_MAX):
        drain_once()
        mine(url)
        look()
        if not Payout.objects.filter(finished_at=None).exists():
            return
    pytest.fail("the payout did not end")


def test_a_spike_is_paid_by_the_house_and_booked_to_the_wei(chain, promise, execute, books):
    look()
    quote = promise()
    promised = quote.network_fee_usd_micros
    assert promised == NetworkFee.objects.get(network="ethereum").transfer_usd_micros
    ask(chain, "anvil_setNextBlockBaseFeePerGas", hex(120 * GWEI))
    mine(chain)
    look()
    assert NetworkFee.objects.get(network="ethereum").transfer_usd_micros > 20 * promised

    execute(quote)
    deliver(chain)

    payout = Payout.objects.get()
    assert (payout.status, payout.rail) == ("delivered", "evm")
    assert Quote.objects.get().network_fee_usd_micros == promised
    token = Token.objects.get(network="ethereum", asset="USDT").address
    assert devnet.balance(chain, token, EVM) == payout.units_received == quote.units_received
    assert payout.units_sent == 100 * USDT
    assert books("fees") == quote.units_fee
    burned = devnet.GAS_WEI - int(
        ask(chain, "eth_getBalance", HotWallet.objects.get().address, "latest"), 16
    )
    booked = Movement.objects.get(reference__startswith="gas:ethereum:")
    assert booked.units == burned > 0
    assert balances(codes=["network_cost"], asset="ETH", livemode=True) == {
        "network_cost": -burned
    }
    # Worth more than the partner was asked for: the difference is the house's.
    assert burned * 3_000 * 10**6 // 10**18 > promised
    rollup.roll_up()
    report = checks.check(checks.listed_invariants())
    assert [one.invariant.name for one in report.findings if not one.clean] == []


def test_a_cancelled_send_costs_gas_too_and_the_user_gets_all_of_it_back(
    chain, promise, execute, books, settings
):
    look()
    before = books("user:ethereum:available")
    execute(promise())
    # Nothing is mined while its fee is too low, and an operator gives up waiting.
    ask(chain, "anvil_setNextBlockBaseFeePerGas", hex(120 * GWEI))
    drain_once()
    payout = Payout.objects.get()
    call_command("cancel_send", payout.public_id)
    settings.RESUBMIT_SECONDS = settings.EVM_BUMP_SECONDS = 0

    deliver(chain)

    payout.refresh_from_db()
    assert (payout.status, payout.failure_code) == ("failed", "cancelled")
    assert books("user:ethereum:available") == before
    token = Token.objects.get(network="ethereum", asset="USDT").address
    assert devnet.balance(chain, token, EVM) == 0
    burned = devnet.GAS_WEI - int(
        ask(chain, "eth_getBalance", HotWallet.objects.get().address, "latest"), 16
    )
    assert Movement.objects.get(reference__startswith="gas:ethereum:").units == burned > 0
