"""The grammar lets a partner ask for 10^18 whole tokens: more micro-dollars than a bigint."""

import pytest

from engine.common.errors import AmountInvalid
from engine.ledger.errors import InsufficientFunds
from engine.payouts.errors import LimitReached
from engine.payouts.models import Limit, Payout, Quote
from engine.rails.networks import asset_named
from tests.cast import USDT, fund

# The most that is worth no more micro-dollars than a bigint holds, in each asset's units.
MOST = {"USDT": 2**63 - 1, "XAUT": (2**63 - 1) // 4000}


@pytest.mark.parametrize("asset", list(MOST))
@pytest.mark.parametrize("livemode", [True, False])
def test_the_largest_amount_is_quoted_and_one_unit_more_is_refused(promise, livemode, asset):
    wish = {"asset": asset_named(asset), "livemode": livemode, "reachable": ("ethereum",)}

    quote = promise(units=MOST[asset], **wish)
    with pytest.raises(AmountInvalid):
        promise(units=MOST[asset] + 1, **wish)

    assert Quote.objects.get().units_sent == quote.units_sent == MOST[asset]


def test_the_largest_amount_lacks_funds_like_any_other(promise, execute):
    quote = promise(units=MOST["USDT"])

    with pytest.raises(InsufficientFunds):
        execute(quote)


def test_a_limit_holds_for_the_largest_amount(promise, execute):
    Limit.objects.create(partner=None, payout_usd_micros_max=2**63 - 2)

    with pytest.raises(LimitReached):
        execute(promise(units=MOST["USDT"]))


def test_a_day_s_limit_adds_up_past_what_a_bigint_holds(funded, promise, execute):
    fund(funded, livemode=True, units=2 * MOST["USDT"])
    Limit.objects.create(partner=None, day_usd_micros_max=2**63 - 1)
    execute(promise(units=MOST["USDT"]))

    with pytest.raises(LimitReached):
        execute(promise(units=MOST["USDT"]))


@pytest.mark.django_db(transaction=True)
def test_the_largest_amount_arrives_to_the_last_unit(funded, promise, execute, finish, books):
    fund(funded, livemode=True, units=MOST["USDT"])
    quote = promise(units=MOST["USDT"])
    execute(quote)

    finish()

    assert Payout.objects.get().status == "delivered"
    assert books("fees") == quote.units_fee
    assert books("user:ethereum:available") == 1000 * USDT
