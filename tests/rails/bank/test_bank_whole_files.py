"""What a bank says of a whole file, of its part, and of single transfers in it.

Goal: a word about a file holds for the transfers of that very file, and for no other.
"""

import pytest
from django.core import mail

from engine.rails.bank import verdicts
from engine.rails.base import Outcome
from engine.rails.models import BankStatement
from tests.rails.bank.bank import order, read, report
from tests.rails.bank.play import footprint, row

pytestmark = pytest.mark.django_db

REASON = b"</PmtInfSts><StsRsnInf><Rsn><Cd>FF01</Cd></Rsn></StsRsnInf>"


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


@pytest.mark.parametrize("whole", ["ACCP", "ACTC", "PART"])
def test_what_is_said_of_the_part_holds_where_the_file_is_told_otherwise(
    account, send, look, whole
):
    first, second = send(), send()
    file = row(first[0]).file.message_id
    bare = row(second[0]).file.message_id

    told = read(report(file, status=whole, block="RJCT").replace(b"</PmtInfSts>", REASON))
    assert told == {first[0].reference: "failed"}
    assert look(first[0]).failure_code == "bank_refused_order"
    # The reason of the file is none of the part's.
    told = read(report(bare, status=whole, reason="FF01", block="RJCT"))
    assert told == {second[0].reference: "for_person"}
    assert row(second[0]).why == verdicts.REASON_UNKNOWN


@pytest.mark.parametrize("part", ["ACSP", "PART"])
def test_who_refuses_a_file_and_not_its_part_contradicts_herself(account, sent, look, part):
    told = read(report(row(sent).file.message_id, status="RJCT", reason="FF01", block=part))

    assert told == {sent.reference: "for_person"}
    assert (look(sent).outcome, row(sent).why) == (Outcome.SEEN, verdicts.CONTRADICTION)


def test_part_of_a_file_says_nothing_of_the_rest(account, send, look):
    batch = send(2)

    told = read(report(row(batch[0]).file.message_id, status="PART"))

    assert set(told.values()) == {"said_in_part"}
    assert [look(one).outcome for one in batch] == [Outcome.UNKNOWN] * 2


@pytest.mark.parametrize(
    ("name", "words", "letters"),
    [
        ("ZP" + "A" * 26, {"status": "RJCT", "reason": "FF01"}, 1),
        ("ZP" + "A" * 26, {"block": "RJCT"}, 1),
        ("ZP" + "A" * 26, {"status": "ACSP"}, 0),
        ("PAYROLL 17", {"status": "RJCT", "reason": "FF01"}, 0),
    ],
)
def test_a_report_on_an_unknown_file_changes_nothing_and_a_refusal_of_one_like_ours_is_told(
    account, sent, settings, django_capture_on_commit_callbacks, name, words, letters
):
    settings.OPERATORS_EMAIL = "ops@zopay.example"
    before = footprint()

    with django_capture_on_commit_callbacks(execute=True):
        assert read(report(name, **words)) == {name: "unknown_file"}

    assert footprint() == before
    assert BankStatement.objects.get().strangers == letters
    assert [name in letter.body for letter in mail.outbox] == [True] * letters
