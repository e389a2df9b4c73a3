"""A link to an explorer is never a lie."""

import pytest

from engine.rails.explorers import explorer_url


@pytest.mark.parametrize(
    ("rail", "network", "url"),
    [
        ("evm", "ethereum", "https://etherscan.io/tx/0xab"),
        ("tron", "tron", "https://tronscan.org/#/transaction/0xab"),
        ("momo", "mtn", ""),
    ],
)
def test_a_real_send_is_shown_by_its_network_s_explorer(rail, network, url):
    assert explorer_url(rail=rail, network=network, reference="0xab") == url


def test_a_simulated_send_is_shown_by_ourselves(settings):
    settings.ZOPAY_PUBLIC_URL = "https://pay.example.com"

    assert (
        explorer_url(rail="simulated", network="ethereum", reference="0x a/b")
        == "https://pay.example.com/simulated/0x%20a%2Fb"
    )
