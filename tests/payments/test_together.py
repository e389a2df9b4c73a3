"""Payments and their neighbours at one moment, made to meet on the rows they share.

Goal: of two tabs one wins and the other sees the first's result; nothing is made, paid,
expired or told twice; nobody waits in a ring.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, transaction

from engine.ledger.services import balance_of
from engine.payouts import services as engine
from engine.payouts.models import Payout
from engine.payouts.states import Status
from engine.webhooks.models import Message
from payments import services
from payments.errors import ExternalIdConflict, PaymentNotOpen
from payments.models import Payment, PaymentPayout
from payments.services import create_payment, expire_due, expire_now, submit
from tests.meeting import (
    Session,
    wait_until_so_many_wait_for_me,
    wait_until_somebody_waits_for_me,
)
from tests.payments.till import BANK, MOMO, NO_ACCOUNT, ORANGE, WALLET, fill, pay

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("books_are_true"),
]


@pytest.fixture
def livemode():
    return True


def all_at_once(calls):
    """What each returns, or raises."""
    gate = Barrier(len(calls))

    def run(call):
        try:
            connection.ensure_connection()
            gate.wait(timeout=60)
            return call()
        except Exception as error:  # noqa: BLE001 - counted by who asked
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def lock(payment):
    return Payment.objects.select_for_update().get(pk=payment.pk)


def expire_soon(payment):
    Payment.objects.filter(pk=payment.pk).update(
        expires_at=payment.created_at + timedelta(microseconds=1)
    )


def test_two_tabs_submit_different_methods_and_one_wins(till):
    payment = till.create()
    codes = [fill(payment, WALLET).code, fill(payment, BANK).code]

    with transaction.atomic():
        lock(payment)
        tabs = [Session(lambda code=code: submit(code, payment.pk)) for code in codes]
        wait_until_so_many_wait_for_me(2)
    for tab in tabs:
        tab.thread.join(10)

    assert sorted(type(tab.error).__name__ for tab in tabs) == ["NoneType", "PaymentNotOpen"]
    [winner] = [tab.result for tab in tabs if tab.error is None]
    assert Payout.objects.count() == PaymentPayout.objects.count() == 1
    assert Payment.objects.get().payout_id == winner.payout_id == Payout.objects.get().pk


def test_one_session_submitted_twenty_times_at_once_pays_once(till):
    payment = till.create()
    session = fill(payment, WALLET)

    answers = all_at_once([lambda: submit(session.code, payment.pk)] * 20)

    assert Counter(type(answer).__name__ for answer in answers) == {
        "Payment": 1,
        "PaymentNotOpen": 19,
    }
    assert Payout.objects.count() == 1


def test_the_same_creation_twenty_times_at_once_is_one_payment(till):
    for changes in (
        {"key": "k-1", "amount": "10.00"},
        {"amount": "10.01"},
        {"external_id": "order-1", "amount": "10.02"},
    ):
        before, left = Payment.objects.count(), till.left()
        wish = till.wish(**changes)

        answers = all_at_once([lambda wish=wish: create_payment(wish)] * 20)

        assert len({payment.pk for payment, _ in answers}) == 1
        assert Counter(is_new for _, is_new in answers) == {True: 1, False: 19}
        assert Payment.objects.count() == before + 1
        assert left - till.left() == Payment.objects.latest("created_at").units


def test_two_bodies_for_one_external_id_meet_and_one_is_a_conflict(till):
    wishes = [
        till.wish(external_id="order-1", amount=amount, key=amount)
        for amount in ("10.00", "20.00")
    ]
    with transaction.atomic():
        services._lock_names(wishes[0])
        sessions = [Session(lambda wish=wish: create_payment(wish)) for wish in wishes]
        wait_until_so_many_wait_for_me(2)
    for session in sessions:
        session.thread.join(10)

    assert Counter(type(session.error) for session in sessions) == {
        type(None): 1,
        ExternalIdConflict: 1,
    }
    assert Payment.objects.count() == 1


def test_creations_that_share_names_crosswise_do_not_wait_in_a_ring(till):
    wishes = [
        till.wish(amount="1.00", key=f"k-{key}", external_id=f"order-{order}")
        for key in range(4)
        for order in range(4)
    ]

    answers = all_at_once([lambda wish=wish: create_payment(wish) for wish in wishes])

    assert {type(answer).__name__ for answer in answers} <= {
        "tuple",
        "IdempotencyConflict",
        "ExternalIdConflict",
    }
    made = Payment.objects.count()
    assert len(set(Payment.objects.values_list("key"))) == made
    assert till.left() == 100_000 - 100 * made


def test_a_float_that_covers_one_of_two_makes_one(till):
    wishes = [till.wish(amount="600.00", key=key) for key in ("a", "b")]

    answers = all_at_once([lambda wish=wish: create_payment(wish) for wish in wishes])

    assert Counter(type(answer).__name__ for answer in answers) == {
        "tuple": 1,
        "InsufficientFunds": 1,
    }
    assert till.left() == 40_000


def test_a_submit_that_is_under_way_is_not_expired(till):
    payment = till.create()
    session = fill(payment, BANK)
    with transaction.atomic():
        submit(session.code, payment.pk)
        expiring = Session(lambda: expire_now(payment.pk))
        wait_until_somebody_waits_for_me()
    assert expiring.wait() is False
    assert Payment.objects.get().status == "pending"


def test_a_submit_that_comes_while_it_expires_pays_nobody(till):
    payment = till.create()
    session = fill(payment, WALLET)
    with transaction.atomic():
        assert expire_now(payment.pk)
        submitting = Session(lambda: submit(session.code, payment.pk))
        wait_until_somebody_waits_for_me()
    with pytest.raises(PaymentNotOpen):
        submitting.wait()

    assert Payout.objects.count() == 0
    assert till.left() == 100_000


def test_a_sweep_passes_over_what_somebody_holds(till):
    held, free = till.create(amount="10.00"), till.create(amount="20.00")
    for payment in (held, free):
        expire_soon(payment)
    with transaction.atomic():
        lock(held)
        assert Session(expire_due).wait() == 1
        assert Payment.objects.get(pk=free.pk).status == "failed"
    assert expire_due() == 1


def test_ten_sweeps_at_once_expire_each_once(till):
    payments = [till.create(amount="1.00") for _ in range(20)]
    for payment in payments:
        expire_soon(payment)

    assert sum(all_at_once([expire_due] * 10)) == 20
    assert till.left() == 100_000
    assert Message.objects.count() == 20


def test_the_end_of_a_payout_and_an_expiry_meet(till):
    payment = till.create()
    payout_id = pay(payment, BANK).payout_id
    with transaction.atomic():
        engine.advance(Status.FAILED, [engine.Step(payout_id, failure_code="bank_forbidden")])
        expiring = Session(lambda: expire_now(payment.pk))
        wait_until_somebody_waits_for_me()
    assert expiring.wait() is False

    assert Payment.objects.get().failure_code == "bank_forbidden"
    assert till.left() == 100_000
    assert Message.objects.count() == 1


def test_a_reopened_form_is_submitted_while_the_old_payout_still_ends(till):
    payment = till.create()
    payout_id = pay(payment, BANK).payout_id
    with transaction.atomic():
        engine.advance(Status.FAILED, [engine.Step(payout_id, failure_code="account_closed")])
        later = Session(lambda: fill(payment, WALLET))
        with pytest.raises(PaymentNotOpen):
            later.wait()
    pay(payment, WALLET)

    assert PaymentPayout.objects.count() == 2
    assert balance_of(account_id=payment.available_account_id) == 0


def test_two_workers_end_one_payout_and_the_payment_is_told_once(till):
    payment = till.create()
    payout_id = pay(payment, BANK).payout_id
    step = [engine.Step(payout_id, failure_code="bank_forbidden")]

    answers = all_at_once([lambda: engine.advance(Status.FAILED, step)] * 5)

    assert sorted(len(answer) for answer in answers) == [0, 0, 0, 0, 1]
    assert Message.objects.count() == 1
    assert till.left() == 100_000


def test_two_workers_with_crossed_batches_do_not_wait_in_a_ring(till):
    payments = [till.create_francs() for _ in range(6)]
    ids = [
        pay(payment, payee).payout_id
        for payment, payee in zip(payments, [MOMO, ORANGE, NO_ACCOUNT] * 2, strict=True)
    ]
    steps = [engine.Step(one, failure_code="payee_not_found") for one in ids]

    answers = all_at_once(
        [
            lambda: engine.advance(Status.FAILED, steps),
            lambda: engine.advance(Status.FAILED, steps[::-1]),
        ]
    )

    assert sorted(len(answer) for answer in answers) == [0, 6]
    assert {payment.status for payment in Payment.objects.all()} == {"pending"}


def test_everything_at_once_and_the_books_are_true(till):
    """Twelve payments, each submitted twice, expired and swept at the same moment."""
    payments = [till.create(amount="10.00") for _ in range(12)]
    calls = []
    for payment in payments:
        for payee in (WALLET, BANK):
            code = fill(payment, payee).code
            calls.append(lambda code=code, payment=payment: submit(code, payment.pk))
        calls.append(lambda payment=payment: expire_now(payment.pk))

    answers = all_at_once(calls)

    assert {type(answer).__name__ for answer in answers} == {
        "Payment",
        "bool",
        "PaymentNotOpen",
    }
    for payment in Payment.objects.all():
        assert (payment.status == "failed") == (payment.payout_id is None)
    paid = sum(payment.payout_id is not None for payment in Payment.objects.all())
    assert till.left() == 100_000 - 1_000 * paid
