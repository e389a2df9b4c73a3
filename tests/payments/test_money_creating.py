"""A payment's money is set aside once, however often and by however many it is asked for.

Goal: no body, key or externalId makes two payments where the contract promises one, and a
refusal moves nothing.
"""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from engine.common.errors import AmountInvalid
from engine.common.times import now_in_books
from engine.ledger.errors import InsufficientFunds
from engine.ledger.services import balance_of
from engine.partners.errors import IdempotencyConflict
from engine.payouts.models import AssetPrice
from payments.amounts import read_amount, write_amount
from payments.codes import ALPHABET, is_code, new_code, parse_payment_id
from payments.errors import CurrencyNotSupported, ExternalIdConflict
from payments.models import Payment
from payments.opening import is_open
from payments.services import create_payment, expire_now
from tests.cast import footprint
from tests.payments.till import Till

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_true")]


def refused(wish, error):
    before = footprint()
    with pytest.raises(error):
        create_payment(wish)
    assert footprint() == before


def test_a_payment_holds_its_amount_and_the_float_has_as_much_less(till):
    payment, is_new = create_payment(till.wish(amount="100.00"))

    assert is_new
    assert (payment.units, payment.status) == (10_000, "pending")
    assert balance_of(account_id=payment.available_account_id) == 10_000
    assert balance_of(account_id=payment.held_account_id) == 0
    assert till.left() == 90_000
    assert payment.expires_at - payment.created_at == timedelta(days=7)
    assert is_open(payment, now_in_books())
    assert re.fullmatch(rf"pay_[{ALPHABET}]{{26}}", payment.public_id)


# --- Asked again ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "k-1"])
def test_the_same_body_with_the_same_key_or_none_is_the_same_payment(till, key):
    first, _ = create_payment(till.wish(key=key))
    before = footprint()

    second, is_new = create_payment(till.wish(key=key))

    assert (second.pk, is_new) == (first.pk, False)
    assert footprint() == before


def test_no_key_finds_the_newest_payment_of_that_body(till):
    create_payment(till.wish(key="k-1"))
    newest, _ = create_payment(till.wish(key="k-2"))

    known, is_new = create_payment(till.wish())

    assert (known.pk, is_new) == (newest.pk, False)
    assert till.left() == 80_000


def test_a_different_key_is_a_different_payment(till):
    first, _ = create_payment(till.wish(key="k-1"))
    second, is_new = create_payment(till.wish(key="k-2"))

    assert is_new
    assert second.pk != first.pk
    assert till.left() == 80_000


def test_a_key_after_none_is_a_different_payment(till):
    create_payment(till.wish())

    assert create_payment(till.wish(key="k-1"))[1]
    assert till.left() == 80_000


def test_a_key_with_another_body_is_a_conflict(till):
    create_payment(till.wish(key="k-1"))

    refused(till.wish(key="k-1", amount="100.01"), IdempotencyConflict)


@pytest.mark.parametrize("key", [None, "k-1", "k-2"])
def test_an_external_id_is_one_payment_whatever_the_key(till, key):
    first, _ = create_payment(till.wish(key="k-1", external_id="order-1"))

    known, is_new = create_payment(till.wish(key=key, external_id="order-1"))

    assert (known.pk, is_new) == (first.pk, False)
    assert till.left() == 90_000


@pytest.mark.parametrize("key", [None, "k-2"])
def test_an_external_id_with_another_body_is_a_conflict(till, key):
    create_payment(till.wish(key="k-1", external_id="order-1"))

    refused(till.wish(key=key, external_id="order-1", amount="5.00"), ExternalIdConflict)


def test_what_was_asked_once_is_the_same_for_ever_even_when_it_has_failed(till):
    first, _ = create_payment(till.wish(key="k-1"))
    assert expire_now(first.pk)
    before = footprint()

    known, is_new = create_payment(till.wish(key="k-1"))

    assert (known.pk, known.status, is_new) == (first.pk, "failed", False)
    assert footprint() == before


def test_partners_and_modes_know_nothing_of_each_other(live_till, other):
    first, _ = create_payment(live_till.wish(key="k-1", external_id="order-1"))
    theirs, is_new = create_payment(
        Till(other, livemode=True).wish(key="k-1", external_id="order-1", amount="7.00")
    )
    test, is_new_too = create_payment(
        Till(live_till.partner, livemode=False).wish(key="k-1", external_id="order-1")
    )

    assert is_new
    assert is_new_too
    assert len({first.pk, theirs.pk, test.pk}) == 3


