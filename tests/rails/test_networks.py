"""Assets and networks: the tables agree with themselves and with what is public."""

import pytest

from engine.rails.errors import AssetUnknown, NetworkUnknown
from engine.rails.networks import (
    ASSETS,
    NETWORKS,
    Family,
    asset_named,
    explorer_address_url,
    explorer_tx_url,
    network_named,
    networks_of,
)

HASH = "0x" + "ab" * 32


def test_the_networks_are_the_nine_we_promised():
    assert list(NETWORKS) == [
        "ethereum",
        "polygon",
        "arbitrum",
        "base",
        "avalanche",
        "optimism",
        "solana",
        "tron",
        "bitcoin",
    ]


@pytest.mark.parametrize("code", ["USDT", "usdt", "UsDt"])
def test_an_asset_is_named_in_any_case(code):
    assert asset_named(code).code == "USDT"


# "ẞ" and "ı" change length or letter when folded; they are no part of any code.
@pytest.mark.parametrize("code", ["", "BTC", "USD₮", "usdt ", "XAUT\x00", "uſdt"])
def test_an_unknown_asset_is_refused_by_name(code):
    with pytest.raises(AssetUnknown) as refusal:
        asset_named(code)

    assert (refusal.value.code, refusal.value.http_status) == ("asset_unknown", 422)
    assert refusal.value.details == {"known": ["USDT", "XAUT"]}


@pytest.mark.parametrize("code", ["", "ropsten", "ETH", "tron\n"])
def test_an_unknown_network_is_refused_by_name(code):
    with pytest.raises(NetworkUnknown) as refusal:
        network_named(code)

    assert refusal.value.code == "network_unknown"


def test_usdt_lives_everywhere_but_on_bitcoin():
    assert {network.code for network in networks_of(ASSETS["USDT"])} == set(NETWORKS) - {
        "bitcoin"
    }


def test_gold_lives_where_we_could_confirm_it():
    assert [network.name for network in networks_of(ASSETS["XAUT"])] == [
        "Ethereum",
        "Polygon",
        "Arbitrum",
    ]


@pytest.mark.parametrize("asset", ASSETS.values(), ids=ASSETS)
def test_an_asset_s_natural_network_takes_evm_addresses_and_carries_it(asset):
    assert asset.natural_network in asset.networks
    assert NETWORKS[asset.natural_network].family is Family.EVM
    assert asset.scale == 6


def test_nothing_is_final_before_it_is_broadcast():
    for network in NETWORKS.values():
        assert 0 <= network.broadcast_confirmations < network.final_confirmations


def test_explorer_links_are_https_and_hold_the_reference():
    assert explorer_tx_url("ethereum", HASH) == f"https://etherscan.io/tx/{HASH}"
    assert (
        explorer_tx_url("tron", "cd" * 32) == f"https://tronscan.org/#/transaction/{'cd' * 32}"
    )
    for code in NETWORKS:
        assert explorer_address_url(code, "abc").startswith("https://")


def test_a_hostile_reference_cannot_leave_its_place_in_the_link():
    assert explorer_tx_url("base", "../?a=<b>") == "https://basescan.org/tx/..%2F%3Fa%3D%3Cb%3E"
