"""The form pays once, is renewed aloud, and says kindly why it does not ask."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.payouts import errors
from engine.payouts.models import Freeze, Payout
from engine.payouts.states import Status
from payments import pages
from payments.expiry import expire_due
from payments.models import FormSession, PaymentStatus
from tests.cast import EVM, TRON, footprint
from tests.payments.form_cast import BANK, IBAN, MOBILE, end, run_out, text_of, written

pytestmark = pytest.mark.django_db
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


@pytest.mark.parametrize(("is_swept", "goes"), [(False, "goes"), (True, "went")])
def test_an_expired_link_says_so_kindly_and_where_the_money_is(fill_in, is_swept, goes):
    form = fill_in("100.00", "EUR")
    review = form.review("bank_transfer", BANK)
    run_out(form.payment)
    if is_swept:
        assert expire_due() == 1
    before = written()

    page = text_of(form.read())
    moved = form.post(review, {"act": "agree"})

    assert "This link has expired." in page
    assert f"The money {goes} back to Acme: ask them for a new link." in page
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
