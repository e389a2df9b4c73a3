"""The hosted form without a browser: from the link to the payout, and all that refuses."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from engine.payouts import errors, services
from engine.payouts.models import Freeze, Payout
from engine.payouts.states import Status
from payments import access, pages
from payments.expiry import expire_due
from payments.models import FormSession, Payment, PaymentStatus
from tests.cast import EVM, TRON, count, footprint
from tests.payments.form_cast import BANK, IBAN, MOBILE, Form

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


def written():
    """Everything that a careless page could write."""
    return footprint() | {
        table: count(table)
        for table in ("payouts_quote", "payments_formsession", "payments_paymentpayout")
    }


def policy(response):
    parts = (part.split() for part in response["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in parts}


def text_of(html):
    """What a reader reads: no tags, single spaces."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def end(payment, status, failure_code=""):
    """Let the payment's payout end as its rail would find it."""
    payment.refresh_from_db()
    step = {"network": Payout.objects.get(pk=payment.payout_id).to_network, "reference": "r"}
    services.advance(Status.SENDING, [services.Step(payment.payout_id)])
    services.advance(Status.BROADCAST, [services.Step(payment.payout_id, **step)])
    services.advance(
        status, [services.Step(payment.payout_id, failure_code=failure_code, **step)]
    )
    payment.refresh_from_db()


def run_out(payment):
    """Let the payment's time be over."""
    Payment.objects.filter(pk=payment.pk).update(
        expires_at=payment.created_at + timedelta(microseconds=1)
    )


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


# --- Once, whatever happens --------------------------------------------------------------


def test_the_second_of_two_tabs_is_shown_what_the_first_did(fill_in):
    form = fill_in("100.00", "EUR")
    first, second = (
        form.review("bank_transfer", BANK),
        form.review("stablecoin", {"address": TRON}),
    )
    form.post(first, {"act": "agree"})
    before = written()

    moved = form.post(second, {"act": "agree"})
    again = form.post(first, {"act": "agree"})

    assert (moved.status_code, moved["Location"]) == (303, form.url)
    assert again["Location"] == form.url
    page = text_of(form.read())
    assert (
        "It is on its way. This form was filled in already: the money goes to DE … 3000" in page
    )
    assert "/t/" in form.read()
    for path in (first, second, "/bank_transfer", "/stablecoin"):
        assert form.get(path)["Location"] == form.url
    assert form.post("/stablecoin", {"address": TRON})["Location"] == form.url
    assert written() == before
    assert Payout.objects.count() == 1


def test_an_expired_price_is_made_anew_and_asked_about_again(fill_in, settings):
    form = fill_in("100.00", "EUR")
    settings.HELD_QUOTE_TTL_SECONDS = 0.001
    review = form.review("bank_transfer", BANK)
    settings.HELD_QUOTE_TTL_SECONDS = 600
    page = form.read(review)
    assert "This price has expired." in page
    assert re.search(r'id="yes" hidden', page)
    before = footprint()

    moved = form.post(review, {"act": "agree"})

    assert moved.status_code == 303
    renewed = moved["Location"].removeprefix(form.url)
    assert renewed != review
    assert "The price was made anew. Nothing was sent." in text_of(form.read(renewed))
    assert footprint() == before
    assert form.post(renewed, {"act": "agree"})["Location"].startswith("/t/")


def test_a_new_price_may_be_asked_for_and_agrees_to_nothing(fill_in):
    form = fill_in("100.00", "EUR")
    review = form.review("stablecoin", {"network": "base", "address": EVM})
    before = footprint()

    moved = form.post(review, {"act": "renew"})

    assert "/review/" in moved["Location"]
    assert footprint() == before
    assert FormSession.objects.count() == 2


def test_a_stray_act_agrees_as_the_button_says(fill_in):
    """A browser that forgets which button it was has shown the price all the same."""
    form = fill_in("100.00", "EUR")

    assert form.post(form.review("bank_transfer", BANK))["Location"].startswith("/t/")


