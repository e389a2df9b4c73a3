"""What is not known any more, or not now: a lost folder, a wrong key, an account that is off.

Goal: nothing goes to a bank that may have it, and what no bank has goes on by itself.
"""

from shutil import rmtree
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from engine.payouts.models import Freeze
from engine.rails.bank import files, folders
from engine.rails.bank.files import NO_NAME, make_due_files
from engine.rails.bank.looks import ACCOUNT_IS_OFF
from engine.rails.models import BankAccount, BankFile, BankTransfer
from tests.rails.bank.play import OURS, PAYEE_2, connect, out, row

pytestmark = pytest.mark.django_db

ANOTHER_KEY = ["another-sealing-key-0123456789abcdef0123456789"]


@pytest.fixture
def waiting(rail, prepare):
    """A transfer that was let out, and waits for its file when the backup is taken."""
    connect(batch_seconds=900)
    prepared = prepare()
    rail.submit([prepared])
    BankAccount.objects.update(batch_seconds=0)
    return prepared


@pytest.fixture
def by_person(rail, prepare):
    """A file that waits to be taken by a person."""
    connect(delivery="download")
    prepared = prepare()
    rail.submit([prepared])
    return row(prepared).file


# The folder.


def test_which_folder_it_is_is_known_before_anything_is_let_out(rail, waiting, folder):
    known = BankAccount.objects.get().folder_id

    assert row(waiting).released_at is not None
    assert known == UUID((folder / "main" / "id").read_text())


@pytest.mark.parametrize("is_there", [False, True])
def test_a_lost_folder_of_the_bank_does_not_send_a_transfer_in_a_second_file(
    rail, waiting, folder, is_there
):
    rmtree(folder)
    if is_there:
        folders.made(folder / "main")
        (folder / "main" / "id").write_text(str(UUID(int=7)))
    how = "is another one" if is_there else "is not there"

    assert f"The folder of bank account main {how}" in rail.statement.ahead_of_us()
    assert len(rail.statement.ahead_of_us()) <= 300
    (asked,) = rail.statement.recover(explained=())
    rail.submit([waiting])

    was = BankAccount.objects.get().folder_id.hex
    assert (asked.kind, asked.what) == ("stranger", f"folder {was} of main is lost")
    assert (row(waiting).is_recalled, BankFile.objects.count(), out()) == (False, 0, {})
    # Somebody says that it is gone for good.
    assert rail.statement.recover(explained={asked.what}) == []
    assert rail.statement.ahead_of_us() == ""
    rail.submit([waiting])
    assert (row(waiting).is_recalled, BankFile.objects.count(), out()) == (True, 0, {})
    assert rail.look_up([waiting])[0].needs_person is True


def test_a_folder_that_comes_back_lets_everything_go_on(rail, waiting, folder):
    folder.rename(folder.with_name("unmounted"))
    rail.submit([waiting])
    rail.statement.recover(explained=())
    folder.with_name("unmounted").rename(folder)

    rail.submit([waiting])

    assert rail.statement.ahead_of_us() == ""
    assert rail.statement.recover(explained=()) == []
    assert row(waiting).file.handed_by == "the folder"


def test_nothing_is_let_out_without_its_folder(rail, waiting, prepare, folder):
    later = prepare()
    rmtree(folder)

    assert rail.submit([later])[0].accepted is None

    assert row(later).released_at is None


def test_without_its_folder_every_file_counts_as_taken(rail, by_person, folder):
    rmtree(folder)
    with pytest.raises(folders.FolderLost):
        folders.hand_over(by_person.pk, by="ada")
    (asked,) = rail.statement.recover(explained=())

    rail.statement.recover(explained={asked.what})

    by_person.refresh_from_db()
    assert by_person.handed_by == "a house before the restore"
    with pytest.raises(folders.TakenBefore):
        folders.hand_over(by_person.pk, by="ada")


def test_a_file_that_the_folder_knows_as_handed_is_noted(rail, by_person):
    folders.mark_handed(by_person)

    assert rail.statement.recover(explained=()) == []

    by_person.refresh_from_db()
    assert by_person.handed_by == "a house before the restore"


# The names.


def test_a_worker_that_had_the_wrong_sealing_key_for_a_minute_strands_nothing(
    rail, waiting, settings, look
):
    right = settings.SEALING_KEYS
    settings.SEALING_KEYS = ANOTHER_KEY
    rail.submit([waiting])
    assert (row(waiting).file, row(waiting).why) == (None, NO_NAME)
    assert look(waiting).needs_person is True
    settings.SEALING_KEYS = right

    rail.submit([waiting])

    assert (row(waiting).file.transfers, row(waiting).why) == (1, "")
    assert look(waiting).needs_person is False
    assert len(out()) == 1


