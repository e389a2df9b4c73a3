"""Files for banks: what is in them, when they are made, and that each leaves once.

Goal: a transfer is in one file for ever, and that file is at the bank once, whatever breaks.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from engine.rails.bank import files, folders
from engine.rails.bank.files import ContentLost, content_of, execution_day, make_due_files
from engine.rails.bank.writing import FileRefused, Line, Payer, refuse_invalid, write_file
from engine.rails.base import Outcome
from engine.rails.models import BankAccount, BankFile, BankTransfer
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.rails.bank.play import AS_PRINTED, BIC, OURS, PAYEE, PAYEE_2, connect, out, row

pytestmark = pytest.mark.django_db

GOLDEN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>'
    "<GrpHdr><MsgId>ZPAAAAAAAAAAAAAAAAAAAAAAAAAA</MsgId><CreDtTm>2026-11-23T09:30:00Z</CreDtTm>"
    "<NbOfTxs>2</NbOfTxs><CtrlSum>1012.35</CtrlSum><InitgPty><Nm>Zopay SAS</Nm></InitgPty>"
    "</GrpHdr><PmtInf><PmtInfId>ZPAAAAAAAAAAAAAAAAAAAAAAAAAA</PmtInfId><PmtMtd>TRF</PmtMtd>"
    "<BtchBookg>false</BtchBookg><NbOfTxs>2</NbOfTxs><CtrlSum>1012.35</CtrlSum><PmtTpInf>"
    "<SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf><ReqdExctnDt><Dt>2026-11-23</Dt></ReqdExctnDt>"
    "<Dbtr><Nm>Zopay SAS</Nm></Dbtr><DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id>"
    "</DbtrAcct><DbtrAgt><FinInstnId><BICFI>COBADEFF</BICFI></FinInstnId></DbtrAgt>"
    "<ChrgBr>SLEV</ChrgBr><CdtTrfTxInf><PmtId><EndToEndId>ZPBBBBBBBBBBBBBBBBBBBBBBBBBB"
    '</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">12.34</InstdAmt></Amt><Cdtr>'
    "<Nm>Elodie Muller + Sohne</Nm></Cdtr><CdtrAcct><Id><IBAN>FR1420041010050500013M02606</IBAN>"
    "</Id></CdtrAcct><RmtInf><Ustrd>Payout 1</Ustrd></RmtInf></CdtTrfTxInf><CdtTrfTxInf><PmtId>"
    "<EndToEndId>ZPCCCCCCCCCCCCCCCCCCCCCCCCCC</EndToEndId></PmtId><Amt>"
    '<InstdAmt Ccy="EUR">1000.01</InstdAmt></Amt><Cdtr><Nm>A. O\'Neill</Nm></Cdtr><CdtrAcct><Id>'
    "<IBAN>NL91ABNA0417164300</IBAN></Id></CdtrAcct><RmtInf><Ustrd>Payout 2</Ustrd></RmtInf>"
    "</CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>"
)
TERMS = {
    "message_id": "ZP" + "A" * 26,
    "made_at": datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
    "executes_on": date(2026, 11, 23),
    "payer": Payer("Zopay SAS", OURS, BIC, books_singly=True),
    "lines": [
        Line("ZP" + "B" * 26, 1234, PAYEE, AS_PRINTED, "Payout 1"),
        Line("ZP" + "C" * 26, 100001, PAYEE_2, "A. O'Neill", "Payout 2"),
    ],
}


def ids_in(content):
    return re.findall(rb"<EndToEndId>([^<]+)</EndToEndId>", content)


# What is in one.


def test_a_file_is_these_very_bytes():
    assert write_file(**TERMS).decode() == GOLDEN


def test_a_file_is_what_the_published_schema_allows_and_a_spoilt_one_is_not():
    refuse_invalid(GOLDEN.encode())

    for spoilt in (
        GOLDEN.replace("ZP" + "A" * 26, "Z" * 36),
        GOLDEN.replace("<PmtMtd>TRF</PmtMtd>", ""),
        GOLDEN.replace('Ccy="EUR"', 'Ccy="euro"'),
        GOLDEN.replace("pain.001.001.09", "pain.001.001.03"),
    ):
        with pytest.raises(FileRefused):
            refuse_invalid(spoilt.encode())


@pytest.mark.parametrize(
    "line",
    [
        Line("", 1, PAYEE, "A", "x"),
        Line("Z" * 36, 1, PAYEE, "A", "x"),
        Line("Z", 1, "not an iban", "A", "x"),
        Line("Z", 1, PAYEE, "A" * 141, "x"),
    ],
)
def test_what_the_schema_refuses_is_never_a_file(line):
    with pytest.raises(FileRefused):
        write_file(**TERMS | {"lines": [line]})


def test_one_sum_may_be_asked_for():
    content = write_file(**TERMS | {"payer": Payer("Z", OURS, BIC, books_singly=False)})

    assert b"<BtchBookg>true</BtchBookg>" in content


def test_a_library_that_writes_something_else_is_noticed(monkeypatch):
    from sepaxml import SepaTransfer

    add = SepaTransfer.add_payment
    monkeypatch.setattr(
        SepaTransfer,
        "add_payment",
        lambda self, payment: add(self, payment | {"amount": payment["amount"] + 1}),
    )

    with pytest.raises(FileRefused, match="not say what was promised"):
        write_file(**TERMS)


def test_what_leaves_says_what_was_promised(account, send, bank):
    batch = send(3)
    transfers = [row(one) for one in batch]
    ((name, content),) = out().items()

    file = transfers[0].file
    assert {one.file_id for one in transfers} == {file.pk}
    assert name == f"{file.message_id}.xml"
    assert content == content_of(file)
    assert [one.decode() for one in ids_in(content)] == [one.end_to_end_id for one in transfers]
    assert (file.transfers, file.units, file.handed_by) == (3, 3702, "the folder")
    refuse_invalid(content)
    assert AS_PRINTED.encode() in content


def test_the_payee_s_name_is_nowhere_in_the_database_as_it_is(account, send):
    send()

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM rails_bankpayee")
        payees = cursor.fetchall()
        cursor.execute("SELECT * FROM rails_bankfile")
        found = repr([payees, cursor.fetchall()]).encode()
    assert len(payees) == 1
    assert b"Elodie" not in found
    assert "Élodie".encode() not in found


# When.


def test_the_first_of_a_file_waits_for_others_as_long_as_the_account_says(rail, prepare):
    connect(batch_seconds=600)
    first = prepare()
    (told,) = rail.submit([first])

    assert (told.accepted, told.evidence) == (None, {"said": "waits for the next file"})
    assert out() == {}
    second = prepare()
    rail.submit([second])
    assert out() == {}
    due = files.due_at(row(first).account, [row(second), row(first)])
    assert due == row(first).released_at + timedelta(seconds=600)
    BankAccount.objects.update(batch_seconds=0)
    rail.submit([second])

    assert row(first).file == row(second).file is not None
    assert len(out()) == 1


@pytest.mark.parametrize(
    ("cut_off", "now", "day"),
    [
        (None, datetime(2026, 11, 23, 23, 59, tzinfo=UTC), date(2026, 11, 23)),
        (time(15), datetime(2026, 11, 23, 14, 59, 59, tzinfo=UTC), date(2026, 11, 23)),
        (time(15), datetime(2026, 11, 23, 15, 0, tzinfo=UTC), date(2026, 11, 24)),
        (time(15), datetime(2026, 11, 27, 15, 0, tzinfo=UTC), date(2026, 11, 30)),
        (None, datetime(2026, 11, 28, 1, 0, tzinfo=UTC), date(2026, 11, 30)),
        (None, datetime(2026, 11, 29, 1, 0, tzinfo=UTC), date(2026, 11, 30)),
    ],
)
def test_the_bank_is_asked_to_pay_on_a_working_day(cut_off, now, day):
    assert execution_day(BankAccount(cut_off=cut_off), now) == day


def test_a_full_file_waits_for_nobody(rail, prepare, monkeypatch):
    monkeypatch.setattr(files, "TRANSFERS_MAX", 2)
    connect(batch_seconds=600)
    batch = [prepare() for _ in range(5)]

    rail.submit(batch)
    rail.submit(batch)
    rail.submit(batch)

    assert sorted(BankFile.objects.values_list("transfers", flat=True)) == [2, 2]
    assert [row(one).file is None for one in batch] == [False] * 4 + [True]


def test_an_account_that_is_switched_off_sends_nothing_more(rail, account, prepare):
    prepared = prepare()
    BankAccount.objects.update(is_enabled=False)

    (told,) = rail.submit([prepared])

    assert told.accepted is None
    assert row(prepared).file is None


def test_what_was_not_let_out_is_in_no_file(rail, account, prepare):
    kept, sent = prepare(), prepare()

    rail.submit([sent])

    assert row(kept).file is None
    assert row(sent).file.transfers == 1


def test_a_name_that_cannot_be_read_holds_up_nobody_else(rail, account, prepare, settings):
    lost = prepare()
    settings.SEALING_KEYS = ["another-sealing-key-0123456789abcdef0123456789"]
    good = prepare()

    rail.submit([lost, good])
    (sighting,) = rail.look_up([lost])

    assert row(good).file.transfers == 1
    assert row(lost).file is None
    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert rail.submit([lost])[0].accepted is None


def test_waiting_is_news_once(rail, prepare):
    connect(batch_seconds=600)
    prepared = prepare()

    assert [rail.submit([prepared])[0].is_news for _ in range(3)] == [True, False, False]
    BankAccount.objects.update(batch_seconds=0)
    assert [rail.submit([prepared])[0].is_news for _ in range(2)] == [True, False]


# Two at once.


@pytest.mark.django_db(transaction=True)
def test_two_workers_who_meet_at_an_account_make_one_file(rail, account, prepare):
    batch = [prepare() for _ in range(5)]
    BankTransfer.objects.update(released_at=timezone.now())
    with transaction.atomic():
        BankAccount.objects.select_for_update().get(pk=account.pk)
        worker = Session(lambda: make_due_files([account.pk]))
        assert worker.wait() == []
    workers = [Session(lambda: rail.submit(batch)) for _ in range(4)]
    for one in workers:
        one.wait()
    rail.submit(batch)

    assert BankFile.objects.count() == 1
    assert BankFile.objects.get().transfers == 5
    assert len(out()) == 1


@pytest.mark.django_db(transaction=True)
def test_who_recalls_a_transfer_meets_who_files_it(account, prepare):
    prepared = prepare()
    BankTransfer.objects.update(released_at=timezone.now())
    with transaction.atomic():
        BankTransfer.objects.filter(end_to_end_id=prepared.reference).update(is_recalled=True)
        worker = Session(lambda: make_due_files([account.pk]))
        wait_until_somebody_waits_for_me()
    worker.wait()

    assert row(prepared).file is None
    assert BankFile.objects.count() == 0


# Lost, and found again.


def test_a_file_that_was_lost_is_written_again_byte_for_byte(account, send):
    send(2)
    ((name, content),) = out().items()
    file = BankFile.objects.get()
    for path in (folders.folder_of(account) / "out").iterdir():
        path.unlink()

    folders.place_again(file)

    assert out() == {name: content}


def test_what_was_taken_away_is_not_put_there_again_by_itself(rail, account, send, bank):
    batch = send(2)
    bank.take()

    rail.submit(batch)
    folders.place_waiting_files([account.pk])

    assert out() == {}
    assert len(bank.paid) == 2


def test_bytes_that_are_not_those_that_were_made_are_given_to_nobody(account, send):
    from engine.common.secrets import seal

    send()
    file = BankFile.objects.get()
    file.content_sealed = seal(f"bank file {file.message_id}", b"<Document/>")

    with pytest.raises(ContentLost):
        content_of(file)


def test_another_disk_at_the_same_path_gets_no_second_copy(account, send, monkeypatch):
    monkeypatch.setattr(folders, "_note_handed", lambda *_, **__: None)
    send()
    ((name, _),) = out().items()
    root = folders.folder_of(account)
    root.rename(root.with_name("the-old-disk"))
    monkeypatch.undo()

    folders.place_waiting_files([account.pk])

    assert out() == {}
    file = BankFile.objects.get()
    assert f"{file.message_id}.xml" == name
    assert (file.handed_at, isinstance(file.placed_in, UUID)) == (None, True)


def test_a_folder_that_cannot_be_written_makes_files_wait(rail, prepare, settings, tmp_path):
    connect()
    settings.BANK_DIR = tmp_path / "not-a-folder"
    settings.BANK_DIR.write_text("")
    prepared = prepare()

    (told,) = rail.submit([prepared])

    assert told.accepted is None
    settings.BANK_DIR.unlink()
    assert rail.submit([prepared])[0].accepted is True
    assert len(out()) == 1


# Taken by a person.


def test_a_person_takes_a_file_and_who_was_first_is_kept(rail, prepare):
    connect(delivery="download")
    prepared = prepare()
    (told,) = rail.submit([prepared])
    file = row(prepared).file
    assert told.accepted is None
    assert out() == {}

    content, is_first = folders.hand_over(file.pk, by="ada")
    again, is_first_again = folders.hand_over(file.pk, by="bob", is_copy_meant=True)

    file.refresh_from_db()
    assert content == again == content_of(file)
    assert (is_first, is_first_again, file.handed_by) == (True, False, "ada")
    assert rail.submit([prepared])[0].accepted is True


def test_a_file_that_goes_by_folder_is_given_to_no_person(account, send):
    send()

    with pytest.raises(folders.HandedOver):
        folders.hand_over(BankFile.objects.get().pk, by="ada")


def test_not_even_while_its_folder_cannot_be_written(rail, prepare, settings, tmp_path):
    account = connect(batch_seconds=600)
    rail.submit([prepare()])
    BankAccount.objects.update(batch_seconds=0)
    home = settings.BANK_DIR
    settings.BANK_DIR = tmp_path / "not-a-folder"
    settings.BANK_DIR.write_text("")
    make_due_files([account.pk])
    folders.place_waiting_files([account.pk])
    settings.BANK_DIR = home

    with pytest.raises(folders.HandedOver):
        folders.hand_over(BankFile.objects.get().pk, by="ada")

    assert BankFile.objects.get().handed_at is None
    assert folders.marks_of(account) == {}


def test_a_file_of_which_the_folder_knows_more_than_the_database_is_no_first_copy(
    rail, prepare
):
    connect(delivery="download")
    prepared = prepare()
    rail.submit([prepared])
    file = row(prepared).file
    folders.mark_handed(file)

    with pytest.raises(folders.TakenBefore):
        folders.hand_over(file.pk, by="ada")
    file.refresh_from_db()
    assert (file.handed_at, file.given_again_at) == (None, None)
    _, is_first = folders.hand_over(file.pk, by="ada", is_copy_meant=True)

    file.refresh_from_db()
    assert (is_first, file.handed_by, file.given_again_at is None) == (False, "ada", False)
