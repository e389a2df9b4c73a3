"""Statements that are read faster than the engine looks.

Goal: nobody is told that a payment arrived which was back before anybody asked.
"""

import pytest
from django.db import DatabaseError, transaction

from engine.rails.bank import verdicts
from engine.rails.base import Outcome
from engine.rails.models import BankTransfer
from payments.models import Payment
from tests.cast import drain_once
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.payments.till import BANK, Till, pay
from tests.rails.bank.bank import back, entry, read, statement
from tests.rails.bank.play import connect, row

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_two_days_statements_read_before_the_next_look_do_not_deliver(acme, settings):
    settings.PAYOUT_RAIL = ""
    connect()
    till = Till(acme, livemode=True)
    payment = pay(till.create(), BANK)
    drain_once()
    transfer = BankTransfer.objects.get(payout_id=payment.payout_id)

    told = [read(statement(entry(transfer))), read(statement(back(transfer)))]
    drain_once()

    name = transfer.end_to_end_id
    assert told == [{name: "arrived"}, {name: "failed"}]
    assert Payment.objects.get(pk=payment.pk).status == "pending"
    assert till.left() == 90_000
    transfer.refresh_from_db()
    assert (transfer.failure_code, transfer.why) == ("account_closed", "")


def test_a_payment_and_its_return_are_none_as_long_as_nobody_looked(account, sent, look):
    paid = entry(row(sent))
    assert read(statement(paid)) == {sent.reference: "arrived"}
    assert read(statement(back(row(sent)))) == {sent.reference: "failed"}
    assert read(statement(paid, message_id="again")) == {sent.reference: "known"}

    sighting = look(sent)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.DEAD, False)
    assert sighting.failure_code == "account_closed"
    assert (row(sent).returned_at, row(sent).told_at) == (None, None)


def test_once_it_was_told_a_return_is_an_alarm(account, sent, look):
    read(statement(entry(row(sent))))
    assert look(sent).outcome is Outcome.FINAL
    told_at = row(sent).told_at

    assert read(statement(back(row(sent)))) == {sent.reference: "returned_late"}

    assert look(sent).outcome is Outcome.FINAL
    assert row(sent).told_at == told_at is not None
    assert row(sent).why == verdicts.RETURNED_LATE


@pytest.mark.parametrize("change", [{"reason": None}, {"reason": "AM05"}])
def test_money_back_that_does_not_say_why_is_an_alarm_before_it_was_told(
    account, sent, look, change
):
    read(statement(entry(row(sent))))

    assert read(statement(back(row(sent), **change))) == {sent.reference: "returned_late"}
    assert look(sent).outcome is Outcome.FINAL
    assert row(sent).returned_at is not None


def test_one_of_two_payments_that_came_back_fails_nothing(account, sent, look):
    read(statement(entry(row(sent), reference="A1")))
    read(statement(entry(row(sent), reference="A2")))

    assert read(statement(back(row(sent)))) == {sent.reference: "returned_late"}
    assert look(sent).outcome is Outcome.FINAL


def test_what_was_not_there_yet_is_not_told(account, sent, look):
    look(sent)
    read(statement(entry(row(sent), state="PDNG")))
    look(sent)

    assert row(sent).told_at is None


@pytest.mark.parametrize(
    "change", [{"told_at": None}, {"failure_code": "bank_failed", "told_at": None}]
)
def test_what_was_told_is_never_taken_back(account, sent, look, change):
    read(statement(entry(row(sent))))
    look(sent)

    with pytest.raises(DatabaseError, match="is for ever"), transaction.atomic():
        BankTransfer.objects.filter(pk=row(sent).pk).update(**change)


@pytest.mark.django_db(transaction=True)
def test_who_looks_while_a_return_is_read_waits_and_sees_it(rail, account, send):
    (sent,) = send()
    read(statement(entry(row(sent))))
    with transaction.atomic():
        read(statement(back(row(sent))))
        other = Session(lambda: rail.look_up([sent]))
        wait_until_somebody_waits_for_me()

    (sighting,) = other.wait()
    assert (sighting.outcome, sighting.failure_code) == (Outcome.DEAD, "account_closed")
