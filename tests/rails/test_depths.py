"""How deep is deep enough, by network, asset and amount."""

from __future__ import annotations

import pytest

from engine.rails.depths import depth_needed, forget_depths, smallest_depth
from engine.rails.models import DepthPolicy

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_policies():
    DepthPolicy.objects.all().delete()


def policy(asset: str, units_min: int, confirmations: int, network: str = "ethereum") -> None:
    DepthPolicy.objects.create(
        network=network, asset=asset, units_min=units_min, confirmations=confirmations
    )
    forget_depths()


def test_without_a_row_the_networks_own_depth_counts():
    assert depth_needed("ethereum", "USDT", 1) == 65
    assert depth_needed("polygon", "USDT", 10**30) == 200
    assert smallest_depth("polygon") == 200


def test_the_largest_amount_reached_decides():
    policy("", 0, 12)
    policy("", 1_000, 30)
    policy("", 5_000, 96)
    assert [depth_needed("ethereum", "USDT", units) for units in (0, 999, 1_000, 4_999, 5_000)] == [
        12, 12, 30, 30, 96,
    ]  # fmt: skip


def test_a_row_for_the_asset_beats_one_for_any_asset_even_with_a_smaller_amount():
    policy("", 1_000, 96)
    policy("USDT", 0, 20)
    assert depth_needed("ethereum", "USDT", 5_000) == 20
    assert depth_needed("ethereum", "XAUT", 5_000) == 96


def test_an_amount_that_reaches_no_row_of_its_asset_falls_back():
    policy("USDT", 1_000, 20)
    assert depth_needed("ethereum", "USDT", 999) == 65
    policy("", 0, 40)
    assert depth_needed("ethereum", "USDT", 999) == 40


def test_a_row_of_another_network_says_nothing():
    policy("", 0, 3, network="polygon")
    assert depth_needed("ethereum", "USDT", 1) == 65


def test_the_smallest_depth_counts_what_falls_through_to_the_network():
    policy("USDT", 0, 100)
    assert smallest_depth("ethereum") == 65
    policy("", 0, 80)
    assert smallest_depth("ethereum") == 80
    policy("XAUT", 10, 7)
    assert smallest_depth("ethereum") == 7


def test_the_rows_are_read_once_in_a_few_seconds(django_assert_num_queries):
    with django_assert_num_queries(1):
        depth_needed("ethereum", "USDT", 1)
        depth_needed("polygon", "USDT", 1)
        smallest_depth("base")
