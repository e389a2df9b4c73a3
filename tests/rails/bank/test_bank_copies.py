"""Files that a bank may have twice, and what it then says of one copy.

Goal: a word about one copy never gives back the money that the other pays.
"""

import pytest
from django.db import transaction
from django.utils import timezone

from engine.payouts.models import Payout
from engine.rails.bank import verdicts
from engine.rails.bank.copies import CopyRefused, note_copy
from engine.rails.base import Outcome
from engine.rails.models import BankFile, BankTransfer
from payments.models import Payment
from tests.cast import drain_once
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.payments.till import BANK, Till, pay
from tests.rails.bank.bank import back, entry, order, read, report, statement
from tests.rails.bank.play import connect, footprint, row

pytestmark = pytest.mark.django_db

REASONS = ["NARR", "FF01", "AC04", None]


def give_again(file):
    """As whoever gives its bytes out once more notes it."""
    with transaction.atomic():
        note_copy(file.pk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reason", ["NARR", "FF01", None])
def test_a_second_copy_that_is_refused_releases_nothing(acme, settings, reason):
    settings.PAYOUT_RAIL = ""
    connect()
    till = Till(acme, livemode=True)
    payment = pay(till.create(), BANK)
    drain_once()
    transfer = BankTransfer.objects.get(payout_id=payment.payout_id)
    give_again(transfer.file)
    read(report(transfer.file.message_id, status="ACSP"))
    drain_once()

    told = read(report(transfer.file.message_id, status="RJCT", reason=reason))
    drain_once()

    payout = Payout.objects.get(pk=payment.payout_id)
    assert told == {transfer.end_to_end_id: "for_person"}
    assert (payout.status, payout.needs_review) == ("broadcast", True)
    assert Payment.objects.get(pk=payment.pk).status == "pending"
    assert till.left() == 90_000
    read(statement(entry(transfer)))
    drain_once()
    assert Payment.objects.get(pk=payment.pk).status == "succeeded"


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("whole", [True, False])
def test_a_refusal_of_what_was_given_twice_is_for_a_person(account, sent, look, reason, whole):
    file = row(sent).file.message_id
    give_again(row(sent).file)
    one = order(row(sent), reason=reason)
    content = report(file, status="RJCT", reason=reason) if whole else report(file, one)

    assert read(content) == {sent.reference: "for_person"}

    assert (look(sent).outcome, look(sent).needs_person) == (Outcome.SEEN, True)
    assert (row(sent).why, row(sent).finished_at) == (verdicts.GIVEN_TWICE, None)


@pytest.mark.parametrize(
    ("say", "did", "outcome"),
    [(entry, "arrived", Outcome.FINAL), (back, "failed", Outcome.DEAD)],
)
def test_its_money_ends_what_was_given_twice(account, sent, look, say, did, outcome):
    give_again(row(sent).file)
    read(report(row(sent).file.message_id, status="RJCT", reason="FF01"))

    assert read(statement(say(row(sent)))) == {sent.reference: did}
    assert (look(sent).outcome, look(sent).needs_person) == (outcome, False)


@pytest.mark.parametrize("reason", ["AC04", "FF01", "NARR", None])
def test_once_a_bank_has_had_it_before_no_refusal_ends_it(account, sent, look, reason):
    """It came twice by a way that we know nothing of."""
    file = row(sent).file.message_id
    read(report(file, status="RJCT", reason="AM05"))
    read(report(file, order(row(sent), status="WHAT", reason=None)))
    before = footprint()

    told = read(report(file, status="RJCT", reason=reason))

    assert told == {sent.reference: "waits_for_person"}
    assert footprint() == before
    assert row(sent).why == verdicts.IS_DUPLICATE
    assert look(sent).outcome is Outcome.SEEN


def test_what_the_bank_refused_is_given_to_nobody_again(account, send):
    first, _ = send(2)
    file = row(first).file
    read(report(file.message_id, order(row(first), reason="AC04"), status="PART"))

    with pytest.raises(CopyRefused, match="refused"):
        give_again(file)

    assert BankFile.objects.get().given_again_at is None


def test_when_it_was_given_again_first_is_kept(account, sent):
    give_again(row(sent).file)
    first = BankFile.objects.get().given_again_at
    give_again(row(sent).file)

    assert BankFile.objects.get().given_again_at == first
    assert first <= timezone.now()


@pytest.mark.django_db(transaction=True)
def test_who_gives_a_file_once_more_waits_for_who_reads_that_it_was_refused(account, send):
    (sent,) = send()
    file = row(sent).file
    with transaction.atomic():
        read(report(file.message_id, status="RJCT", reason="FF01"))
        other = Session(lambda: give_again(file))
        wait_until_somebody_waits_for_me()

    with pytest.raises(CopyRefused):
        other.wait()
    assert BankFile.objects.get().given_again_at is None


@pytest.mark.django_db(transaction=True)
def test_who_reads_that_it_was_refused_waits_for_who_gives_it_once_more(account, send):
    (sent,) = send()
    file = row(sent).file
    refusal = report(file.message_id, status="RJCT", reason="FF01")
    with transaction.atomic():
        note_copy(file.pk)
        other = Session(lambda: read(refusal))
        wait_until_somebody_waits_for_me()

    assert other.wait() == {sent.reference: "for_person"}
    assert row(sent).finished_at is None
