"""A user's deposit address on a real chain, and a stranger who pays there."""

import pytest

from engine.ledger.checks import check, listed_invariants
from engine.ledger.services import balances
from engine.payouts.deposits import watch_network
from engine.rails.deposits import deposit_address_for
from engine.rails.depths import forget_depths
from tests.cast import USDT
from tests.rails.evm.conftest import (  # noqa: F401 - a real chain
    devnets,
    keystore,
    net,
    nodes,
    program,
)
from tests.rails.test_deposits import XPUB
from zopay_site.embedded import devnet

DEPTH = 5


@pytest.fixture
def chain(net, settings):  # noqa: F811 - the fixture
    """Ethereum's lookalike, watched from its head on."""
    settings.DEPOSIT_XPUB = XPUB
    forget_depths()
    enrich(net, net.token("USDT"), net.token("XAUT"))
    # No reorganisation of these tests reaches back to that.
    net.mine(2 * DEPTH)
    watch_network("ethereum")
    return net


@pytest.fixture
def user(acme):
    from engine.partners.services import see_end_user

    return see_end_user(partner_id=acme.pk, livemode=True, external_ref="user-1")


@pytest.fixture
def address(acme, user, chain):
    return ask_for(acme, user)


def ask_for(partner, user, **changes):
    wanted = {
        "partner_id": partner.pk,
        "livemode": True,
        "end_user_id": None if user is None else user.pk,
        "asset": "USDT",
        "network": "ethereum",
    }
    return deposit_address_for(**wanted | changes).address


def enrich(chain, *tokens):
    """Give the stranger who pays something to pay with."""
    owner = chain.ask("eth_accounts")[0]
    mint = devnet.call("mint(address,uint256)", owner, 10**9 * USDT)
    devnet.mined(
        chain.url, [devnet.send(chain.url, owner, to=token, code=mint) for token in tokens]
    )


def pay(chain, to, units, *, asset="USDT", token=None):
    """A stranger sends tokens, in a block of its own; answers the receipt."""
    return devnet.mined(chain.url, [send(chain, to, units, token or chain.token(asset))])[0]


def send(chain, to, units, token=None):
    line = devnet.call("transfer(address,uint256)", to, units)
    owner = chain.ask("eth_accounts")[0]
    return devnet.send(chain.url, owner, to=token or chain.token(), code=line)


def held(user, asset="USDT", network="ethereum"):
    code = f"user:{user.pk}:{network}:available"
    return balances(codes=[code], asset=asset, livemode=True).get(code, 0)


def books_are_clean():
    return check(listed_invariants()).clean
