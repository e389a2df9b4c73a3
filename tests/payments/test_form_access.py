"""Who may open the form, from where, how often; and in which words it answers."""

import re

import pytest
from django.test import Client

from engine.payouts.models import Freeze
from payments import access
from payments.models import FormSession
from tests.payments.form_cast import BANK, IBAN, Form, policy, written

pytestmark = pytest.mark.django_db
HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
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
    caplog.set_level("INFO", logger="django.request")
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)
    form.post("/bank_transfer", {"holder": "", "iban": IBAN})
    form.post("")
    form.get("/review/x")
    form.post(review, {"act": "agree"}, **{"sec-fetch-site": "cross-site"})
    Freeze.objects.create(network="", reason="a test")
    assert form.post(review, {"act": "agree"}).status_code == 503
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
