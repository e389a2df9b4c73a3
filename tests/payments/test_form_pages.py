"""The hosted form without a browser: from the link to the payout, and wrong answers."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.payouts.models import Payout
from payments.models import FormSession
from tests.cast import EVM, TRON
from tests.payments.form_cast import BANK, IBAN, MOBILE, policy, text_of, written

pytestmark = pytest.mark.django_db
HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
WAYS = [
    ("XAF", "mobile_money", MOBILE, "mtn_momo", "+237677123456", "XAF"),
    ("EUR", "bank_transfer", BANK, "sepa", IBAN.replace(" ", ""), "EUR"),
    ("EUR", "stablecoin", {"network": "polygon", "address": EVM}, "polygon", EVM, "USDT"),
    ("XAF", "stablecoin", {"address": TRON}, "tron", TRON, "USDT"),
]


# --- From the link to the payout ---------------------------------------------------------


@pytest.mark.parametrize(("currency", "method", "answers", "network", "to", "asset"), WAYS)
def test_every_way_leads_from_the_link_to_a_payout(
    fill_in, currency, method, answers, network, to, asset
):
    form = fill_in("50000", currency) if currency == "XAF" else fill_in("100.00", currency)
    assert f"{form.url}/{method}" in form.read()
    assert "Step 2 of 3" in form.read(f"/{method}")

    review = form.review(method, answers)
    session = FormSession.objects.get()
    assert review == f"/review/{session.code}"
    page = text_of(form.read(review))
    moved = form.post(review, {"act": "agree"})

    payout = Payout.objects.get()
    form.payment.refresh_from_db()
    assert (moved.status_code, moved["Location"][:3]) == (303, "/t/")
    assert (payout.to_network, payout.destination, payout.asset) == (network, to, asset)
    assert (form.payment.payout_id, form.payment.status) == (payout.pk, "pending")
    assert to not in page
    assert "You receive" in page
    assert form.client.get(moved["Location"]).status_code == 200


def test_the_review_says_what_arrives_the_fee_the_rate_and_when(fill_in):
    form = fill_in("100.00", "EUR")

    bank = text_of(form.read(form.review("bank_transfer", BANK)))
    for words in (
        "Acme pays you 99.80 EUR",
        "to your account DE … 3000 by SEPA transfer",
        "Your bank Commerzbank",
        "In the name of A… M…",
        "Acme pays 100.00 EUR",
        "Fee 0.20 EUR",
        "You receive 99.80 EUR",
        "When within 1 working day",
        "Receive 99.80 EUR",
    ):
        assert words in bank
    assert "Müller" not in bank
    coin = text_of(form.read(form.review("stablecoin", {"address": TRON})))
    assert re.search(
        r"Rate 1 EUR = 1\.07\d* USDT our staff(, tests)?, \d+ \w+ \d\d:\d\d UTC", coin
    )
    assert "When in about a minute" in coin


def test_the_payer_s_site_gets_the_recipient_back_with_the_payment(fill_in, acme):
    acme.redirect_hosts = ["shop.example.com"]
    acme.save()
    form = fill_in(redirect_url="https://shop.example.com/back?order=7#x")
    review = form.review("bank_transfer", BANK)

    assert policy(form.get(review))["form-action"] == ["'self'", "https://shop.example.com"]
    assert form.post(review, {"act": "agree"})["Location"] == (
        f"https://shop.example.com/back?order=7&payment_id={form.payment.public_id}#x"
    )


def test_a_host_that_was_struck_off_meanwhile_gets_nobody(fill_in, acme):
    form = fill_in(redirect_url="https://shop.example.com/back")
    review = form.review("bank_transfer", BANK)

    assert policy(form.get(review))["form-action"] == ["'self'"]
    assert form.post(review, {"act": "agree"})["Location"].startswith("/t/")


def test_where_there_is_one_way_nobody_is_asked_which(fill_in, settings):
    form = fill_in("100.00", "USD")
    from engine.payouts.models import AssetPrice

    AssetPrice.objects.update_or_create(asset="USD", defaults={"usd_micros": 1_000_000})
    moved = form.get()

    assert (moved.status_code, moved["Location"]) == (303, f"{form.url}/stablecoin")
    page = form.read("/stablecoin")
    assert "Step 1 of 2" in page
    assert "another way" not in page
    assert "Step 2 of 2" in form.read(form.review("stablecoin", {"address": TRON}))


def test_where_nothing_can_pay_the_link_says_when_to_come_back(fill_in):
    form = fill_in("100.00", "EUR")
    from engine.payouts.models import AssetPrice, GatewayFee

    GatewayFee.objects.update(is_enabled=False)
    AssetPrice.objects.update(as_of=timezone.now() - timedelta(days=3))
    response = form.get()

    assert response.status_code == 503
    assert "Your money is kept for you" in text_of(response.content.decode())
    assert form.get("/bank_transfer")["Location"] == form.url


# --- Looking changes nothing -------------------------------------------------------------


def test_ten_looks_at_every_page_change_nothing(fill_in):
    form = fill_in("50000", "XAF")
    paths = ["", "/mobile_money", "/stablecoin", form.review("mobile_money", MOBILE)]
    before = written()

    for path in paths:
        for _ in range(10):
            assert form.get(path).status_code == 200
            assert form.client.head(form.url + path).status_code == 200
    form.get(f"{paths[3]}?act=agree&renewed=1")
    form.get(f"{paths[3]}/check")

    assert written() == before


def test_a_check_while_typing_changes_nothing_and_says_what_is_wrong(fill_in):
    form = fill_in("100.00", "EUR")
    before = written()

    wrong = form.post("/bank_transfer/check", BANK | {"iban": "DE88 3704"}).json()
    right = form.post("/bank_transfer/check", BANK | {"iban": "de89370400440532013000"})

    assert list(wrong["errors"]) == ["iban"]
    assert right.json() == {
        "errors": {},
        "fields": {"holder": "Ada Müller", "iban": IBAN},
        "place": "Commerzbank",
    }
    assert {name: right[name] for name in HEADERS} == HEADERS
    assert form.post("/cash/check", BANK).json()["errors"] == {}
    assert form.get("/bank_transfer/check").status_code == 405
    assert written() == before


# --- Wrong answers -----------------------------------------------------------------------


def test_wrong_answers_are_told_beside_their_fields_and_above(fill_in):
    form = fill_in("100.00", "EUR")
    before = written()
    response = form.post(
        "/bank_transfer", {"holder": "", "iban": "DE88 3704 0044 0532 0130 00"}
    )
    page = response.content.decode()

    assert response.status_code == 422
    assert '<a href="#holder">Write the name that the account is in.</a>' in page
    assert '<a href="#iban">This IBAN has a typing error' in page
    assert page.count('aria-invalid="true"') == 2
    assert 'value="DE88 3704 0044 0532 0130 00"' in page
    for described in re.findall(r'aria-describedby="([^"]*)"', page):
        for name in described.split():
            assert f'id="{name}"' in page
    assert "<title>Something is not right yet" in page
    assert written() == before


def test_an_operator_that_cannot_be_told_is_asked_for(fill_in):
    form = fill_in("50000", "XAF")
    page = form.post("/mobile_money", MOBILE | {"number": "610123456"}).content.decode()

    assert "<details open>" in page
    assert "We cannot tell the operator" in page
    folded = form.read("/mobile_money")
    assert "<details>" in folded


def test_a_fee_larger_than_the_amount_is_told_at_the_network(fill_in):
    form = fill_in("1.00", "EUR")
    before = written()
    response = form.post("/stablecoin", {"network": "ethereum", "address": EVM})

    assert response.status_code == 422
    assert '<a href="#network">The fee of this network' in response.content.decode()
    assert written() == before
    assert form.review("stablecoin", {"network": "polygon", "address": EVM})


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"iban": "\x00", "holder": "\x00"},
        {"iban": "\ud800", "holder": "\ud800"},
        {"iban": "9" * 5000, "holder": "<script>alert(1)</script>" * 9},
        {"act": "agree", "method": "mobile_money"},
    ],
)
def test_hostile_answers_are_wrong_answers(fill_in, answers):
    form = fill_in("100.00", "EUR")
    raw = "&".join(f"{k}={v}" for k, v in answers.items())
    response = form.client.post(
        f"{form.url}/bank_transfer",
        raw.encode("utf-8", "surrogatepass"),
        content_type="application/x-www-form-urlencoded",
    )

    assert response.status_code == 422
    assert "<script>alert" not in response.content.decode()
    assert FormSession.objects.count() == 0
