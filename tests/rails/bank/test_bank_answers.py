"""What banks say, and what it makes of a transfer: arrived, failed, a person, or nothing.

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
    together,
)
from tests.rails.bank.play import PAYEE, PAYEE_2, connect, row

pytestmark = pytest.mark.django_db

CAMT = [f"camt.05{kind}.001.{version}" for kind in "34" for version in ("02", "04", "08", "12")]
PAIN = [f"pain.002.001.{version}" for version in ("03", "05", "10", "14")]


@pytest.fixture
def sent(send):
    """A transfer that the bank has, and how it looks to the engine."""
    (prepared,) = send()
    return prepared


@pytest.fixture
def look(rail):
    return lambda prepared: rail.look_up([prepared])[0]


def footprint():
    """Every transfer as it stands."""
    return list(BankTransfer.objects.order_by("id").values())


# It arrived.


@pytest.mark.parametrize("kind", CAMT)
def test_a_booked_debit_that_shows_it_settles_it(account, sent, look, kind):
    content = statement(entry(row(sent), reference="AS77"), kind=kind, message_id="ST1")

    assert read(content) == {sent.reference: "arrived"}

    sighting = look(sent)
    assert (sighting.outcome, sighting.needs_person) == (Outcome.FINAL, False)
    assert (sighting.confirmations, sighting.confirmations_needed) == (1, 1)
    assert sighting.evidence == {
        "message": kind,
        "message_id": "ST1",
        "status": "BOOK",
        "amount": "12.34 EUR",
        "bank_reference": "AS77",
    }


def test_reading_the_same_file_again_changes_nothing(account, send):
    first, second = send(2)
    content = statement(entry(row(first)), back(row(second)))
    told = read(content, by="ada")
    before = footprint()

    assert (
        read(content, by="bob")
        == told
        == {first.reference: "arrived", second.reference: "failed"}
    )

    assert footprint() == before
    assert BankStatement.objects.get().read_by == "ada"


def test_the_same_news_in_another_file_changes_nothing(account, send):
    first, second, third = send(3)
    entries = [entry(row(first)), back(row(second)), entry(row(third), state="PDNG")]
    read(statement(*entries))
    before = footprint()

    assert set(read(statement(*entries)).values()) == {"known"}
    assert footprint() == before


def test_a_sum_with_its_transfers_settles_each(account, send, look):
    batch = send(3)

    told = read(statement(together(*[entry(row(one)) for one in batch])))

    assert set(told.values()) == {"arrived"}
    assert [look(one).outcome for one in batch] == [Outcome.FINAL] * 3


def test_a_sum_that_is_not_its_transfers_settles_none(account, send, look):
    batch = send(3)
    entries = [entry(row(one)) for one in batch]

    told = read(statement(together(*entries, units=3703)))

    assert set(told.values()) == {"for_person"}
    assert [look(one).needs_person for one in batch] == [True] * 3


def test_a_sum_without_its_transfers_settles_none(account, send, look):
    (sent,) = send()
    bare = entry(row(sent))
    bare["NtryDtls"] = [{"Btch": {"PmtInfId": row(sent).file.message_id, "NbOfTxs": "1"}}]

    assert read(statement(bare)) == {row(sent).file.message_id: "sum_without_details"}
    assert look(sent).outcome is Outcome.UNKNOWN


def test_what_is_pending_was_seen_and_no_more(account, sent, look):
    assert read(statement(entry(row(sent), state="PDNG"))) == {sent.reference: "seen"}

    sighting = look(sent)
    assert (sighting.outcome, sighting.needs_person) == (Outcome.SEEN, False)
    assert sighting.seen_at == row(sent).seen_at


# It is not what was promised.


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"units": 1233}, verdicts.AMOUNT_DIFFERS),
        ({"units": 1235}, verdicts.AMOUNT_DIFFERS),
        ({"currency": "USD"}, verdicts.AMOUNT_DIFFERS),
        ({"payee": PAYEE_2}, verdicts.PAYEE_DIFFERS),
        ({"payee": None}, verdicts.PAYEE_DIFFERS),
        ({"reversal": True}, verdicts.CONTRADICTION),
        ({"reason": "AC04"}, verdicts.CONTRADICTION),
        ({"direction": "CRDT"}, verdicts.BACK_WITHOUT_REASON),
        ({"total": 1244}, None),
    ],
)
def test_what_differs_is_for_a_person_and_never_settled(account, sent, look, change, why):
    changed = entry(row(sent), **change)

    told = read(statement(changed))

    sighting = look(sent)
    assert told == {sent.reference: "for_person"}
    assert (sighting.outcome, sighting.needs_person) == (Outcome.SEEN, True)
    assert row(sent).why == (why or verdicts.AMOUNT_DIFFERS)
    assert row(sent).finished_at is None


def test_once_it_differed_no_later_word_settles_it(account, sent, look):
    read(statement(entry(row(sent), units=1)))

    assert read(statement(entry(row(sent)))) == {sent.reference: "waits_for_person"}
    assert read(statement(back(row(sent)))) == {sent.reference: "waits_for_person"}
    told = read(report(row(sent).file.message_id, order(row(sent))))
    assert told == {sent.reference: "waits_for_person"}
    assert (look(sent).outcome, look(sent).needs_person) == (Outcome.SEEN, True)


def test_an_entry_of_another_account_is_none_of_ours(account, sent, look):
    told = read(statement(entry(row(sent), direction="CRDT", reason="AC04"), account=PAYEE))

    assert told == {sent.reference: "of_another_account"}
    assert look(sent).outcome is Outcome.UNKNOWN


def test_a_bank_that_says_no_direction_moves_nothing(account, sent, look):
    content = statement(entry(row(sent))).replace(b"DBIT", b"BOTH")

    assert read(content) == {sent.reference: "for_person"}
    assert look(sent).outcome is Outcome.SEEN


@pytest.mark.parametrize(
    "amount", [b"12.345", b"1e3", b"-12.34", b"12,34", b"NaN", b" ", b"9" * 40]
)
def test_an_amount_that_is_none_is_nobody_s(account, sent, look, amount):
    content = statement(entry(row(sent))).replace(b">12.34<", b">" + amount + b"<")

    assert read(content) == {sent.reference: "for_person"}
    assert look(sent).needs_person


def test_trailing_zeros_are_the_same_amount(account, sent):
    content = statement(entry(row(sent))).replace(b">12.34<", b">12.34000<")

    assert read(content) == {sent.reference: "arrived"}


def test_strangers_are_left_alone_and_those_with_a_name_like_ours_are_told(
    account, sent, settings
):
    settings.OPERATORS_EMAIL = "ops@zopay.example"
    before = footprint()
    like_ours = "ZP" + "A" * 26

    told = read(
        statement(
            entry(row(sent), name="NOTPROVIDED"),
            entry(row(sent), name="INVOICE 17"),
            entry(row(sent), name=like_ours),
            entry(row(sent), name=sent.reference.lower()),
        )
    )

    assert told == {like_ours: "stranger"}
    assert footprint() == before
    assert BankStatement.objects.get().strangers == 1


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


@pytest.mark.parametrize(
    "words", [{"status": "RJCT", "reason": "FF01"}, {"block": "RJCT", "reason": "FF01"}]
)
def test_a_rejected_file_is_all_of_its_transfers(account, send, look, words):
    batch = send(3)

    told = read(report(row(batch[0]).file.message_id, **words))

    assert set(told.values()) == {"failed"}
    assert [look(one).failure_code for one in batch] == ["bank_refused_order"] * 3


def test_a_rejected_file_touches_no_other(account, send, look):
    first, second = send(), send()

    read(report(row(first[0]).file.message_id, status="RJCT", reason="FF01"))

    assert look(first[0]).outcome is Outcome.DEAD
    assert look(second[0]).outcome is Outcome.UNKNOWN


def test_a_file_of_other_size_than_ours_is_not_believed(account, send, look):
    batch = send(3)
    file = row(batch[0]).file.message_id

    told = read(report(file, status="RJCT", reason="FF01", OrgnlNbOfTxs="2"))

    assert told == {file: "other_count"}
    assert [look(one).outcome for one in batch] == [Outcome.UNKNOWN] * 3


def test_who_refuses_a_file_and_takes_a_transfer_of_it_contradicts_herself(account, send, look):
    first, second = send(2)

    told = read(
        report(
            row(first).file.message_id,
            order(row(first), status="ACSP", reason=None),
            status="RJCT",
            reason="FF01",
        )
    )

    assert told == {first.reference: "for_person", second.reference: "failed"}
    assert (look(first).outcome, look(first).needs_person) == (Outcome.SEEN, True)


def test_part_of_a_file_says_nothing_of_the_rest(account, send, look):
    batch = send(2)

    told = read(report(row(batch[0]).file.message_id, status="PART"))

    assert set(told.values()) == {"said_in_part"}
    assert [look(one).outcome for one in batch] == [Outcome.UNKNOWN] * 2


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


def test_a_report_on_a_file_that_is_not_ours_changes_nothing(account, sent):
    before = footprint()

    assert read(report("ZP" + "A" * 26, status="RJCT", reason="FF01")) == {
        "ZP" + "A" * 26: "unknown_file"
    }
    assert footprint() == before


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

    assert read(content) == {sent.reference: "failed"}
    assert row(sent).failure_code == "bank_failed"
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
