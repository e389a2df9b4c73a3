"""The pages of banks, and the command: a GET asks, a POST acts, and only who may."""

from io import BytesIO, StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.urls import reverse

from engine.rails.bank.files import content_of
from engine.rails.bank.folders import folder_of, mark_handed
from engine.rails.models import BankAccount, BankFile, BankStatement, BankTransfer
from tests.rails.bank.bank import entry, statement
from tests.rails.bank.play import BIC, OURS, connect, out, row

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    """Signs somebody of that group in."""

    def sign_in(group="operator", name="ada"):
        user, _ = User.objects.get_or_create(username=name, is_staff=True)
        user.groups.set([Group.objects.get(name=group)])
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def waiting(rail, prepare):
    """A file that waits to be taken by a person."""
    connect(delivery="download")
    prepared = prepare()
    rail.submit([prepared])
    return row(prepared).file


def address(model, page, *of):
    return reverse(f"admin:rails_{model}_{page}", args=of)


def body(answer):
    return answer.content.decode()


def upload(client, content, name="camt.xml"):
    file = BytesIO(content)
    file.name = name
    return client.post(address("bankstatement", "read"), {"file": file}, follow=True)


def test_looking_at_a_file_and_its_question_takes_nothing(staff, waiting):
    client = staff()

    for page in ("change", "take"):
        for _ in range(10):
            assert client.get(address("bankfile", page, waiting.pk)).status_code == 200

    waiting.refresh_from_db()
    assert (waiting.handed_at, waiting.handed_by) == (None, "")


def test_a_file_is_taken_once_and_later_copies_are_the_same_bytes(staff, waiting):
    first = staff().post(address("bankfile", "take", waiting.pk))
    asked = staff(name="bob").get(address("bankfile", "take", waiting.pk))
    second = staff(name="bob").post(
        address("bankfile", "take", waiting.pk), {"is_copy_meant": "on"}
    )

    waiting.refresh_from_db()
    assert first.content == second.content == content_of(waiting)
    assert first["Content-Disposition"] == f'attachment; filename="{waiting.message_id}.xml"'
    assert "no-store" in first["Cache-Control"]
    assert waiting.handed_by == "ada"
    assert "taken by ada" in body(asked)
    assert "paid twice" in body(asked)
    assert list(LogEntry.objects.order_by("id").values_list("change_message", flat=True)) == [
        "Taken.",
        "Taken once more.",
    ]


@pytest.mark.parametrize("group", ["viewer", "key admin"])
def test_who_may_only_look_takes_and_reads_nothing(staff, waiting, group):
    client = staff(group)

    answers = [
        client.post(address("bankfile", "take", waiting.pk)),
        client.get(address("bankfile", "take", waiting.pk)),
        client.get(address("bankstatement", "read")),
        upload(client, b"x"),
    ]

    assert [one.status_code for one in answers] == [403] * 4
    assert client.get(address("bankfile", "change", waiting.pk)).status_code == 200
    waiting.refresh_from_db()
    assert waiting.handed_at is None
    assert BankStatement.objects.count() == 0


def test_a_lost_file_is_put_into_its_folder_again_by_a_person(staff, account, send):
    send()
    ((name, content),) = out().items()
    file = BankFile.objects.get()
    (folder_of(account) / "out" / name).unlink()
    client = staff()
    client.get(address("bankfile", "put_again", file.pk))
    assert out() == {}

    client.post(address("bankfile", "put_again", file.pk))

    assert out() == {name: content}
    assert LogEntry.objects.get().change_message == "Put into the folder again."


def test_an_upload_shows_line_by_line_what_it_changed(staff, account, send):
    first, second = send(2)
    content = statement(entry(row(first)), entry(row(second), units=1))
    client = staff()

    answer = upload(client, content)
    again = upload(client, content)

    assert "Arrived: the payout is delivered" in body(answer)
    assert "Left to a person" in body(answer)
    assert first.reference in body(answer)
    assert "It changed 2 transfers" in body(answer)
    assert "read before: nothing was changed" in body(again)
    assert BankStatement.objects.get().read_by == "ada"
    assert "Elodie" not in body(answer)


@pytest.mark.parametrize("content", [b"", b"<x/>", b"<!DOCTYPE x><x/>", b" " * (21 << 20)])
def test_an_upload_that_is_none_says_so_and_changes_nothing(staff, account, send, content):
    send()
    before = list(BankTransfer.objects.values())

    answer = upload(staff(), content)

    assert answer.status_code == 200
    assert BankStatement.objects.count() == 0
    assert list(BankTransfer.objects.values()) == before


