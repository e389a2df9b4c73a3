"""What ends badly, or late: rejections, returns, silence, and two who read at once.

Goal: a transfer ends by what the bank wrote of that very transfer, and by nothing else.
"""

from decimal import Decimal

import pytest
from django.core import mail
from django.db import transaction

from engine.rails.bank import verdicts
from engine.rails.bank.looks import SILENT
from engine.rails.bank.statements import read_bank_file
from engine.rails.base import Outcome
from engine.rails.models import BankAccount, BankStatement, BankTransfer
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.rails.bank.bank import (
    back,
    document,
    entry,
    order,
    read,
    report,
    statement,
)
from tests.rails.bank.play import PAYEE_2, connect, footprint, row

pytestmark = pytest.mark.django_db

PAIN = [f"pain.002.001.{version}" for version in ("03", "05", "10", "14")]

# It failed.


@pytest.mark.parametrize("kind", PAIN)
def test_a_rejected_transfer_is_dead_and_its_neighbours_are_not(account, send, look, kind):
    first, second = send(2)
    file = row(first).file.message_id

    told = read(report(file, order(row(first), reason="AC04"), status="PART", kind=kind))

    assert told[first.reference] == "failed"
    dead = look(first)
    assert (dead.outcome, dead.failure_code, dead.needs_person) == (
        Outcome.DEAD,
        "account_closed",
        False,
    )
    assert dead.evidence["reason"] == "AC04"
    assert look(second).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("reason", sorted(verdicts.DUPLICATE))
@pytest.mark.parametrize("whole", [True, False])
def test_a_file_refused_as_a_second_copy_fails_nothing(account, sent, look, reason, whole):
    file = row(sent).file.message_id
    one = order(row(sent), reason=reason)
    content = report(file, status="RJCT", reason=reason) if whole else report(file, one)

    assert read(content) == {sent.reference: "for_person"}

    assert (look(sent).outcome, look(sent).needs_person) == (Outcome.SEEN, True)
    assert row(sent).why == verdicts.IS_DUPLICATE
    assert read(statement(entry(row(sent)))) == {sent.reference: "arrived"}
    assert (look(sent).outcome, look(sent).needs_person) == (Outcome.FINAL, False)


def test_a_status_of_another_file_is_for_a_person(account, send, look):
    (first,), (second,) = send(), send()

    told = read(report(row(second).file.message_id, order(row(first))))

    assert told == {first.reference: "for_person"}
    assert (look(first).outcome, look(first).needs_person) == (Outcome.SEEN, True)


@pytest.mark.parametrize(
    "more",
    [
        {"Amt": {"InstdAmt": {"value": Decimal("12.35"), "Ccy": "EUR"}}},
        {"CdtrAcct": {"Id": {"IBAN": PAYEE_2}}},
    ],
)
def test_a_status_that_repeats_something_else_is_for_a_person(account, sent, look, more):
    told = read(report(row(sent).file.message_id, order(row(sent), OrgnlTxRef=more)))

    assert told == {sent.reference: "for_person"}
    assert look(sent).outcome is Outcome.SEEN


def test_money_that_came_back_before_it_was_seen_to_arrive_is_a_failure(account, sent, look):
    assert read(statement(back(row(sent), reason="AC06"))) == {sent.reference: "failed"}

    assert (look(sent).outcome, look(sent).failure_code) == (Outcome.DEAD, "account_blocked")


def test_a_payment_and_its_return_in_one_file_are_none(account, sent, look):
    paid, returned = entry(row(sent)), back(row(sent))

    told = read(statement(paid, returned))

    assert told == {sent.reference: "known"}
    assert look(sent).outcome is Outcome.DEAD
    assert row(sent).why == ""


def test_a_reversal_is_a_return_and_one_without_reason_is_shown_to_a_person(
    account, sent, look
):
    told = read(statement(entry(row(sent), direction="CRDT", reversal=True)))

    assert told == {sent.reference: "failed"}
    sighting = look(sent)
    assert (sighting.outcome, sighting.failure_code, sighting.needs_person) == (
        Outcome.DEAD,
        "bank_failed",
        True,
    )


