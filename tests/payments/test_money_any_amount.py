"""Whatever the amount, the fees and the rates: nothing is promised that is not there.

Pure arithmetic, tried with numbers that nobody would have thought of.
"""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from engine.payouts.conversions import Rate
from engine.payouts.float_quotes import fees_of
from engine.payouts.held_quotes import most_received
from engine.payouts.models import GatewayFee
from engine.rails.scales import scale_of

UNITS = st.integers(min_value=0, max_value=10**20)
POINTS = st.integers(min_value=0, max_value=10_000)
PRICES = st.integers(min_value=1, max_value=10**13)
ASSETS = st.sampled_from(["EUR", "XAF", "USD", "USDT", "XAUT"])
FEES = st.builds(
    GatewayFee,
    gateway_units=st.integers(min_value=0, max_value=10**6),
    gateway_basis_points=POINTS,
    platform_units=st.integers(min_value=0, max_value=10**6),
    platform_basis_points=POINTS,
)
RATES = st.builds(
    Rate,
    from_asset=ASSETS,
    to_asset=ASSETS,
    from_usd_micros=PRICES,
    to_usd_micros=PRICES,
    spread_basis_points=st.integers(min_value=0, max_value=9_999),
    source=st.just("tests"),
    as_of=st.just(datetime(2026, 1, 1, tzinfo=UTC)),
)


def cost(fee, units):
    return units + sum(fees_of(fee, units))


@given(FEES, UNITS)
def test_the_most_received_is_within_the_amount_and_one_more_is_not(fee, units):
    received = most_received(fee, units)

    assert 0 <= received <= units
    assert received == 0 or cost(fee, received) <= units
    assert cost(fee, received + 1) > units


def worth(units, price, asset):
    """In micro-dollars, exactly: a numerator and its denominator."""
    return units * price, 10 ** scale_of(asset)


@given(RATES, UNITS)
def test_what_a_rate_gives_is_never_worth_more_than_what_it_took(rate, units):
    changed = rate.change(units)
    given_worth, given_part = worth(units, rate.from_usd_micros, rate.from_asset)
    got_worth, got_part = worth(changed, rate.to_usd_micros, rate.to_asset)

    assert changed >= 0
    kept = 10_000 - rate.spread_basis_points
    assert got_worth * given_part * 10_000 <= given_worth * got_part * kept
    # And not less by more than the last unit.
    more_worth, _ = worth(changed + 1, rate.to_usd_micros, rate.to_asset)
    assert more_worth * given_part * 10_000 > given_worth * got_part * kept


@given(RATES, UNITS, UNITS)
def test_nobody_gains_by_changing_in_parts(rate, one, other):
    assert rate.change(one) + rate.change(other) <= rate.change(one + other)
