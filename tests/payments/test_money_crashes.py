"""A worker or a web process dies after any line: all of a step stands, or none of it.

Method: let each thing that a step does be the last that its process ever did. What stands
then is what stood before; and whoever comes by next takes the step, once.
"""

import pytest
from django.db import OperationalError

from engine.common.times import now_in_books
from engine.ledger.services import balance_of
from engine.payouts import services as engine
from engine.payouts.models import Conversion, Payout
from engine.payouts.states import Status
from engine.webhooks.models import Message
from payments import endings, expiry, services, sessions
from payments.models import FormSession, Payment, PaymentPayout
from payments.opening import is_open
from payments.services import create_payment, expire_due, expire_now, submit
from tests.cast import count, drain_once, footprint
from tests.payments.till import BANK, MOMO, WALLET, fill, pay

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_true")]


class Died(BaseException):
    """No code of ours catches it, as none catches a kill."""


@pytest.fixture
def dies_after(monkeypatch):
    """Lets the process die right after a call of that name, this once."""

    def run(owner, name):
        call = getattr(owner, name)

        def last(*args, **kwargs):
            call(*args, **kwargs)
            raise Died

        monkeypatch.setattr(owner, name, last)

    return run


def stands():
    """All that a payment's steps write."""
    return footprint() | {
        "payments": list(
            Payment.objects.order_by("pk").values("status", "payout_id", "expires_at")
        ),
        "sessions_used": FormSession.objects.filter(used_at__isnull=False).count(),
        "numbered": PaymentPayout.objects.count(),
        "messages": Message.objects.count(),
        "payees": count("rails_bankpayee"),
    }


SUBMITTING = [
    (services, "is_open"),
    (services, "booking_of"),
    (services, "move_many"),
    (services, "execute_quote"),
    (services, "keep_payee"),
    (FormSession, "save"),
    (PaymentPayout.objects, "create"),
    (services, "own"),
    (Payment, "save"),
]


@pytest.mark.parametrize(
    ("owner", "name"), SUBMITTING, ids=lambda part: getattr(part, "__name__", str(part))
)
def test_a_submit_that_dies_has_not_happened(till, dies_after, monkeypatch, owner, name):
    payment = till.create()
    session = fill(payment, WALLET)
    before = stands()
    dies_after(owner, name)

    with pytest.raises(Died):
        submit(session.code, payment.pk)
    assert stands() == before
    assert is_open(Payment.objects.get(pk=payment.pk), now_in_books())

    monkeypatch.undo()
    assert submit(session.code, payment.pk).payout_id == session.quote.payout_id
    assert Payout.objects.count() == PaymentPayout.objects.count() == 1


def test_a_bank_transfer_whose_name_was_kept_last_has_not_happened(till, dies_after):
    payment = till.create()
    session = fill(payment, BANK)
    before = stands()
    dies_after(sessions, "name_payee")

    with pytest.raises(Died):
        submit(session.code, payment.pk)
    assert stands() == before


CREATING = [
    (services, "_lock_names"),
    (services, "open_account"),
    (Payment.objects, "create"),
    (services, "move"),
]


@pytest.mark.parametrize(
    ("owner", "name"), CREATING, ids=lambda part: getattr(part, "__name__", str(part))
)
def test_a_creation_that_dies_has_not_happened(till, dies_after, monkeypatch, owner, name):
    before, wish = stands(), till.wish(key="k-1", external_id="order-1")
    dies_after(owner, name)

    with pytest.raises(Died):
        create_payment(wish)
    assert stands() == before

    monkeypatch.undo()
    assert create_payment(wish)[1]
    assert till.left() == 90_000


FAILING = [
    (engine, "_advance_rows"),
    (endings, "undoing_of"),
    (Payment, "save"),
    (endings, "owe_messages"),
    (endings, "open_float"),
    (engine, "_what_follows"),
    (engine, "move_many"),
    (engine, "announce"),
]


@pytest.mark.parametrize(
    ("owner", "name"), FAILING, ids=lambda part: getattr(part, "__name__", str(part))
)
def test_the_end_of_a_payout_that_dies_has_not_happened(
    till, dies_after, monkeypatch, owner, name
):
    payment = till.create()
    step = [engine.Step(pay(payment, WALLET).payout_id, failure_code="destination_blocked")]
    before = stands()
    dies_after(owner, name)

    with pytest.raises(Died):
        engine.advance(Status.FAILED, step)
    assert stands() == before

    monkeypatch.undo()
    assert len(engine.advance(Status.FAILED, step)) == 1
    assert Payment.objects.get().status == "failed"
    assert till.left() == 100_000
    assert Message.objects.count() == 1


EXPIRING = [
    (expiry, "has_live_payout"),
    (Payment, "save"),
    (endings, "owe_messages"),
    (expiry, "give_back"),
    (expiry, "move_many"),
]


@pytest.mark.parametrize(
    ("owner", "name"), EXPIRING, ids=lambda part: getattr(part, "__name__", str(part))
)
def test_an_expiry_that_dies_has_not_happened(till, dies_after, monkeypatch, owner, name):
    payment = till.create()
    before = stands()
    dies_after(owner, name)

    with pytest.raises(Died):
        expire_now(payment.pk)
    assert stands() == before

    monkeypatch.undo()
    assert expire_now(payment.pk)
    assert till.left() == 100_000


def test_a_filled_in_form_that_dies_has_promised_nothing(till, dies_after):
    payment = till.create()
    dies_after(sessions, "seal_details")

    with pytest.raises(Died):
        fill(payment, WALLET)
    assert FormSession.objects.count() == Conversion.objects.count() == 0
    assert balance_of(account_id=payment.available_account_id) == 10_000


def test_a_submit_whose_nudge_is_lost_is_found_by_the_sweep(till, rail_at_once):
    """Tests publish no nudges at all: the rows are enough."""
    payment = till.create_francs()
    pay(payment, MOMO)

    for _ in range(4):
        drain_once()

    assert Payment.objects.get().status == "succeeded"


def test_one_payment_that_breaks_stops_no_other_payout(till, rail_at_once, monkeypatch):
    payments = [till.create_francs() for _ in range(3)]
    for payment in payments:
        pay(payment, MOMO)
    finish = endings.finish

    def finish_but_one(payment, *args, **kwargs):
        if payment.pk == payments[1].pk:
            raise ValueError("a test")
        finish(payment, *args, **kwargs)

    monkeypatch.setattr(endings, "finish", finish_but_one)
    for _ in range(4):
        drain_once()

    assert [Payment.objects.get(pk=one.pk).status for one in payments] == [
        "succeeded", "pending", "succeeded",
    ]  # fmt: skip
    broken = Payout.objects.get(pk=Payment.objects.get(pk=payments[1].pk).payout_id)
    assert (broken.status, broken.needs_review) == ("broadcast", True)
    assert balance_of(account_id=payments[1].held_account_id) == 10_000

    monkeypatch.undo()
    for _ in range(4):
        drain_once()
    assert Payment.objects.get(pk=payments[1].pk).status == "succeeded"


def test_a_sweep_without_a_database_blames_no_payment(till, monkeypatch):
    def away(_):
        raise OperationalError("a test")

    monkeypatch.setattr(expiry, "_next_due", away)

    with pytest.raises(OperationalError):
        expire_due()
