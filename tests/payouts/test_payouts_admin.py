"""Staff see payouts and set prices; no page of theirs moves money or shows a signature."""

import pytest
from django.urls import reverse

from engine.payouts import pricing
from engine.payouts.links import tracking_url
from engine.payouts.models import AssetPrice, Payout
from tests.cast import footprint

READ_ONLY = [
    "payout", "quote", "deposit", "holding", "freeze", "fence", "break", "journal",
    "reconciliation",
]  # fmt: skip
EDITABLE = [
    "assetprice",
    "nativeprice",
    "networkfee",
    "bridgefee",
    "limit",
    "blockeddestination",
]


@pytest.mark.parametrize("model", READ_ONLY + EDITABLE)
def test_every_list_opens(admin_client, payout, model):
    assert admin_client.get(reverse(f"admin:payouts_{model}_changelist")).status_code == 200


def test_a_payout_shows_its_life_and_its_page(admin_client, payout, finish):
    finish()

    page = admin_client.get(reverse("admin:payouts_payout_change", args=[payout.pk]))

    text = page.content.decode()
    assert page.status_code == 200
    for expected in ("delivered", "100 USDT", "98.45 USDT", tracking_url(payout.pk)):
        assert expected in text


@pytest.mark.parametrize("term", ["public_id", "destination"])
def test_a_payout_is_found_by_what_partners_send(admin_client, payout, term):
    page = admin_client.get(
        reverse("admin:payouts_payout_changelist"), {"q": getattr(payout, term)}
    )

    assert payout.public_id in page.content.decode()


@pytest.mark.parametrize("search", ["pay_", "pay_zz", "qt_" + "0" * 75, "\x01", "nothing"])
def test_a_strange_search_finds_nothing_and_breaks_nothing(admin_client, payout, search):
    page = admin_client.get(reverse("admin:payouts_payout_changelist"), {"q": search})

    assert page.status_code in {200, 302, 400}
    assert payout.public_id not in page.content.decode()


def test_a_quote_s_signature_is_on_no_page(admin_client, promise):
    quote = promise()

    for name, args in (("changelist", []), ("change", [quote.pk])):
        page = admin_client.get(reverse(f"admin:payouts_quote_{name}", args=args))
        assert page.status_code == 200
        assert quote.signature not in page.content.decode()


@pytest.mark.parametrize("model", READ_ONLY)
@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_what_moves_money_cannot_be_written_even_by_a_superuser(
    admin_client, payout, model, verb
):
    args = [] if verb == "add" else [payout.pk]
    before = footprint()

    answer = admin_client.post(reverse(f"admin:payouts_{model}_{verb}", args=args), {"a": 1})

    # Rows of the other tables are not there under this key, which redirects to the list.
    assert answer.status_code in {302, 403}
    assert footprint() == before
    assert Payout.objects.count() == 1


def test_an_edited_price_holds_for_the_next_quote(admin_client):
    price = AssetPrice.objects.get(asset="USDT")
    assert pricing.price_book().assets["USDT"] == 1_000_000

    admin_client.post(
        reverse("admin:payouts_assetprice_change", args=[price.pk]),
        {"asset": "USDT", "usd_micros": 999_000, "source": "the desk", "as_of_0": "2026-11-01",
         "as_of_1": "10:00"},
    )  # fmt: skip

    assert pricing.price_book().assets["USDT"] == 999_000