def test_after_a_refusal_the_same_key_may_be_tried_again(till):
    refused(till.wish(key="k-1", amount="1000.01"), InsufficientFunds)
    till.give("EUR", 1)

    _, is_new = create_payment(till.wish(key="k-1", amount="1000.01"))

    assert is_new
    assert till.left() == 0


# --- Refused -------------------------------------------------------------------------------


def test_more_than_the_float_has_is_not_set_aside(till):
    refused(till.wish(amount="1000.01"), InsufficientFunds)
    assert till.left("GBP") == 0
    refused(till.wish(currency="GBP"), InsufficientFunds)
    assert not Payment.objects.exists()


def test_all_that_the_float_has_is_set_aside(till):
    create_payment(till.wish(amount="1000.00"))

    assert till.left() == 0


@pytest.mark.parametrize(
    "amount",
    ["0", "0.00", "-1", "1.001", "1,00", "1e3", "", " 1", "1\n", "01.00", "١٢", "NaN", "." , "1.",
     "9" * 40],
)  # fmt: skip
def test_an_amount_that_is_none_is_refused(till, amount):
    refused(till.wish(amount=amount), AmountInvalid)


@pytest.mark.parametrize("amount", ["100.50", "0.5"])
def test_francs_have_no_parts(till, amount):
    refused(till.wish(amount=amount, currency="XAF"), AmountInvalid)


@pytest.mark.parametrize("currency", ["USDT", "ZZZ", "eur", "", "JPY", "EUR\n", "BTC"])
def test_a_currency_that_we_do_not_keep_is_refused(till, currency):
    refused(till.wish(currency=currency), CurrencyNotSupported)


def test_a_currency_without_a_price_is_refused(till):
    AssetPrice.objects.filter(asset="EUR").delete()

    refused(till.wish(), CurrencyNotSupported)


def test_a_race_that_got_past_every_look_is_ended_by_the_table(till, monkeypatch):
    """The look and the lock are courtesy; the constraints are the guard."""
    from django.db import IntegrityError, transaction

    from payments import services

    wish = till.wish(key="k-1", external_id="order-1")
    create_payment(wish)
    before = footprint()
    monkeypatch.setattr(services, "asked_before", lambda _: None)

    for same in (
        replace(wish, key="k-1", external_id=""),
        replace(wish, key="k-2"),
    ):
        with pytest.raises(IntegrityError, match="is_used_once"), transaction.atomic():
            create_payment(same)
    assert footprint() == before

    bare = replace(wish, key=None, external_id="", fingerprint=b"x" * 32)
    create_payment(bare)
    with pytest.raises(IntegrityError, match="is_made_once"), transaction.atomic():
        create_payment(bare)


# --- Words ---------------------------------------------------------------------------------


def test_a_code_has_130_random_bits_in_letters_that_nobody_mixes_up():
    codes = {new_code() for _ in range(1000)}

    assert len(codes) == 1000
    assert all(is_code(code) for code in codes)
    assert {letter for code in codes for letter in code} == set(ALPHABET)
    assert not set("ilou") & set(ALPHABET)


@pytest.mark.parametrize(
    "text", ["", "pay_", "pay_" + "0" * 25, "pay_" + "0" * 27, "PAY_" + "0" * 26,
             "pay_" + "A" * 26, "pay_" + "0" * 26 + "\n", "0" * 26, "pay_" + "i" * 26,
             "pay_pay_" + "0" * 26, "pay_" + "٠" * 26],
)  # fmt: skip
def test_what_is_no_id_of_ours_is_none(text):
    assert parse_payment_id(text) is None


def test_an_id_of_ours_is_read_back():
    code = new_code()

    assert parse_payment_id(f"pay_{code}") == code


@pytest.mark.parametrize(
    ("text", "currency", "units", "written"),
    [
        ("10.00", "EUR", 1_000, "10.00"),
        ("10", "EUR", 1_000, "10.00"),
        ("0.07", "EUR", 7, "0.07"),
        ("5000.00", "XAF", 5_000, "5000"),
        ("5000", "XAF", 5_000, "5000"),
        ("10.000", "USD", 1_000, "10.00"),
    ],
)
def test_an_amount_is_read_and_written_in_its_currency(text, currency, units, written):
    assert read_amount(text, currency=currency) == units
    assert write_amount(units, currency=currency) == written


def test_a_uuid_for_a_key_is_as_good_as_any(till):
    assert create_payment(till.wish(key=str(uuid4())))[1]