def test_a_part_that_came_back_is_for_a_person(account, sent, look):
    assert read(statement(back(row(sent), units=1000))) == {sent.reference: "for_person"}
    assert look(sent).outcome is Outcome.SEEN


# After the end.


def test_a_return_after_the_arrival_is_an_alarm_and_the_books_stay(
    account, sent, look, settings, django_capture_on_commit_callbacks
):
    settings.OPERATORS_EMAIL = "ops@zopay.example"
    read(statement(entry(row(sent))))
    before = look(sent)

    with django_capture_on_commit_callbacks(execute=True):
        told = read(statement(back(row(sent), reason="AC04")))
        again = read(statement(back(row(sent), reason="AC04"), message_id="again"))

    assert (told, again) == ({sent.reference: "returned_late"}, {sent.reference: "known"})
    assert look(sent) == before
    assert before.outcome is Outcome.FINAL
    assert row(sent).returned_at is not None
    assert row(sent).why == verdicts.RETURNED_LATE
    (letter,) = mail.outbox
    assert row(sent).payout_id.hex in letter.body
    assert "Elodie" not in letter.body + letter.subject


@pytest.mark.parametrize("status", ["RJCT"])
def test_a_rejection_after_the_arrival_is_an_alarm(account, sent, look, status):
    read(statement(entry(row(sent))))

    told = read(report(row(sent).file.message_id, order(row(sent), status=status)))

    assert told == {sent.reference: "rejected_late"}
    assert look(sent).outcome is Outcome.FINAL


def test_a_second_copy_that_is_refused_after_the_arrival_is_nothing(account, sent, look):
    read(statement(entry(row(sent))))

    told = read(report(row(sent).file.message_id, status="RJCT", reason="AM05"))

    assert told == {sent.reference: "known"}
    assert row(sent).why == ""


def test_a_payment_after_a_rejection_is_an_alarm_and_no_release_is_undone(account, sent, look):
    read(report(row(sent).file.message_id, order(row(sent))))
    before = look(sent)

    assert read(statement(entry(row(sent)))) == {sent.reference: "paid_after_all"}
    after = look(sent)
    assert (after.outcome, after.failure_code) == (before.outcome, before.failure_code)
    assert after.needs_person


def test_a_payment_that_came_back_was_a_payment_first(account, sent):
    read(statement(back(row(sent))))

    assert read(statement(entry(row(sent)))) == {sent.reference: "known"}
    assert row(sent).why == ""


def test_a_transfer_that_was_booked_twice_is_an_alarm(account, send):
    (first,), (second,) = send(), send()
    read(statement(entry(row(first), reference="A1")))

    assert read(statement(entry(row(first), reference="A2"))) == {
        first.reference: "booked_twice"
    }
    assert read(statement(entry(row(second)), entry(row(second)))) == {
        second.reference: "booked_twice"
    }


def test_a_notice_and_the_statement_after_it_are_one_payment(account, sent):
    read(statement(entry(row(sent), reference="N1"), kind="camt.054.001.08"))

    assert read(statement(entry(row(sent), reference="S1"))) == {sent.reference: "known"}
    assert row(sent).why == ""


def test_a_second_booking_is_an_alarm_where_notices_come_first(account, sent, look):
    read(statement(entry(row(sent), reference="N1"), kind="camt.054.001.08"))
    read(statement(entry(row(sent), reference="S1")))
    assert read(statement(entry(row(sent), reference="S1"))) == {sent.reference: "known"}

    assert read(statement(entry(row(sent), reference="S2"))) == {sent.reference: "booked_twice"}
    assert look(sent).outcome is Outcome.FINAL
    assert row(sent).why == verdicts.BOOKED_TWICE


def test_an_old_word_read_late_wakes_nothing_that_has_ended(account, send, look):
    first, second = send(2)
    file = row(first).file.message_id
    read(statement(entry(row(first)), back(row(second))))
    before = footprint()

    assert set(read(report(file, status="ACTC")).values()) == {"known"}
    assert footprint() == before


# What a bank accepts.


