"""Every invariant of payments, broken by hand and caught.

Method: let one payment succeed over a conversion that failed first, one fail, one be on
its way and one wait; then do what no code of ours can do, with the guards switched off.
"""

import pytest
from django.db import connection

from engine.ledger.checks import check
from engine.payouts import services
from engine.payouts.states import Status
from payments.invariants import INVARIANTS
from payments.services import expire_now
from tests.payments.till import MOMO, WALLET, pay

pytestmark = pytest.mark.django_db

BREAKS = {
    "payments_hold_exactly_their_units": [
        (
            "UPDATE ledger_account SET balance = balance + 1 WHERE id = (SELECT available_account_id"
            " FROM payments_payment WHERE status = 'pending' AND payout_id IS NULL)"
        ),
        (
            "UPDATE ledger_account SET balance = 1 WHERE id = (SELECT held_account_id"
            " FROM payments_payment WHERE status = 'failed')"
        ),
        (
            "UPDATE ledger_account SET balance = balance - 1 WHERE asset = 'USDT' AND balance > 0"
            " AND code LIKE 'payment:%:held'"
        ),
        (
            "UPDATE ledger_account SET balance = 1 WHERE asset = 'USDT' AND balance = 0"
            " AND code LIKE 'payment:%'"
        ),
    ],
    "payments_took_their_units_once": [
        "DELETE FROM ledger_movement WHERE reference LIKE 'payment:%:hold'",
        "DELETE FROM ledger_movement WHERE reference LIKE 'payment:%:return'",
        "UPDATE ledger_movement SET units = units + 1 WHERE reference LIKE 'payment:%:return'",
        "UPDATE payments_payment SET units = units + 1",
    ],
    "payments_own_one_live_payout": [
        "DELETE FROM payments_paymentpayout WHERE number = 1",
        "UPDATE payments_paymentpayout SET number = number + 5 WHERE number = 1",
        "UPDATE payments_formsession SET used_at = NULL",
        "UPDATE payments_payment SET payout_id = NULL WHERE status = 'pending'",
        "UPDATE payouts_payout SET door = 'connect'",
        "UPDATE payouts_payout SET livemode = NOT livemode",
    ],
    "payments_follow_their_payouts": [
        (
            "UPDATE payments_payment SET status = 'pending', finished_at = NULL"
            " WHERE status = 'succeeded'"
        ),
        (
            "UPDATE payments_payment SET status = 'succeeded', finished_at = now()"
            " WHERE status = 'pending' AND payout_id IS NOT NULL"
        ),
    ],
    "final_payments_were_announced_once": [
        "DELETE FROM webhooks_message WHERE type = 'payment.succeeded'",
        "UPDATE webhooks_message SET type = 'payment.failed'",
    ],
    "conversions_go_with_their_payouts": [
        "DELETE FROM ledger_movement WHERE reference LIKE '%:sold'",
        "DELETE FROM ledger_movement WHERE reference LIKE '%:bought'",
        "DELETE FROM ledger_movement WHERE reference LIKE '%:sold_back'",
        "DELETE FROM ledger_movement WHERE reference LIKE '%:bought_back'",
        "UPDATE ledger_movement SET units = units - 1 WHERE reference LIKE '%:bought_back'",
        "UPDATE payouts_conversion SET to_units = to_units + 1",
        "UPDATE payouts_conversion SET from_units = from_units + 1",
    ],
    "payment_guards_stand": [
        "DROP TRIGGER final_payment_never_changes ON payments_payment",
        "ALTER TABLE payments_formsession DISABLE TRIGGER form_session_is_used_once",
    ],
}
CASES = [(name, sql) for name, statements in BREAKS.items() for sql in statements]
TABLES = (
    "payments_payment", "payments_paymentpayout", "payments_formsession", "payouts_payout",
    "payouts_conversion", "ledger_movement", "payouts_quote", "webhooks_message",
)  # fmt: skip


@pytest.fixture
def livemode():
    return True


@pytest.fixture
def lives(till, finish):
    mended = till.create()
    payout_id = pay(mended, WALLET).payout_id
    services.advance(Status.FAILED, [services.Step(payout_id, failure_code="rail_rejected")])
    pay(mended, WALLET)
    pay(till.create_francs(), MOMO)
    finish()
    assert expire_now(till.create().pk)
    pay(till.create(), WALLET)
    till.create()


def test_every_invariant_is_broken_below():
    assert list(BREAKS) == [invariant.name for invariant in INVARIANTS]


def test_honest_books_are_clean(lives, books_are_true):
    assert check(INVARIANTS).clean


@pytest.mark.parametrize(("name", "sql"), CASES)
def test_a_broken_invariant_is_caught_with_its_culprits(lives, name, sql):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if name != "payment_guards_stand":
            for table in TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(sql)
        assert cursor.rowcount != 0
        if name != "payment_guards_stand":
            for table in TABLES:
                cursor.execute("SELECT zopay_test_enable_always(%s)", [table])

    broken = {
        finding.invariant.name: finding.rows
        for finding in check(INVARIANTS).findings
        if not finding.clean
    }

    assert broken[name]
