"""The cheapest way the user can pay for, and honest advice about the others.

Prices here are round numbers of our own, so that every expected figure can be checked by
hand. One USDT is one dollar; ours is 0.10 + 0.5 %.
"""

from datetime import UTC, datetime

import pytest

from engine.payouts.errors import RouteUnavailable
from engine.payouts.pricing import Hop, PriceBook
from engine.payouts.routing import Wish, find_route
from tests.cast import USDT

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
NETWORK_FEES = {"ethereum": 5_000_000, "polygon": 10_000, "solana": 20_000, "tron": 900_000}


def book(**changes):
    networks = NETWORK_FEES | changes.pop("networks", {})
    return PriceBook(
        assets={"USDT": 1_000_000},
        networks={name: Hop(fee, 0, 10, AS_OF) for name, fee in networks.items()},
        bridges=changes.pop(
            "bridges",
            {
                (source, target): Hop(300_000, 10, 60, AS_OF)
                for source in networks
                for target in networks
                if source != target
            },
        ),
        schedules={1: Hop(100_000, 50, 0, AS_OF)},
    )


def wish(**changes):
    return Wish(
        **{
            "asset": "USDT",
            "units": 100 * USDT,
            "to_network": "ethereum",
            "reachable": ("ethereum", "polygon"),
            "held": {"ethereum": 1000 * USDT},
            "schedule": 1,
        }
        | changes
    )


def test_a_native_route_pays_one_transfer_and_ours():
    cost = find_route(wish(), book()).cost

    assert (cost.from_network, cost.to_network, cost.seconds) == ("ethereum", "ethereum", 10)
    assert cost.network_usd_micros == 5_000_000
    assert cost.provider_usd_micros == 0
    assert cost.zopay_usd_micros == 600_000
    assert cost.total_usd_micros == 5_600_000


def test_a_bridge_route_pays_both_transfers_and_the_bridge():
    cost = find_route(wish(held={"solana": 100 * USDT}), book()).cost

    assert (cost.from_network, cost.to_network, cost.seconds) == ("solana", "ethereum", 80)
    assert cost.network_usd_micros == 5_020_000
    assert cost.provider_usd_micros == 300_000 + 100_000
    assert cost.zopay_usd_micros == 600_000


def test_a_network_without_enough_is_no_source_however_cheap():
    held = {"ethereum": 100 * USDT, "polygon": 100 * USDT - 1}

    assert find_route(wish(held=held, to_network="ethereum"), book()).cost.from_network == (
        "ethereum"
    )


def test_a_tie_goes_to_the_destination_s_own_network():
    free = {"ethereum": 0, "polygon": 0}
    bridges = {("polygon", "ethereum"): Hop(0, 0, 60, AS_OF)}
    held = {"ethereum": 100 * USDT, "polygon": 100 * USDT}

    route = find_route(wish(held=held), book(networks=free, bridges=bridges))

    assert route.cost.from_network == "ethereum"


def test_a_user_with_too_little_gets_the_cheapest_route_and_what_is_missing():
    route = find_route(wish(to_network="polygon", held={"polygon": 30 * USDT}), book())

    assert route.cost.from_network == "polygon"
    assert route.shortfall.units_needed == 70 * USDT
    assert route.shortfall.top_up_network == "polygon"


def test_what_is_missing_is_counted_on_the_route_s_source_alone():
    route = find_route(wish(held={"tron": 99 * USDT}), book())

    assert route.cost.from_network == "ethereum"
    assert route.shortfall.units_needed == 100 * USDT


def test_receiving_elsewhere_is_recommended_when_it_really_saves():
    held = {"ethereum": 100 * USDT, "polygon": 100 * USDT}

    advice = find_route(wish(held=held), book()).recommendation

    assert (advice.network, advice.is_source) == ("polygon", False)
    assert advice.fee_usd_micros == 610_000
    assert advice.savings_usd_micros == 5_600_000 - 610_000


def test_funding_from_elsewhere_is_recommended_when_it_really_saves():
    costly = {"ethereum": 24_700_000}

    advice = find_route(
        wish(to_network="solana", reachable=("solana",)), book(networks=costly)
    ).recommendation

    assert (advice.network, advice.is_source) == ("solana", True)
    assert advice.savings_usd_micros == 24_700_000 + 300_000 + 100_000


@pytest.mark.parametrize(("fee", "is_advised"), [(19_999, False), (20_000, True)])
def test_less_than_a_cent_is_not_worth_advice(fee, is_advised):
    networks = {"ethereum": fee, "polygon": 10_000, "solana": fee, "tron": fee}
    held = {"ethereum": 100 * USDT, "polygon": 100 * USDT}

    route = find_route(wish(held=held), book(networks=networks))

    assert (route.recommendation is not None) == is_advised


def test_the_cheapest_way_needs_no_advice():
    held = {"polygon": 100 * USDT}

    assert find_route(wish(to_network="polygon", held=held), book()).recommendation is None


def test_a_network_that_is_switched_off_is_no_destination():
    prices = book()
    del prices.networks["ethereum"]

    with pytest.raises(RouteUnavailable):
        find_route(wish(), prices)


def test_a_bridge_that_is_switched_off_is_no_route():
    route = find_route(wish(held={"polygon": 100 * USDT}), book(bridges={}))

    assert route.cost.from_network == "ethereum"
    assert route.shortfall.units_needed == 100 * USDT


def test_fees_are_rounded_up_to_the_house_s_side():
    prices = book()

    assert prices.worth(asset="USDT", units=1) == 1
    assert prices.units_for(asset="USDT", usd_micros=1) == 1
    gold = PriceBook({"XAUT": 4_000_000_001}, {}, {}, {})
    assert gold.worth(asset="XAUT", units=1) == 4001
    assert gold.units_for(asset="XAUT", usd_micros=4000) == 1
    assert gold.units_for(asset="XAUT", usd_micros=4001) == 2