def test_no_page_shows_a_name_or_a_whole_account(staff, account, send):
    (sent,) = send()
    client = staff()
    transfer = row(sent)

    pages = [
        client.get(address("banktransfer", "changelist"), {"q": sent.reference}),
        client.get(
            address("banktransfer", "changelist"), {"q": f"pay_{transfer.payout_id.hex}"}
        ),
        client.get(address("banktransfer", "change", transfer.pk)),
        client.get(address("bankfile", "changelist")),
        client.get(address("bankfile", "change", transfer.file.pk)),
        client.get(address("bankaccount", "changelist")),
        client.get(address("bankaccount", "change", account.pk)),
        client.get(address("banklostfile", "changelist")),
        client.get(address("bankstatement", "changelist")),
    ]

    assert [one.status_code for one in pages] == [200] * 9
    assert sent.reference in body(pages[0])
    assert sent.reference in body(pages[1])
    for page in pages:
        assert "Elodie" not in body(page)
        assert transfer.iban not in body(page)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"iban": "DE88370400440532013000"}, "check digits"),
        ({"bic": "COBA"}, "not a BIC"),
        ({"holder": "Zopay SAS <&>"}, "Latin letters"),
        ({"name": "../etc"}, "Small letters"),
        ({"silent_hours": "0"}, "greater than or equal to 1"),
    ],
)
def test_an_account_that_no_bank_would_take_is_not_made(client, change, error):
    client.force_login(User.objects.create_superuser("root"))
    form = {
        "name": "main",
        "livemode": "on",
        "holder": "Zopay SAS",
        "iban": "de89 3704 0044 0532 0130 00",
        "bic": BIC,
        "is_enabled": "on",
        "delivery": "download",
        "batch_seconds": "900",
        "silent_hours": "72",
        "books_singly": "on",
        "remittance": "Payout",
    }

    refused = client.post(address("bankaccount", "add"), form | change)
    assert error in body(refused)
    assert BankAccount.objects.count() == 0
    assert client.post(address("bankaccount", "add"), form).status_code == 302
    assert BankAccount.objects.get().iban == OURS


def test_what_an_account_is_cannot_be_edited(client, account):
    client.force_login(User.objects.create_superuser("root"))
    form = {
        "holder": "Zopay SARL",
        "iban": "NL91ABNA0417164300",
        "bic": BIC,
        "is_enabled": "on",
        "delivery": "folder",
        "batch_seconds": "0",
        "silent_hours": "24",
        "remittance": "Payout",
    }

    answer = client.post(address("bankaccount", "change", account.pk), form)

    account.refresh_from_db()
    assert answer.status_code == 302
    assert (account.iban, account.holder, account.silent_hours) == (OURS, "Zopay SARL", 24)


# The command.


def test_the_command_reads_files_once_and_says_what_they_did(account, send, tmp_path):
    first, second = send(2)
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_bytes(statement(entry(row(first)), entry(row(second))))
    bad.write_bytes(b"<x/>")
    told, errors = StringIO(), StringIO()

    call_command("read_bank_file", str(good), stdout=told)
    call_command("read_bank_file", str(good), stdout=told)
    with pytest.raises(CommandError, match="1 of 2 files were not read"):
        call_command("read_bank_file", str(good), str(bad), stdout=told, stderr=errors)

    lines = told.getvalue().splitlines()
    assert lines[0] == f"{good}: camt.053.001.08, 2 changed (2 arrived)"
    assert lines[1:] == [f"{good}: was read before"] * 2
    assert "Nothing was changed" in errors.getvalue()
    assert BankStatement.objects.get().file_name == "good.xml"


def test_two_people_with_the_same_page_do_not_both_get_the_file_without_a_word(staff, waiting):
    for name in ("ada", "bob"):
        page = staff(name=name).get(address("bankfile", "take", waiting.pk))
        assert "Upload it at the bank once" in " ".join(body(page).split())

    first = staff(name="ada").post(address("bankfile", "take", waiting.pk))
    second = staff(name="bob").post(address("bankfile", "take", waiting.pk))

    assert first["Content-Type"] == "application/xml"
    assert second["Content-Type"].startswith("text/html")
    assert "taken by ada" in body(second)
    assert "second copy" in body(second)
    assert [one.change_message for one in LogEntry.objects.all()] == ["Taken."]


def test_a_person_is_warned_of_what_the_folder_knows_and_the_database_does_not(staff, waiting):
    mark_handed(waiting)

    asked = staff().get(address("bankfile", "take", waiting.pk))
    refused = staff().post(address("bankfile", "take", waiting.pk))

    for page in (asked, refused):
        assert page["Content-Type"].startswith("text/html")
        assert "paid twice" in body(page)
    waiting.refresh_from_db()
    assert waiting.handed_at is None
