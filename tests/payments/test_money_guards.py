"""What PostgreSQL holds about payments, whoever asks it.

Method: say it in SQL, as the tables' owner, past all code.
"""

import pytest
from django.db import IntegrityError

from payments.services import expire_now
from tests.payments.till import (
    WALLET,
    fail,
    pay,
    said,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("books_are_true"),
]


@pytest.mark.parametrize(
    "change",
    [
        "units = units + 1", "currency = 'USD'", "livemode = NOT livemode", "code = repeat('0', 26)",
        "redirect_url = 'https://evil.example'", "webhook_url = 'https://evil.example'",
        "fingerprint = sha256('x')", "key = NULL", "external_id = 'x'", "metadata = '[]'",
        "available_account_id = held_account_id + 9", "created_at = now()", "description = 'x'",
    ],
)  # fmt: skip
def test_the_terms_of_a_payment_never_change(live_till, change):
    payment = live_till.create()

    with pytest.raises(IntegrityError, match="are fixed"):
        said(f"UPDATE payments_payment SET {change} WHERE id = %s", payment.pk)


@pytest.mark.parametrize(
    "change",
    [
        "status = 'pending', finished_at = NULL, failure_code = ''",
        "expires_at = now() + '1 day'",
    ],
)
def test_a_final_payment_never_changes(live_till, change):
    payment = live_till.create()
    assert expire_now(payment.pk)

    with pytest.raises(IntegrityError, match="never changes"):
        said(f"UPDATE payments_payment SET {change} WHERE id = %s", payment.pk)


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (None, "status = 'succeeded', finished_at = now()"),
        (None, "status = 'failed', finished_at = now(), failure_code = 'expired'"),
        (None, "payout_id = NULL"),
        (None, "payout_id = gen_random_uuid()"),
        ("failed", "status = 'succeeded', finished_at = now()"),
    ],
)
def test_a_payment_does_not_run_ahead_of_its_payout(live_till, status, change):
    payment = live_till.create()
    pay(payment, WALLET)
    if status == "failed":
        fail(payment, "rail_rejected")

    with pytest.raises(IntegrityError, match="follows its payout"):
        said(f"UPDATE payments_payment SET {change} WHERE id = %s", payment.pk)


def test_a_payment_that_nobody_paid_has_not_succeeded(live_till):
    payment = live_till.create()

    with pytest.raises(IntegrityError, match=r"follows its payout|succeeds_by_a_payout"):
        said(
            "UPDATE payments_payment SET status = 'succeeded', finished_at = now() WHERE id = %s",
            payment.pk,
        )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM payments_payment",
        "DELETE FROM payments_paymentpayout",
        "UPDATE payments_paymentpayout SET number = 7",
        "UPDATE payments_formsession SET used_at = now()",
        "UPDATE payments_formsession SET used_at = NULL",
        "UPDATE payouts_conversion SET to_units = to_units + 1",
        "DELETE FROM payouts_conversion",
    ],
)
def test_what_has_happened_stays_happened(live_till, statement):
    pay(live_till.create(), WALLET)

    with pytest.raises(IntegrityError, match=r"for ever|never|is used once"):
        said(statement)


@pytest.mark.parametrize(
    "table", ["payments_payment", "payments_paymentpayout", "payouts_conversion"]
)
def test_a_table_of_what_happened_is_not_emptied(table):
    with pytest.raises(IntegrityError, match=r"never emptied|for ever"):
        said(f"TRUNCATE {table} CASCADE")