def test_who_cannot_be_named_takes_no_other_s_place(
    rail, account, prepare, settings, monkeypatch
):
    monkeypatch.setattr(files, "TRANSFERS_MAX", 2)
    lost = [prepare() for _ in range(3)]
    settings.SEALING_KEYS = ANOTHER_KEY
    good = [prepare() for _ in range(2)]

    rail.submit(lost + good)

    assert {row(one).file.transfers for one in good} == {2}
    assert [row(one).file for one in lost] == [None] * 3


def test_a_file_that_cannot_be_opened_here_holds_up_no_other(rail, settings, prepare, folder):
    account = connect(batch_seconds=600)
    sealed = prepare()
    rail.submit([sealed])
    BankAccount.objects.update(batch_seconds=0)
    make_due_files([account.pk])
    settings.SEALING_KEYS = ANOTHER_KEY
    good = prepare()

    rail.submit([good])

    assert row(sealed).file.handed_at is None
    assert row(good).file.handed_by == "the folder"


# The account.


def test_what_is_in_no_file_goes_by_the_account_that_pays_now(rail, waiting):
    BankAccount.objects.update(is_enabled=False)
    second = connect(name="second", iban=PAYEE_2)

    rail.submit([waiting])

    assert (row(waiting).account, row(waiting).file.account) == (second, second)
    assert (len(out()), len(out("second"))) == (0, 1)


def test_what_no_account_pays_waits_and_says_so_and_goes_on(rail, waiting, look):
    BankAccount.objects.update(is_enabled=False)
    connect(name="test-mode", iban=PAYEE_2, livemode=False)

    (told,) = rail.submit([waiting])

    assert told.evidence == {"said": ACCOUNT_IS_OFF}
    assert (look(waiting).needs_person, row(waiting).file) == (True, None)
    BankAccount.objects.update(is_enabled=True)
    rail.submit([waiting])
    assert (look(waiting).needs_person, row(waiting).account.name) == (False, "main")
    assert len(out()) == 1


def test_what_is_in_a_file_stays_with_its_account(rail, account, sent):
    BankAccount.objects.update(is_enabled=False)
    second = connect(name="second", iban=PAYEE_2)

    rail.submit([sent])

    assert (row(sent).account, out("second")) == (account, {})
    with pytest.raises(IntegrityError, match="for ever"), transaction.atomic():
        BankTransfer.objects.update(account=second)


def test_the_account_that_was_connected_first_pays_new_transfers(rail, account, prepare):
    connect(name="second", iban=PAYEE_2)

    assert row(prepare()).account == account
    assert account.iban == OURS
    BankAccount.objects.filter(pk=account.pk).update(is_enabled=False)
    assert row(prepare()).account.name == "second"


# What people take.


def test_a_marker_without_a_hand_over_is_not_taken_for_one(account, by_person_then_folder):
    folders.place_waiting_files([account.pk])

    file = BankFile.objects.get()
    assert (file.handed_at, file.placed_in, out()) == (None, None, {})
    folders.place_again(file)
    file.refresh_from_db()
    assert (file.handed_by, len(out())) == ("the folder", 1)
    assert file.given_again_at is not None


@pytest.fixture
def by_person_then_folder(account, rail, prepare):
    """A person began to take it and her server died; then the account's way was changed."""
    BankAccount.objects.update(delivery="download")
    rail.submit([prepare()])
    folders.mark_handed(BankFile.objects.get(), by="ada")
    BankAccount.objects.update(delivery="folder")


def test_a_file_that_goes_by_download_is_put_into_no_folder(by_person):
    folders.hand_over(by_person.pk, by="ada")
    by_person.refresh_from_db()

    with pytest.raises(folders.HandedOver, match="by a person"):
        folders.place_again(by_person)

    assert out() == {}


def test_a_file_that_still_lies_in_its_folder_is_not_put_there_again(account, send):
    send()
    file = BankFile.objects.get()

    with pytest.raises(folders.HandedOver, match="lies there"):
        folders.place_again(file)

    file.refresh_from_db()
    assert file.given_again_at is None


@pytest.mark.parametrize("network", ["", "sepa"])
def test_while_frozen_no_file_is_given_to_anybody(by_person, network):
    frozen = Freeze.objects.create(network=network, reason="x")

    with pytest.raises(folders.HandedOver, match="frozen"):
        folders.hand_over(by_person.pk, by="ada")

    by_person.refresh_from_db()
    assert (by_person.handed_at, folders.is_marked(by_person)) == (None, False)
    Freeze.objects.filter(pk=frozen.pk).update(lifted_at=timezone.now())
    assert folders.hand_over(by_person.pk, by="ada")[1] is True


def test_while_frozen_nothing_is_put_into_the_folder_again(account, send, bank):
    send()
    bank.take()
    Freeze.objects.create(network="sepa", reason="x")
    file = BankFile.objects.get()

    with pytest.raises(folders.HandedOver, match="frozen"):
        folders.place_again(file)

    file.refresh_from_db()
    assert (file.given_again_at, out()) == (None, {})
