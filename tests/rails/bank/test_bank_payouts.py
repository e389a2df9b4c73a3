"""Payouts by bank from the partner's call to the bank's statement, and through a restore.

Goal: the books move when a bank's own file says so, once, and never back.
"""

import json
from contextlib import suppress
from io import StringIO

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from engine.ledger.checks import check, listed_invariants
from engine.payouts.models import Break, Freeze, Payout
from engine.payouts.rail_choice import can_pay, rails_by_network
from engine.rails.bank.looks import RECALLED
from engine.rails.models import (
    Attempt,
    BankAccount,
    BankFile,
    BankLostFile,
    BankTransfer,
    SendEvidence,
)
from payments.models import Payment
from tests.cast import drain_once
from tests.payments.till import BANK, Till, pay
from tests.rails.bank.bank import Bank, back, entry, order, read, report, statement
from tests.rails.bank.play import connect, out
from tests.restoring import Backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def till(acme):
    return Till(acme, livemode=True)


@pytest.fixture(autouse=True)
def no_pretending(settings):
    """Live euros go to a bank, or nowhere; and nobody waits to hand over again."""
    settings.PAYOUT_RAIL = ""
    settings.RESUBMIT_SECONDS = 0


def sent(till):
    """A payment of 100 euros whose payout is with the bank."""
    payment = pay(till.create(), BANK)
    drain_once()
    return payment, BankTransfer.objects.get(payout_id=payment.payout_id)


def status_of(payment):
    return Payout.objects.get(pk=payment.payout_id).status


def books_are_true():
    found = check(listed_invariants()).findings
    assert [(one.invariant.name, one.rows) for one in found if one.rows] == []


# Which rail.


def test_live_euros_go_to_a_bank_only_while_an_account_of_ours_pays_them(till):
    assert can_pay("sepa", livemode=True) is False
    assert "sepa:EUR" not in rails_by_network(over_gateways=True)
    account = connect()
    assert can_pay("sepa", livemode=True) is True
    assert rails_by_network(over_gateways=True)["sepa:EUR"] == "bank"
    assert "sepa:EUR" not in rails_by_network()
    account.is_enabled = False
    account.save()

    assert can_pay("sepa", livemode=True) is False
    assert can_pay("sepa", livemode=False) is True


def test_an_account_for_test_mode_pays_no_live_euros(till):
    connect(livemode=False)

    assert can_pay("sepa", livemode=True) is False


# From the call to the statement.


def test_a_payout_is_delivered_when_a_statement_shows_it(till):
    connect()
    payment, transfer = sent(till)
    ((name, _),) = out().items()
    assert (status_of(payment), transfer.units) == ("sending", 10_000)
    assert Attempt.objects.get(payout_id=payment.payout_id).reference == transfer.end_to_end_id

    read(report(transfer.file.message_id, status="ACSP"))
    drain_once()
    assert status_of(payment) == "broadcast"
    read(statement(entry(transfer)))
    drain_once()

    assert status_of(payment) == "delivered"
    assert Payment.objects.get(pk=payment.pk).status == "succeeded"
    assert name == f"{transfer.file.message_id}.xml"
    books_are_true()


def test_a_rejected_payout_fails_once_and_its_funds_are_back(till):
    connect()
    payment, transfer = sent(till)
    content = report(transfer.file.message_id, order(transfer, reason="AC04"))

    for _ in range(3):
        read(content)
        drain_once()

    payout = Payout.objects.get(pk=payment.payout_id)
    assert (payout.status, payout.failure_code) == ("failed", "account_closed")
    assert Payment.objects.get(pk=payment.pk).status == "pending"
    assert till.left() == 90_000
    books_are_true()


def test_what_differs_moves_nothing_and_asks_for_a_person(till):
    connect()
    payment, transfer = sent(till)

    read(statement(entry(transfer, units=transfer.units - 1)))
    for _ in range(3):
        drain_once()

    payout = Payout.objects.get(pk=payment.payout_id)
    assert (payout.status, payout.needs_review) == ("broadcast", True)
    assert till.left() == 90_000
    books_are_true()


def test_a_return_after_the_delivery_leaves_the_books_as_they_are(till):
    connect()
    payment, transfer = sent(till)
    read(statement(entry(transfer)))
    drain_once()
    before = (till.left(), status_of(payment), Payment.objects.get(pk=payment.pk).status)

    assert read(statement(back(transfer))) == {transfer.end_to_end_id: "returned_late"}
    drain_once()

    after = (till.left(), status_of(payment), Payment.objects.get(pk=payment.pk).status)
    assert after == before == (90_000, "delivered", "succeeded")
    books_are_true()


def test_waiting_for_the_bank_is_no_reason_to_ask_anybody_for_an_hour(till, settings):
    settings.REVIEW_SECONDS = 0
    connect()
    payment, _ = sent(till)
    drain_once()

    payout = Payout.objects.get(pk=payment.payout_id)
    assert (payout.status, payout.needs_review) == ("sending", False)