@pytest.mark.parametrize("status", sorted(verdicts.ACCEPTED))
@pytest.mark.parametrize("whole", [True, False])
def test_what_the_bank_accepted_was_seen(account, sent, look, status, whole):
    file = row(sent).file.message_id
    one = order(row(sent), status=status, reason=None)

    assert read(report(file, status=status) if whole else report(file, one)) == {
        sent.reference: "seen"
    }
    assert (look(sent).outcome, look(sent).needs_person) == (Outcome.SEEN, False)


@pytest.mark.parametrize("status", ["ACSC", "ACCC"])
@pytest.mark.parametrize(("policy", "outcome"), [(False, Outcome.SEEN), (True, Outcome.FINAL)])
def test_settled_on_the_payer_s_side_settles_where_the_account_says_so(
    send, look, status, policy, outcome
):
    connect(settles_on_acsc=policy)
    (sent,) = send()

    read(report(row(sent).file.message_id, order(row(sent), status=status, reason=None)))

    assert look(sent).outcome is outcome


@pytest.mark.parametrize("status", ["CANC", "BLCK", "WHAT", ""])
def test_a_word_that_nobody_knows_is_for_a_person(account, sent, look, status):
    told = read(report(row(sent).file.message_id, order(row(sent), status=status or None)))

    assert told == {sent.reference: "for_person"}
    assert (look(sent).outcome, look(sent).needs_person) == (Outcome.SEEN, True)
    assert row(sent).why == verdicts.WORD_UNKNOWN


# Nothing was said.


def test_silence_is_for_a_person_and_ends_nothing(account, sent, look):
    BankAccount.objects.update(silent_hours=1)
    assert look(sent).needs_person is False
    BankTransfer.objects.update(heard_at="2026-01-01T00:00:00Z")

    sighting = look(sent)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert sighting.evidence == {"why": SILENT}
    assert row(sent).finished_at is None


def test_what_the_bank_writes_freely_is_not_kept(account, sent):
    content = document(
        "pain.002.001.10",
        {
            "CstmrPmtStsRpt": {
                "GrpHdr": {"MsgId": "RP", "CreDtTm": "2026-11-23T10:00:00Z"},
                "OrgnlGrpInfAndSts": {
                    "OrgnlMsgId": row(sent).file.message_id,
                    "OrgnlMsgNmId": "pain.001.001.09",
                },
                "OrgnlPmtInfAndSts": [
                    {
                        "OrgnlPmtInfId": row(sent).file.message_id,
                        "TxInfAndSts": [
                            {
                                "OrgnlEndToEndId": sent.reference,
                                "TxSts": "RJCT",
                                "StsRsnInf": [
                                    {
                                        "Rsn": {"Prtry": "Elodie Muller has moved"},
                                        "AddtlInf": ["Elodie Muller"],
                                    }
                                ],
                            }
                        ],
                    }
                ],
            }
        },
    )

    assert read(content) == {sent.reference: "for_person"}
    assert row(sent).finished_at is None
    assert row(sent).why == verdicts.REASON_UNKNOWN
    assert "Elodie" not in repr(footprint()) + repr(list(BankStatement.objects.values()))


# Two at once.


@pytest.mark.django_db(transaction=True)
def test_who_reads_about_a_transfer_waits_for_who_reads_about_it(account, send, look):
    (sent,) = send()
    refusal = report(row(sent).file.message_id, order(row(sent)))
    with transaction.atomic():
        read(statement(entry(row(sent))))
        other = Session(lambda: read(refusal))
        wait_until_somebody_waits_for_me()

    assert other.wait() == {sent.reference: "rejected_late"}
    assert look(sent).outcome is Outcome.FINAL


@pytest.mark.django_db(transaction=True)
def test_who_reads_the_same_file_waits_and_finds_it_read(account, send):
    (sent,) = send()
    content = statement(entry(row(sent)))
    with transaction.atomic():
        read(content, by="ada")
        other = Session(lambda: read_bank_file(content, file_name="x", by="bob"))
        wait_until_somebody_waits_for_me()

    told, is_new = other.wait()
    assert (told.read_by, is_new) == ("ada", False)
    assert BankStatement.objects.count() == 1
