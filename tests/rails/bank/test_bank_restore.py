"""What the journal brings back of a transfer, and that it goes to no bank by itself."""

import json

import pytest

from engine.common.ids import new_id
from engine.rails.bank.looks import RECALLED
from engine.rails.bank.payees import name_payee
from engine.rails.base import Outcome, Prepared
from engine.rails.errors import RailUnavailable
from engine.rails.models import BankAccount, BankLostFile, BankTransfer
from engine.rails.statements import CannotRecall
from tests.rails.bank.bank import back, entry, read, report, statement
from tests.rails.bank.play import out, row

pytestmark = pytest.mark.django_db

LOST = "ZP" + "B" * 26


@pytest.fixture
def terms(rail, account, prepare):
    """What the journal knows of a transfer that the database has forgotten."""
    (kept,) = rail.statement.terms_of([prepare()])
    payout_id = new_id()
    name_payee(payout_id, "Ada Lovelace")
    return kept | {"payout_id": payout_id.hex}


@pytest.fixture
def recall(rail, terms):
    def make(**changes):
        payload = rail.statement.recall(network="sepa", reference=LOST, terms=terms | changes)
        return Prepared("bank", "sepa", LOST, payload)

    return make


def test_the_journal_has_all_but_the_name(terms):
    assert set(terms) == {
        "account", "payout_id", "leg", "number", "destination", "asset", "units", "remittance",
    }  # fmt: skip
    assert "Elodie" not in json.dumps(terms)


def test_what_is_recalled_goes_into_no_file_and_waits_for_a_person(rail, recall):
    prepared = recall()

    receipts = [rail.submit([prepared])[0] for _ in range(3)]
    (sighting,) = rail.look_up([prepared])

    assert [one.accepted for one in receipts] == [None] * 3
    assert (row(prepared).is_recalled, row(prepared).file) == (True, None)
    assert out() == {}
    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert sighting.evidence == {"why": RECALLED}


@pytest.mark.parametrize(("say", "outcome"), [(entry, Outcome.FINAL), (back, Outcome.DEAD)])
def test_a_statement_ends_what_was_recalled(rail, recall, say, outcome):
    prepared = recall()

    read(statement(say(row(prepared))))

    (sighting,) = rail.look_up([prepared])
    assert (sighting.outcome, sighting.needs_person) == (outcome, False)


def test_what_was_let_out_and_is_recalled_stays_out_of_files(rail, account, prepare):
    prepared = prepare()
    BankAccount.objects.update(batch_seconds=3600)
    rail.submit([prepared])
    (terms,) = rail.statement.terms_of([prepared])

    rail.statement.recall(network="sepa", reference=prepared.reference, terms=terms)
    BankAccount.objects.update(batch_seconds=0)
    rail.submit([prepared])

    assert (row(prepared).is_recalled, row(prepared).file) == (True, None)


def test_what_is_in_a_file_stays_in_it(rail, account, sent):
    (terms,) = rail.statement.terms_of([sent])
    before = row(sent).file

    rail.statement.recall(network="sepa", reference=sent.reference, terms=terms)

    assert (row(sent).is_recalled, row(sent).file) == (False, before)


def test_recalling_again_changes_nothing(recall):
    recall()
    before = list(BankTransfer.objects.order_by("id").values())

    recall()

    assert list(BankTransfer.objects.order_by("id").values()) == before


@pytest.mark.parametrize("change", [{"units": "1"}, {"destination": "NL91ABNA0417164300"}])
def test_another_promise_under_the_same_name_is_not_recalled(recall, change):
    recall()

    with pytest.raises(CannotRecall, match="promised otherwise"):
        recall(**change)


def test_an_account_that_is_not_there_says_what_to_do(recall):
    with pytest.raises(CannotRecall, match="Connect the account other again"):
        recall(account="other")


def test_a_folder_that_cannot_be_read_lets_nothing_out(rail, account, sent, folder):
    (folder / "main" / "handed" / "spoilt").write_text("{")

    with pytest.raises(RailUnavailable, match="main"):
        rail.statement.ahead_of_us()


def test_a_house_that_knows_all_its_files_is_behind_nobody(rail, account, sent):
    assert rail.statement.ahead_of_us() == ""
    assert rail.statement.recover(explained=()) == []


def test_a_return_after_the_arrival_is_listed_until_it_is_explained(rail, account, sent):
    read(statement(entry(row(sent))))
    assert rail.statement.delivered([sent]) == [True]
    rail.look_up([sent])
    read(statement(back(row(sent))))

    (found,) = rail.statement.recover(explained=())

    assert rail.statement.delivered([sent]) == [False]
    assert (found.kind, found.what) == (
        "not_on_chain",
        f"pay_{row(sent).payout_id.hex} came back",
    )
    assert rail.statement.recover(explained={found.what}) == []


# What the bank says of a file that nobody has any more.

FILE = "ZP" + "F" * 26


@pytest.fixture
def lost_file(account, recall):
    """A file that a bank may have, of which only the folder knows: one transfer."""
    prepared = recall()
    BankLostFile.objects.create(message_id=FILE, account=account, orders=[LOST])
    return prepared


@pytest.mark.parametrize("words", [{"status": "RJCT"}, {"block": "RJCT"}])
def test_a_refusal_of_a_file_that_a_restore_lost_ends_its_transfers(look, lost_file, words):
    told = read(report(FILE, reason="AM04", **words))

    assert told == {LOST: "failed"}
    sighting = look(lost_file)
    assert (sighting.outcome, sighting.failure_code, sighting.needs_person) == (
        Outcome.DEAD,
        "bank_account_short",
        False,
    )


def test_a_refusal_of_a_lost_file_for_no_reason_that_we_know_is_for_a_person(look, lost_file):
    assert read(report(FILE, status="RJCT")) == {LOST: "for_person"}

    assert (look(lost_file).outcome, look(lost_file).needs_person) == (Outcome.SEEN, True)


def test_a_lost_file_of_other_size_than_ours_is_not_believed(look, lost_file):
    told = read(report(FILE, status="RJCT", reason="AM04", OrgnlNbOfTxs="2"))

    assert told == {FILE: "other_count"}
    assert look(lost_file).outcome is Outcome.UNKNOWN


def test_a_refusal_of_a_lost_file_touches_no_other(look, lost_file, sent):
    assert read(report(FILE, status="RJCT", reason="AM04")) == {LOST: "failed"}

    assert look(sent).outcome is Outcome.UNKNOWN
