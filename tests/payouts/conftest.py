import hashlib

import pytest

from engine.payouts import quotes, services
from engine.payouts.models import Payout
from engine.rails.networks import asset_named
from tests.cast import EVM, USDT


@pytest.fixture
def promise(funded):
    """Make a quote: 100 USDT of user-1 to an address on Ethereum, or as told."""

    def make(*, livemode=True, units=100 * USDT, to="ethereum", **changes):
        request = {
            "partner_id": funded.pk,
            "livemode": livemode,
            "fee_schedule_id": funded.fee_schedule_id,
            "door": "connect",
            "external_ref": "user-1",
            "asset": asset_named("USDT"),
            "units": units,
            "destination": EVM,
            "to_network": to,
            "reachable": ("ethereum", "polygon"),
            "digest": hashlib.sha256(f"{to} {units}".encode()).digest(),
        } | changes
        return quotes.make_quote(quotes.QuoteRequest(**request))[0]

    return make


@pytest.fixture
def execute(funded):
    """Execute a quote as the partner it was made for, or as told."""

    def run(quote, **changes):
        return services.execute_quote(
            **{
                "quote_id": quote.public_id,
                "partner_id": funded.pk,
                "livemode": quote.livemode,
                "door": "connect",
            }
            | changes
        )

    return run


@pytest.fixture
def payout(promise, execute):
    """A live payout of 100 USDT that nobody has looked at yet."""
    quote = promise()
    execute(quote)
    return Payout.objects.get(pk=quote.payout_id)


@pytest.fixture
def books(funded):
    """What an account holds, by its code; live USDT unless told otherwise."""
    from engine.ledger.services import balances
    from engine.partners.models import EndUser

    def read(code, *, livemode=True):
        user = EndUser.objects.get(partner=funded, livemode=livemode, external_ref="user-1")
        code = code.replace("user:", f"user:{user.pk}:")
        return balances(codes=[code], asset="USDT", livemode=livemode).get(code, 0)

    return read
