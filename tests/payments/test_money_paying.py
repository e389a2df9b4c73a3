"""From a filled-in form to money that has arrived.

Goal: all that a payment holds leaves it once, and what does not arrive is a fee.
"""

from datetime import timedelta
from unittest.mock import ANY

import orjson
import pytest
from django.conf import settings
from django.utils import timezone

from engine.common.secrets import SealBroken, unseal
from engine.common.times import now_in_books
from engine.ledger.services import balance_of
from engine.payouts.models import (
    Payout,
)
from engine.webhooks.models import Message
from payments.door import describe
from payments.models import FormSession
from payments.opening import is_open
from payments.payees import Payee
from payments.services import submit
from payments.sessions import details_of, review_of
from tests.cast import footprint
from tests.payments.till import (
    BANK,
    MOMO,
    OTHER_WALLET,
    WALLET,
    again,
    available,
    fill,
    in_books,
    pay,
    set_rates,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("books_are_true"),
]


# --- What a review promises --------------------------------------------------------------


def test_a_review_of_mobile_money_takes_the_fees_out_of_the_amount(till):
    payment = till.create_francs()

    review = review_of(fill(payment, MOMO, method="mobile_money", number="670006789"))

    # 9,950 + 30 (0.3 %, rounded up) + 20 (0.2 %) are 10,000; 9,951 would take 10,001.
    assert (review.pays_units, review.pays_currency) == (10_000, "XAF")
    assert (review.arrives_units, review.arrives_asset) == (9_950, "XAF")
    assert (review.fee_units, review.fee_asset) == (50, "XAF")
    assert review.rate is None
    assert (review.network, review.destination) == ("mtn_momo", "+237670006789")
    assert review.method == "mobile_money"
    assert review.seconds == 30


def test_a_review_of_a_stablecoin_tells_the_rate_its_source_and_its_time(till):
    payment = till.create()

    review = review_of(fill(payment, WALLET))

    # 100 EUR at 1.10, less 0.5 %, are 109.45 USDT. Of these 0.90 go to Tron, 0.10 and
    # 0.25 % to the house: 1.273625 in all.
    assert review.rate.text == "1 EUR = 1.0945 USDT"
    assert review.rate.source == "tests"
    assert timezone.now() - review.rate.as_of < timedelta(minutes=1)
    assert (review.arrives_units, review.arrives_asset) == (108_176_375, "USDT")
    assert (review.fee_units, review.fee_asset) == (1_273_625, "USDT")
    assert review.pays_units == 10_000


def test_a_review_of_a_bank_transfer_names_the_holder_as_the_bank_will(till):
    review = review_of(
        fill(till.create(), Payee("sepa", "EUR", BANK.destination, holder="Élodie  Müller"))
    )

    assert review.holder == "Elodie Muller"
    assert (review.arrives_units, review.fee_units) == (10_000, 0)


def test_what_was_typed_can_be_read_back_and_lies_sealed(till):
    session = fill(till.create_francs(), MOMO, number="670 00 67 89")

    assert details_of(session) == {"number": "670 00 67 89"}
    assert b"670 00" not in bytes(FormSession.objects.get(pk=session.pk).sealed_details)


def test_what_was_typed_for_one_payment_opens_in_no_other_session(till):
    one, other = (fill(till.create_francs(), MOMO, number="670006789") for _ in range(2))
    other.sealed_details = one.sealed_details

    for read in (details_of, review_of):
        with pytest.raises(SealBroken):
            read(other)


def test_filling_in_a_form_moves_nothing_and_holds_nothing(till):
    payment = till.create()
    before = {name: part for name, part in footprint().items() if name != "balances"}

    for payee in (WALLET, OTHER_WALLET, BANK):
        fill(payment, payee)

    assert {name: part for name, part in footprint().items() if name != "balances"} == before
    assert available(payment) == 10_000
    assert is_open(again(payment), now_in_books())


# --- Paid out ----------------------------------------------------------------------------


def test_mobile_money_arrives_and_the_payment_has_succeeded(till, finish):
    payment = till.create_francs()
    pay(payment, MOMO)

    assert available(payment) == 0
    assert balance_of(account_id=payment.held_account_id) == 10_000
    assert not is_open(again(payment), now_in_books())
    finish()

    payment = again(payment)
    assert (payment.status, payment.failure_code) == ("succeeded", "")
    assert payment.finished_at == Payout.objects.get(pk=payment.payout_id).finished_at
    assert balance_of(account_id=payment.held_account_id) == 0
    assert in_books("custody:mtn_momo", "XAF", till.livemode) == 9_950
    assert in_books("fees", "XAF", till.livemode) == 50
    assert till.left("XAF") == 990_000


def test_a_bank_transfer_arrives_whole_where_nothing_is_charged(till, finish):
    payment = till.create()
    pay(payment, BANK)
    finish()

    assert again(payment).status == "succeeded"
    assert in_books("custody:sepa", "EUR", till.livemode) == 10_000


def test_a_stablecoin_is_bought_at_the_rate_of_the_review(till, finish):
    payment = till.create()
    session = fill(payment, WALLET)
    # A price that moves after the review moves nothing.
    set_rates(EUR=2_000_000)
    submit(session.code, payment.pk)

    assert available(payment) == 0
    assert in_books("fx", "EUR", till.livemode) == 10_000
    assert in_books("fx", "USDT", till.livemode) == -109_450_000
    finish()

    assert again(payment).status == "succeeded"
    assert in_books("custody:tron", "USDT", till.livemode) == 108_176_375
    assert in_books("fees", "USDT", till.livemode) == 1_273_625


def test_the_message_is_owed_once_and_is_what_get_shows(till, finish):
    payment = till.create(
        currency="XAF",
        amount="10000",
        webhook_url="https://shop.example/hook",
        external_id="order-1",
        metadata={"order": 1},
    )
    pay(payment, MOMO)
    assert not Message.objects.filter(door="payments").exists()
    finish()

    payment, message = again(payment), Message.objects.get(door="payments")
    assert (
        orjson.loads(bytes(message.body))
        == describe(payment)
        == {
            "id": payment.public_id,
            "status": "succeeded",
            "url": f"{settings.ZOPAY_PUBLIC_URL}/checkin/{payment.public_id}",
            "externalId": "order-1",
            "amount": "10000",
            "currency": "XAF",
            "description": "",
            "metadata": {"order": 1},
            "createdAt": ANY,
        }
    )
    assert (message.type, message.dialect) == ("payment.succeeded", "signature")
    assert (message.subject, message.sequence) == (payment.public_id, 1)
    assert message.url == "https://shop.example/hook"
    token = unseal("payments token", bytes(message.sealed_token)).decode()
    assert token.startswith(till.token.prefix_shown)
