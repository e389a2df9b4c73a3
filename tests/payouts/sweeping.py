"""Deposits that lie at their addresses on a real chain, and rounds that sweep them."""

import pytest

from engine.payouts.consolidation import consolidate, drive
from engine.payouts.deposits import watch_deposits
from engine.rails.models import HotWallet, Slot
from engine.rails.signing import create_deposit_account, forget_signers
from tests.cast import USDT
from tests.payouts.paying_in import DEPTH, ask_for, pay

NEEDED = {"network": "ethereum", "asset": "USDT", "units_min": 10 * USDT}


@pytest.fixture
def paid(chain, acme, user, settings):
    """Two addresses with 25 and 40 USDT, credited; one more with 3."""
    (settings.KEYSTORE_DIR / "deposits.json").unlink()
    forget_signers()
    settings.DEPOSIT_XPUB = create_deposit_account()
    addresses = [ask_for(acme, user), ask_for(acme, None), ask_for(acme, second(acme))]
    for one, amount in zip(addresses, (25, 40, 3), strict=True):
        pay(chain, one, amount * USDT)
    chain.mine(DEPTH)
    assert watch_deposits() == 3
    chain.watch()
    return addresses


def second(partner):
    from engine.partners.services import see_end_user

    return see_end_user(partner_id=partner.pk, livemode=True, external_ref="user-2")


def settle(chain):
    """Let the chain go on until nothing is open."""
    for _ in range(4):
        still = drive("ethereum")
        chain.mine(DEPTH)
        if not still:
            return
    pytest.fail("a slot stayed open")


def in_hot_wallets(chain):
    wallets = HotWallet.objects.filter(network="ethereum", purpose="payouts")
    return sum(chain.balance(wallet.address) for wallet in wallets)


def run(chain):
    """Two rounds, as the command makes them, each to its end."""
    for _ in range(2):
        consolidate(**NEEDED)
        settle(chain)


def kinds():
    return sorted(Slot.objects.values_list("kind", flat=True))


def states(done):
    return [one.state for one in done.sweeps]