# --- Not open ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_swept", [False, True])
def test_an_expired_link_says_so_kindly(fill_in, is_swept):
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)
    run_out(form.payment)
    if is_swept:
        assert expire_due() == 1
    before = written()

    page = text_of(form.read())
    moved = form.post(review, {"act": "agree"})

    assert "This link has expired." in page
    assert "the money went back to Acme. Ask them for a new link." in page
    assert moved["Location"] == form.url
    assert form.get("/bank_transfer")["Location"] == form.url
    assert written() == before


def test_a_payout_under_way_does_not_expire_for_its_reader(fill_in):
    form = fill_in("100.00", "EUR")
    form.agree("bank_transfer", BANK)
    run_out(form.payment)

    assert "It is on its way." in form.read()


def test_a_link_that_has_done_its_work_says_where_the_money_went(fill_in):
    form = fill_in("100.00", "EUR")
    form.agree("bank_transfer", BANK)
    end(form.payment, Status.DELIVERED)
    page = form.read()

    assert form.payment.status == PaymentStatus.SUCCEEDED
    assert "This link has done its work: the money went to DE … 3000" in text_of(page)
    assert "See how it arrived" in page
    assert IBAN.replace(" ", "") not in page


def test_what_the_recipient_can_mend_opens_the_form_again(fill_in):
    form = fill_in("50000", "XAF")
    form.agree("mobile_money", MOBILE)
    end(form.payment, Status.FAILED, "payee_not_found")
    page = text_of(form.read())

    assert form.payment.status == PaymentStatus.PENDING
    assert "The last try did not arrive. This number has no mobile-money account." in page
    assert "It should have gone to +237 … 456 (MTN Mobile Money). Your money is kept" in page
    assert "The last try did not arrive." in form.read("/mobile_money")
    assert form.agree("stablecoin", {"address": TRON}).startswith("/t/")
    assert Payout.objects.count() == 2
    end(form.payment, Status.DELIVERED)
    assert form.payment.status == PaymentStatus.SUCCEEDED


def test_an_old_review_page_pays_nothing_after_a_failure(fill_in):
    form = fill_in("50000", "XAF")
    review = form.review("mobile_money", MOBILE)
    form.post(review, {"act": "agree"})
    end(form.payment, Status.FAILED, "payee_not_found")
    before = footprint()

    moved = form.post(review, {"act": "agree"})

    assert "/review/" in moved["Location"]
    assert "Nothing was sent." in form.read(moved["Location"].removeprefix(form.url))
    assert footprint() == before


def test_what_nobody_can_mend_is_told_as_ended(fill_in):
    form = fill_in("50000", "XAF")
    form.agree("mobile_money", MOBILE)
    end(form.payment, Status.FAILED, "provider_failed")
    page = text_of(form.read())

    assert form.payment.status == PaymentStatus.FAILED
    assert "This could not be paid. The operator could not complete the transfer." in page
    assert "The money went back to Acme." in page


def test_while_payouts_are_frozen_the_form_waits(fill_in):
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)
    Freeze.objects.create(network="", reason="a test")
    before = footprint()
    response = form.post(review, {"act": "agree"})
    page = response.content.decode()

    assert (response.status_code, response["Retry-After"]) == (503, "60")
    assert "Payments are paused." in page
    assert f'href="{form.url}{review}"' in page
    assert footprint() == before
    Freeze.objects.update(lifted_at=timezone.now())
    assert form.post(review, {"act": "agree"})["Location"].startswith("/t/")


@pytest.mark.parametrize(
    ("refusal", "status", "words"),
    [
        (errors.LimitReached(), 422, "A limit is reached."),
        (errors.DestinationBlocked(), 422, "Nobody may be paid there."),
        (errors.RouteUnavailable("no"), 422, "This way cannot be paid just now."),
    ],
)
def test_what_stops_an_agreed_payment_is_told(fill_in, monkeypatch, refusal, status, words):
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)

    def refuse(*_):
        raise refusal

    monkeypatch.setattr(pages, "submit", refuse)
    response = form.post(review, {"act": "agree"})

    assert response.status_code == status
    assert words in response.content.decode()
    assert "Nothing was sent, and your money is kept for you." in response.content.decode()


# --- Going back --------------------------------------------------------------------------


