"""What banks say, and what it makes of a transfer: arrived, failed, a person, or nothing.

Goal: a transfer ends by what the bank wrote of that very transfer, and by nothing else.
"""

import pytest

from engine.rails.bank import verdicts
from engine.rails.base import Outcome
from engine.rails.models import BankStatement
from tests.rails.bank.bank import (
    back,
    entry,
    order,
    read,
    report,
    statement,
    together,
)
from tests.rails.bank.play import PAYEE, PAYEE_2, footprint, row

pytestmark = pytest.mark.django_db

CAMT = [f"camt.05{kind}.001.{version}" for kind in "34" for version in ("02", "04", "08", "12")]


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


def test_a_debit_that_names_no_payee_settles_it(account, sent, look):
    assert read(statement(entry(row(sent), payee=None))) == {sent.reference: "arrived"}

    assert (look(sent).outcome, look(sent).needs_person) == (Outcome.FINAL, False)
    assert row(sent).why == ""


@pytest.mark.parametrize("change", [{"units": 1233}, {"currency": "USD"}])
def test_a_debit_that_names_no_payee_and_differs_settles_nothing(account, sent, look, change):
    content = statement(entry(row(sent), payee=None, **change))

    assert read(content) == {sent.reference: "for_person"}
    assert (look(sent).outcome, row(sent).finished_at) == (Outcome.SEEN, None)


def test_a_debit_without_payee_on_another_account_settles_nothing(account, sent, look):
    told = read(statement(entry(row(sent), payee=None), account=PAYEE))

    assert told == {sent.reference: "of_another_account"}
    assert look(sent).outcome is Outcome.UNKNOWN


# It is not what was promised.


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"units": 1233}, verdicts.AMOUNT_DIFFERS),
        ({"units": 1235}, verdicts.AMOUNT_DIFFERS),
        ({"currency": "USD"}, verdicts.AMOUNT_DIFFERS),
        ({"payee": PAYEE_2}, verdicts.PAYEE_DIFFERS),
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
