"""A payout that fails brings everything back, to the payment or to the float.

Goal: which of the two is decided by its reason alone; nothing is lost or gained on the way.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.common.times import now_in_books
from engine.payouts import services
from engine.payouts.models import (
    Conversion,
    Payout,
)
from engine.payouts.states import Status
from engine.webhooks.models import Message
from payments.door import PAYMENTS, describe, mend_url, payment_url
from payments.models import Payment, PaymentPayout
from payments.opening import is_open
from tests.payments.till import (
    BANK,
    FAILS,
    MOMO,
    NO_ACCOUNT,
    OTHER_WALLET,
    WALLET,
    again,
    available,
    fail,
    in_books,
    pay,
    set_rates,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("books_are_true"),
]


def test_a_number_without_an_account_opens_the_form_again_with_the_funds_held(till, finish):
    payment = till.create_francs()
    Payment.objects.filter(pk=payment.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    first = pay(payment, NO_ACCOUNT).payout_id
    finish()

    payment = again(payment)
    assert Payout.objects.get(pk=first).failure_code == "payee_not_found"
    assert (payment.status, payment.payout_id) == ("pending", first)
    assert is_open(payment, now_in_books())
    assert payment.expires_at - Payout.objects.get(pk=first).finished_at == timedelta(days=7)
    assert available(payment) == 10_000
    assert till.left("XAF") == 990_000
    assert not Message.objects.filter(door="payments").exists()
    assert mend_url(first) == PAYMENTS.mend_url(first) == payment_url(payment)

    pay(payment, MOMO)
    assert mend_url(first) == ""
    finish()

    payment = again(payment)
    assert payment.status == "succeeded"
    assert list(PaymentPayout.objects.values_list("number", "payout_id")) == [
        (1, first),
        (2, payment.payout_id),
    ]
    assert Message.objects.filter(door="payments").count() == 1


def test_a_failure_that_nobody_can_mend_fails_the_payment_and_refunds_the_float(till, finish):
    payment = till.create_francs()
    pay(payment, FAILS)
    finish()

    payment = again(payment)
    assert (payment.status, payment.failure_code) == ("failed", "provider_failed")
    assert available(payment) == 0
    assert till.left("XAF") == 1_000_000
    assert Message.objects.get(door="payments").type == "payment.failed"
    assert describe(payment)["failure"] == {
        "code": "provider_failed",
        "message": "The operator failed the transfer for a reason that we do not know. The"
        " funds are back.",
        "retryable": False,
    }
    assert mend_url(payment.payout_id) == ""


def test_a_conversion_is_undone_unit_for_unit_when_its_payout_fails(till):
    payment = till.create()
    pay(payment, WALLET)
    # Nobody gets his own money back at another day's rate.
    set_rates(EUR=2_000_000)
    fail(payment, "destination_rejected")

    assert is_open(again(payment), now_in_books())
    assert available(payment) == 10_000
    assert in_books("fx", "EUR", till.livemode) == 0
    assert in_books("fx", "USDT", till.livemode) == 0
    name = f"payment:{payment.pk.hex}"
    assert in_books(f"{name}:available", "USDT", till.livemode) == 0
    assert in_books(f"{name}:held", "USDT", till.livemode) == 0


def test_a_payment_may_be_changed_three_times_and_ends_as_it_would_have_at_once(till, finish):
    payment = till.create()
    for payee in (WALLET, OTHER_WALLET, WALLET):
        pay(payment, payee)
        fail(payment, "transfer_reverted")
    pay(payment, BANK)
    finish()

    assert again(payment).status == "succeeded"
    assert in_books("fx", "EUR", till.livemode) == in_books("fx", "USDT", till.livemode) == 0
    assert in_books("custody:sepa", "EUR", till.livemode) == 10_000
    assert Conversion.objects.count() == 3


@pytest.mark.parametrize("payee", [WALLET, BANK], ids=["changed", "unchanged"])
def test_a_payout_that_somebody_cancels_fails_the_payment(till, payee):
    payment = till.create()
    pay(payment, payee)

    assert services.cancel(again(payment).payout_id)

    payment = again(payment)
    assert (payment.status, payment.failure_code) == ("failed", "cancelled")
    assert till.left() == 100_000
    assert describe(payment)["failure"]["code"] == "cancelled"


def test_a_blocked_destination_is_nothing_to_mend(till):
    payment = till.create()
    pay(payment, WALLET)
    fail(payment, "destination_blocked")

    assert again(payment).status == "failed"
    assert till.left() == 100_000


def test_many_payouts_of_several_doors_and_reasons_end_in_one_step(till):
    payments = [till.create(amount="10.00") for _ in range(4)]
    steps = []
    for payment, (payee, code) in zip(
        payments,
        [
            (WALLET, "destination_blocked"),
            (BANK, "account_closed"),
            (BANK, "bank_forbidden"),
            (OTHER_WALLET, "rail_rejected"),
        ],
        strict=True,
    ):
        steps.append(services.Step(pay(payment, payee).payout_id, failure_code=code))

    assert len(services.advance(Status.FAILED, steps)) == 4
    # Again: nobody is where that edge begins.
    assert services.advance(Status.FAILED, steps) == []

    assert [again(payment).status for payment in payments] == [
        "failed", "pending", "failed", "pending",
    ]  # fmt: skip
    assert till.left() == 100_000 - 2_000