def test_who_goes_back_finds_what_she_typed(fill_in):
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK | {"iban": IBAN.replace(" ", "")})
    (change,) = re.findall(r'href="([^"]+from=[^"]+)"', form.read(review))
    page = form.read(change.removeprefix(form.url))

    assert f'value="{IBAN}"' in page
    assert 'value="Ada Müller"' in page


def test_what_was_typed_is_shown_to_nobody_else(fill_in, monkeypatch):
    form, other = fill_in("100.00", "EUR"), fill_in("100.00", "EUR")
    code = form.review("bank_transfer", BANK).rpartition("/")[2]

    assert IBAN not in form.read("/bank_transfer")
    assert IBAN not in other.read(f"/bank_transfer?from={code}")
    assert IBAN in form.read(f"/bank_transfer?from={code}")
    monkeypatch.setattr(pages, "PREFILL", timedelta(0))
    assert IBAN not in form.read(f"/bank_transfer?from={code}")


def test_a_session_opens_for_its_own_payment_alone(fill_in):
    form, other = fill_in("100.00", "EUR"), fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)
    before = written()

    assert other.get(review).status_code == 404
    assert other.post(review, {"act": "agree"}).status_code == 404
    assert form.get("/review/" + "0" * 26).status_code == 404
    assert written() == before


# --- Who may, from where, how often ------------------------------------------------------


def test_a_link_is_a_secret_and_its_answers_say_so(fill_in):
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)
    answers = [
        *(form.get(path) for path in ("", "/bank_transfer", review, "/cash", "/review/x")),
        form.post("/bank_transfer", {}),
        form.post("/bank_transfer", BANK),
        form.post("", {}),
        form.post(review, {"act": "agree"}),
        form.get(),
        form.post("/bank_transfer", BANK, **{"sec-fetch-site": "cross-site"}),
    ]

    for response in answers:
        assert {name: response[name] for name in HEADERS} == HEADERS
        assert "Accept-Language" in response["Vary"]
        assert policy(response) == {
            "default-src": ["'none'"],
            "style-src": ["'self'"],
            "script-src": ["'self'"],
            "img-src": ["'self'", "data:"],
            "font-src": ["'self'"],
            "connect-src": ["'self'"],
            "form-action": ["'self'"],
            "base-uri": ["'none'"],
            "frame-ancestors": ["'none'"],
        }
        assert response.cookies == {}


def test_the_pages_have_nothing_inline(fill_in):
    form = fill_in("100.00", "EUR")
    for path in ("", "/bank_transfer", "/stablecoin", form.review("bank_transfer", BANK)):
        page = form.read(path)
        assert not re.search(r"<style| style=| on\w+=|javascript:", page)
        assert re.findall(r"<script[^>]*>", page) == ['<script src="/static/checkin.js" defer>']


def test_every_link_that_opens_nothing_gets_the_same_answer(fill_in):
    form = fill_in("100.00", "EUR")
    real = form.payment.public_id
    ids = ["x", "pay_", real.upper(), real[:-1], real + "0", "pay_" + "0" * 26, "é", "%20"]
    ids += [str(form.payment.pk), f"pay_{form.payment.pk.hex}"]
    answers = [
        ask(f"/checkin/{wrong}{path}")
        for wrong in ids
        for path in ("", "/bank_transfer", "/review/" + "0" * 26)
        for ask in (form.client.get,)
    ]
    answers += [form.client.post(f"/checkin/{wrong}/bank_transfer", BANK) for wrong in ids]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_another_site_may_not_send_the_form(fill_in):
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)
    before = written()

    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "http://testserver.evil.example"},
        {"sec-fetch-site": "cross-site", "origin": "null"},
    ):
        assert form.post(review, {"act": "agree"}, **headers).status_code == 403
        assert form.post("/bank_transfer", BANK, **headers).status_code == 403
    assert written() == before
    # What a browser sends of our own forms, under no-referrer, and an old one.
    own = {"sec-fetch-site": "same-origin", "origin": "null"}
    assert form.post("/bank_transfer", BANK, **own).status_code == 303
    assert form.post("/bank_transfer", BANK, origin="http://testserver").status_code == 303
    assert form.post(review, {"act": "agree"}).status_code == 303


