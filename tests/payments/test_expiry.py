"""Nobody's money waits for ever: what is not asked for in time goes back, once."""

from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from engine.common.times import now_in_books
from engine.ledger.services import balance_of
from engine.payouts import services
from engine.payouts.states import Status
from engine.webhooks.models import Message
from payments import expiry
from payments import services as making
from payments.door import describe
from payments.errors import PaymentNotOpen
from payments.models import Payment
from payments.opening import is_open
from payments.services import expire_due, expire_now, submit
from payments.tasks import expire
from tests.cast import footprint
from tests.payments.till import BANK, WALLET, fill, pay

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_true")]


@pytest.fixture
def make(till, monkeypatch):
    """Makes payments of eight days ago, so that they have run out."""

    def run(**changes):
        with monkeypatch.context() as patch:
            patch.setattr(making, "now_in_books", lambda: now_in_books() - timedelta(days=8))
            return till.create(**changes)

    return run


def again(payment):
    return Payment.objects.get(pk=payment.pk)


def test_a_payment_that_nobody_filled_in_goes_back_to_the_float(till, make):
    payment = make(webhook_url="https://shop.example/hook")
    assert not is_open(payment, now_in_books())

    assert expire_due() == 1

    payment = again(payment)
    assert (payment.status, payment.failure_code) == ("failed", "expired")
    assert balance_of(account_id=payment.available_account_id) == 0
    assert till.left() == 100_000
    message = Message.objects.get()
    assert (message.type, message.url) == ("payment.failed", "https://shop.example/hook")
    assert orjson.loads(bytes(message.body)) == describe(payment)
    assert describe(payment)["failure"] == {
        "code": "expired",
        "message": "Nobody said in time how to be paid. The funds are back.",
        "retryable": True,
    }
    before = footprint()
    assert expire_due() == 0
    assert footprint() == before


def test_each_that_has_run_out_is_expired_and_no_other(till, make):
    late = [make(amount="10.00") for _ in range(3)]
    young = make(amount="10.00")
    Payment.objects.filter(pk=young.pk).update(expires_at=timezone.now() + timedelta(hours=1))

    expire()

    assert {again(payment).status for payment in late} == {"failed"}
    assert again(young).status == "pending"
    assert till.left() == 99_000


def later(payment, **delta):
    Payment.objects.filter(pk=payment.pk).update(expires_at=timezone.now() + timedelta(**delta))
    return again(payment)


def test_what_is_being_paid_out_does_not_run_out(till, make):
    payment = later(make(), hours=1)
    payout_id = pay(payment, BANK).payout_id
    later(payment, hours=-1)

    assert expire_due() == 0
    assert not expire_now(payment.pk)
    assert again(payment).status == "pending"

    services.advance(Status.FAILED, [services.Step(payout_id, failure_code="account_closed")])
    # Seven more days, from then on.
    assert expire_due() == 0
    assert is_open(again(payment), now_in_books())
    later(payment, hours=-1)
    assert expire_due() == 1
    assert again(payment).failure_code == "expired"
    assert till.left() == 100_000


def test_a_payment_whose_conversion_was_undone_expires_in_its_own_currency(till, make):
    payment = later(make(), hours=1)
    payout_id = pay(payment, WALLET).payout_id
    services.advance(Status.FAILED, [services.Step(payout_id, failure_code="rail_rejected")])

    assert expire_now(payment.pk)
    assert till.left() == 100_000


def test_what_has_run_out_is_not_paid_out_though_no_sweep_has_come_by(till, make):
    payment = later(make(), hours=1)
    session = fill(payment, BANK)
    later(payment, seconds=-1)
    before = footprint()

    with pytest.raises(PaymentNotOpen):
        submit(session.code, payment.pk)
    with pytest.raises(PaymentNotOpen):
        fill(payment, BANK)
    assert footprint() == before


def test_expire_now_does_so_once(till, make):
    payment = later(make(), hours=1)

    assert expire_now(payment.pk)
    before = footprint()
    assert not expire_now(payment.pk)
    assert not expire_now(till.partner.pk)
    assert footprint() == before
    assert again(payment).failure_code == "expired"


def test_one_that_breaks_stops_no_other(till, make, monkeypatch):
    broken, whole = make(amount="10.00"), make(amount="20.00")
    give_back = expiry.give_back

    def give_back_but_one(payment, *args, **kwargs):
        if payment.pk == broken.pk:
            raise ValueError("a test")
        return give_back(payment, *args, **kwargs)

    monkeypatch.setattr(expiry, "give_back", give_back_but_one)

    assert expire_due() == 1
    assert (again(broken).status, again(whole).status) == ("pending", "failed")

    monkeypatch.undo()
    assert expire_due() == 1
    assert till.left() == 100_000


def test_a_sweep_looks_again_once_it_has_the_row(till, make, monkeypatch):
    """Its search may be older than a submit: it knows the payment and not the payout."""
    payment = later(make(), hours=1)
    pay(payment, BANK)
    later(payment, hours=-1)
    found = iter([payment.pk, None])
    monkeypatch.setattr(expiry, "_next_due", lambda _: next(found))

    assert expire_due() == 0
    assert again(payment).status == "pending"
