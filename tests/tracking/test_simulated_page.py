"""Where an explorer would be, a page of ours says what the simulated outside knows."""

import pytest

from engine.rails.models import SimulatedTransfer
from tests.cast import EVM


@pytest.fixture
def transfer(live_api, finish):
    payout = live_api.pay()
    finish()
    (*_, step) = live_api.get(f"/payouts/{payout['id']}").json()["timeline"]
    return step


def test_the_api_s_explorer_link_opens_it(client, transfer, settings):
    path = transfer["explorer_url"].removeprefix(settings.ZOPAY_PUBLIC_URL)

    page = client.get(path)

    text = page.content.decode()
    assert path == f"/simulated/{transfer['tx_hash']}"
    assert page.status_code == 200
    for expected in ("Simulated transfer", "98.45", "Ethereum", "Final", "No real money moved"):
        assert expected in text
    assert EVM not in text
    assert page["X-Robots-Tag"] == "noindex, nofollow"


def test_in_french_it_speaks_french(client, transfer):
    page = client.get(f"/simulated/{transfer['tx_hash']}?lang=fr")

    assert "Transfert simulé" in page.content.decode()


@pytest.mark.parametrize("reference", ["0x0", "x" * 200, "%27", "é"])
def test_an_unknown_reference_is_not_there(client, db, reference):
    assert client.get(f"/simulated/{reference}").status_code == 404
    assert SimulatedTransfer.objects.exists() is False


def test_it_is_for_looking(client, transfer):
    assert client.post(f"/simulated/{transfer['tx_hash']}").status_code == 405