def test_only_what_a_page_takes_is_taken(fill_in):
    form = fill_in("100.00", "EUR")
    for verb in ("put", "patch", "delete", "options", "trace"):
        for path in ("", "/bank_transfer", "/review/x"):
            assert getattr(form.client, verb)(form.url + path).status_code == 405
    assert form.post("").status_code == 405


def test_one_address_may_not_ask_without_end(fill_in, settings):
    settings.PAGE_RATE_LIMIT_PER_MINUTE = 3
    form = fill_in("100.00", "EUR")
    answers = [form.get() for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[3]["Retry-After"]) <= 60
    assert "Your money is kept for you" in answers[3].content.decode()
    assert form.client.get("/checkin/wrong").status_code == 429
    elsewhere = Form(Client(REMOTE_ADDR="192.0.2.2"), form.payment)
    assert elsewhere.get().status_code == 200


def test_one_payment_is_not_priced_without_end(fill_in):
    form = fill_in("100.00", "EUR")
    for _ in range(access.PROMISES_PER_MINUTE):
        form.review("bank_transfer", BANK)
    refused = form.post("/bank_transfer", BANK)

    assert refused.status_code == 429
    assert FormSession.objects.count() == access.PROMISES_PER_MINUTE
    other = fill_in("100.00", "EUR")
    assert other.review("bank_transfer", BANK)


def test_a_link_and_what_is_typed_are_never_logged(fill_in, caplog, settings):
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)
    form.post("/bank_transfer", {"holder": "", "iban": IBAN})
    form.post("")
    form.get("/review/x")
    form.post(review, {"act": "agree"}, **{"sec-fetch-site": "cross-site"})
    settings.PAGE_RATE_LIMIT_PER_MINUTE = 0
    assert form.get().status_code == 429

    for secret in (form.payment.code, review.rpartition("/")[2], IBAN, "Müller"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("currency", "path", "most"),
    [("XAF", "", 8), ("XAF", "/mobile_money", 12), ("EUR", "/stablecoin", 9)],
)
def test_a_page_costs_a_few_queries(
    fill_in, django_assert_max_num_queries, currency, path, most
):
    form = fill_in("50000" if currency == "XAF" else "100.00", currency)
    form.get(path)
    with django_assert_max_num_queries(most):
        form.get(path)


# --- Words -------------------------------------------------------------------------------


def test_the_form_speaks_the_reader_s_language(fill_in):
    form = fill_in("1234", "XAF")

    french = form.read("", **{"accept-language": "fr-FR,fr;q=0.9,en;q=0.5"})
    assert '<html lang="fr">' in french
    assert re.search("1\\s234 ", french)
    assert "Comment souhaitez-vous recevoir l’argent" in french
    assert '<html lang="en">' in form.read("", **{"accept-language": "de"})


def test_a_chosen_language_stays_until_the_end(fill_in):
    form = fill_in("100.00", "EUR")
    page = form.read("?lang=fr")
    assert f'href="{form.url}/bank_transfer?lang=fr"' in page
    details = form.read("/bank_transfer?lang=fr")
    assert f'action="{form.url}/bank_transfer?lang=fr"' in details
    moved = form.post("/bank_transfer?lang=fr", BANK)["Location"]
    assert moved.endswith("?lang=fr")
    review = form.client.get(moved).content.decode()
    assert f'action="{moved}"' in review
    assert re.search(r'href="[^"]+from=\w+&amp;lang=fr"', review)
    assert form.client.post(moved, {"act": "agree"})["Location"].endswith("?lang=fr")


def test_what_a_partner_writes_cannot_lead_astray(fill_in, acme):
    acme.name = "Ac\u202eme<b>\u200b"
    acme.save()
    form = fill_in(description="Order\u202e #1456 <script>alert(1)</script>\u200b")
    page = form.read()

    assert "\u202e" not in page
    assert "\u200b" not in page
    assert "Order #1456 &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<bdi>Acme&lt;b&gt;</bdi>" in page


def test_a_test_payment_says_that_no_money_moves(fill_in):
    form = fill_in("100.00", "EUR", livemode=False)
    for path in ("", "/bank_transfer", form.review("bank_transfer", BANK)):
        assert "no real money moves" in form.read(path)
    assert "no real money moves" not in fill_in("100.00", "EUR").read()