def test_waiting_for_a_file_fills_no_evidence(till):
    connect(batch_seconds=3600)
    sent(till)
    before = SendEvidence.objects.count()

    for _ in range(5):
        drain_once()

    assert SendEvidence.objects.count() == before == 1
    assert out() == {}


def test_nothing_leaves_a_frozen_network(till):
    connect(batch_seconds=3600)
    payment, _ = sent(till)
    call_command("freeze", network="sepa", reason="a test", stdout=StringIO())
    BankAccount.objects.update(batch_seconds=0)

    drain_once()

    assert out() == {}
    assert BankFile.objects.count() == 0
    assert status_of(payment) == "sending"
    Freeze.objects.update(lifted_at=timezone.now())
    drain_once()
    assert len(out()) == 1


# Through a restore.


@pytest.fixture
def staff(db):
    for name in ("alice", "bob"):
        User.objects.create_user(name, is_staff=True)


def reconcile():
    told = StringIO()
    with suppress(SystemExit):
        call_command("reconcile", json=True, stdout=told)
    return json.loads(told.getvalue())


def unfreeze():
    call_command("unfreeze", "--by", "alice", "--and", "bob", stdout=StringIO())


def test_a_transfer_that_was_sent_after_the_dump_is_never_sent_again(till, staff, tmp_path):
    bank = Bank(connect())
    sent(till)
    bank.take()
    dump = Backup(tmp_path / "dump")
    payment, transfer = sent(till)
    bank.take()
    paid = list(bank.paid)

    dump.restore()
    for _ in range(3):
        drain_once()
    told = reconcile()

    again = BankTransfer.objects.get(end_to_end_id=transfer.end_to_end_id)
    assert (again.is_recalled, again.file) == (True, None)
    assert told["recreated"] == 1
    assert BankLostFile.objects.get().orders == [transfer.end_to_end_id]
    for _ in range(3):
        drain_once()
    payout = Payout.objects.get(pk=payment.payout_id)
    assert (payout.status, payout.needs_review) == ("sending", True)
    bank.take()
    assert bank.paid == paid
    read(statement(entry(again)))
    drain_once()
    assert status_of(payment) == "delivered"


def test_a_file_that_was_made_after_the_dump_of_what_was_let_out_before_is_known(
    till, staff, tmp_path
):
    """The journal says nothing new here: only the folder knows that there was a file."""
    account = connect(batch_seconds=3600)
    payment, transfer = sent(till)
    dump = Backup(tmp_path / "dump")
    BankAccount.objects.update(batch_seconds=0)
    drain_once()
    bank = Bank(account)
    assert len(bank.take()) == 1

    dump.restore()
    BankAccount.objects.update(batch_seconds=0)
    for _ in range(3):
        drain_once()

    assert BankFile.objects.count() == 0
    assert out() == {}
    told = reconcile()
    again = BankTransfer.objects.get(end_to_end_id=transfer.end_to_end_id)
    assert (told["clean"], again.is_recalled) == (True, True)
    unfreeze()
    for _ in range(3):
        drain_once()
    assert BankFile.objects.count() == 0
    assert out() == {}
    (look,) = SendEvidence.objects.filter(kind="look_up").values_list("body", flat=True)
    assert look == {"outcome": "unknown", "why": RECALLED}
    read(statement(entry(again)))
    drain_once()
    assert status_of(payment) == "delivered"


def test_a_refusal_of_a_whole_file_that_a_restore_lost_gives_its_funds_back(
    till, staff, tmp_path
):
    bank = Bank(connect())
    sent(till)
    dump = Backup(tmp_path / "dump")
    payment, transfer = sent(till)
    bank.take()
    message_id = transfer.file.message_id
    dump.restore()
    drain_once()
    assert reconcile()["clean"]
    unfreeze()

    told = read(report(message_id, status="RJCT", reason="AM04"))
    drain_once()

    assert told == {transfer.end_to_end_id: "failed"}
    payout = Payout.objects.get(pk=payment.payout_id)
    assert (payout.status, payout.failure_code) == ("failed", "bank_account_short")
    assert Payment.objects.get(pk=payment.pk).status == "pending"
    books_are_true()


def test_a_file_of_transfers_that_nobody_remembers_is_a_break(till, staff, tmp_path):
    connect()
    dump = Backup(tmp_path / "dump")
    _, transfer = sent(till)
    message_id = transfer.file.message_id
    # The journal of that day is lost as well.
    dump.restore()
    for path in configured.JOURNAL_DIR.rglob("*.jsonl"):
        path.unlink()

    told = reconcile()

    assert not told["clean"]
    assert f"{transfer.end_to_end_id} in file {message_id}" in set(
        Break.objects.filter(kind="stranger").values_list("what", flat=True)
    )
