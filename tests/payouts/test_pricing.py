"""Prices are rows; a quote sees an edit soon, and never a network that is switched off."""

import pytest

from engine.payouts import pricing
from engine.payouts.errors import RouteUnavailable
from engine.payouts.models import AssetPrice, BridgeFee, NetworkFee

pytestmark = pytest.mark.django_db


def test_every_network_an_asset_lives_on_has_a_price_and_a_bridge():
    from engine.rails.networks import ASSETS

    book = pricing.read_price_book()

    for asset in ASSETS.values():
        assert asset.code in book.assets
        for source in asset.networks:
            assert source in book.networks
            for target in asset.networks:
                assert source == target or (source, target) in book.bridges


def test_an_edit_is_seen_within_the_time_prices_are_cached(settings, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(pricing, "monotonic", lambda: now[0])
    settings.PRICE_CACHE_SECONDS = 2
    assert pricing.price_book().assets["USDT"] == 1_000_000
    AssetPrice.objects.filter(asset="USDT").update(usd_micros=990_000)

    now[0] += 1.9
    assert pricing.price_book().assets["USDT"] == 1_000_000
    now[0] += 0.2
    assert pricing.price_book().assets["USDT"] == 990_000


def test_prices_that_are_cached_cost_no_statement(django_assert_num_queries):
    pricing.price_book()

    with django_assert_num_queries(0):
        pricing.price_book()


def test_what_is_switched_off_is_not_in_the_book():
    NetworkFee.objects.filter(network="tron").update(is_enabled=False)
    BridgeFee.objects.filter(to_network="polygon").update(is_enabled=False)

    book = pricing.read_price_book()

    assert "tron" not in book.networks
    assert ("ethereum", "polygon") not in book.bridges


def test_an_asset_without_a_price_has_no_route(promise):
    AssetPrice.objects.filter(asset="USDT").delete()
    pricing.forget_prices()

    with pytest.raises(RouteUnavailable):
        promise()
