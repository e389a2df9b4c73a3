"""A backup restored after payouts were made: none is sent again, and all come back."""

import json
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from engine.common.ids import new_id
from engine.ledger.checks import check, listed_invariants
from engine.payouts import fence, journal, reconciling, sending, services
from engine.payouts.errors import PayoutsFrozen
from engine.payouts.models import Break, Fence, Journal, Payout, Quote
from engine.rails.base import rail_named
from engine.rails.models import Attempt
from tests.cast import USDT, drain_once, fund
from tests.meeting import Session
from tests.payouts import outside
from tests.restoring import Backup

pytestmark = pytest.mark.django_db(transaction=True)

PAYOUTS = 100
UNITS = 5 * USDT


@pytest.fixture(autouse=True)
def outside_that_remembers(settings, tmp_path, monkeypatch):
    monkeypatch.setenv(outside.FILE, str(tmp_path / "outside.jsonl"))
    settings.PAYOUT_RAILS = settings.PAYOUT_RAILS | {
        outside.NAME: "tests.payouts.outside.OutsideRail"
    }
    settings.PAYOUT_RAIL = outside.NAME
    rail_named.cache_clear()
    yield
    rail_named.cache_clear()


@pytest.fixture
def pay(promise, execute):
    """Execute so many payouts of 5 USDT and let workers pass until they have ended."""

    def run(number, **terms):
        quotes = [promise(units=UNITS, **terms) for _ in range(number)]
        for quote in quotes:
            execute(quote)
        for _ in range(4):
            drain_once()
        return quotes

    return run


@pytest.fixture
def staff(db):
    for name in ("alice", "bob"):
        User.objects.create_user(name, is_staff=True)


@pytest.fixture
def backup(staff, funded, pay, tmp_path):
    """A house that has paid once, and its dump."""
    pay(1)
    return Backup(tmp_path / "dump")


@pytest.fixture
def journal_file(settings):
    """The one file of the one journal."""

    def find():
        [(_, folder)] = journal.folders(settings.JOURNAL_DIR)
        [file] = journal.files(folder)
        return file

    return find


def reconcile(*words):
    told = StringIO()
    try:
        call_command("reconcile", "--json", *words, stdout=told)
        status = 0
    except SystemExit as end:
        status = end.code
    return json.loads(told.getvalue()), status


def statuses():
    return {
        status: Payout.objects.filter(status=status).count()
        for status in set(Payout.objects.values_list("status", flat=True))
    }


def test_a_hundred_payouts_made_after_the_dump_are_not_made_again(
    backup, pay, promise, execute, books
):
    made = pay(PAYOUTS)
    sent = outside.sends()
    assert len(sent) == PAYOUTS + 1
    left = books("user:ethereum:available")

    backup.restore()

    assert statuses() == {"delivered": 1}
    drain_once()
    with pytest.raises(PayoutsFrozen):
        execute(promise(units=UNITS))
    assert outside.sends() == sent

    told, status = reconcile()
    assert (status, told["clean"], told["frozen"]) == (0, True, True)
    assert (told["matched"], told["recreated"], told["seen_outside"]) == (PAYOUTS,) * 3
    drain_once()
    assert statuses() == {"delivered": PAYOUTS + 1}
    assert {quote.payout_id for quote in made} < set(
        Payout.objects.values_list("pk", flat=True)
    )
    assert books("user:ethereum:available") == left
    assert books("user:ethereum:held") == 0
    assert check(listed_invariants()).clean

    again, status = reconcile()
    assert (status, again["matched"], again["recreated"]) == (0, PAYOUTS, 0)
    call_command("unfreeze", by="alice", second="bob")
    drain_once()
    assert outside.sends() == sent
    pay(1)
    assert len(outside.sends()) == len(sent) + 1
    assert statuses() == {"delivered": PAYOUTS + 2}
    assert Fence.objects.filter(is_up=True).exists() is False


def test_nothing_that_was_executed_before_the_dump_is_sent_twice(
    backup, promise, execute, tmp_path
):
    """It was accepted and waiting when the dump was taken, and was sent afterwards."""
    quote = promise(units=UNITS)
    execute(quote)
    dump = Backup(tmp_path / "later")
    drain_once()
    drain_once()
    sent = outside.sends()

    dump.restore()
    drain_once()
    assert statuses() == {"delivered": 1, "pending": 1}

    told, _ = reconcile()
    assert (told["matched"], told["recreated"], told["clean"]) == (1, 1, True)
    drain_once()
    call_command("unfreeze", by="alice", second="bob")
    drain_once()
    assert statuses() == {"delivered": 2}
    assert outside.sends() == sent


def test_what_was_prepared_when_the_dump_was_taken_is_not_sent_twice(
    backup, promise, execute, tmp_path
):
    quote = promise(units=UNITS)
    execute(quote)
    sending.prepare_due([quote.payout_id])
    dump = Backup(tmp_path / "later")
    drain_once()
    sent = outside.sends()
    assert len(sent) == 2

    dump.restore()
    drain_once()
    drain_once()

    assert outside.sends() == sent
    told, _ = reconcile()
    assert (told["matched"], told["recreated"], told["clean"]) == (1, 0, True)
    assert statuses() == {"delivered": 2}


def test_a_quote_from_before_the_dump_that_was_executed_after_it_is_used_up(
    backup, promise, execute, tmp_path
):
    quote = promise(units=UNITS)
    dump = Backup(tmp_path / "later")
    execute(quote)
    drain_once()
    drain_once()

    dump.restore()
    reconcile()

    assert Quote.objects.get(pk=quote.pk).used_at is not None
    call_command("unfreeze", by="alice", second="bob")
    with pytest.raises(services.errors.QuoteAlreadyUsed):
        execute(quote)


def test_both_legs_of_a_bridge_come_back(backup, promise, execute, books, capsys):
    quote = promise(units=UNITS, to="polygon")
    execute(quote)
    for _ in range(6):
        drain_once()
    sent = outside.sends()
    assert statuses() == {"delivered": 2}

    backup.restore()
    told, _ = reconcile()
    drain_once()

    assert (told["matched"], told["recreated"], told["clean"]) == (2, 1, True)
    assert statuses() == {"delivered": 2}
    assert books("in_transit") == 0
    assert outside.sends() == sent
    assert check(listed_invariants()).clean


def test_a_user_who_came_after_the_dump_gets_her_own_name_back(
    backup, promise, execute, funded, books
):
    """Her number may be another's by now."""
    fund(funded, livemode=True, external_ref="late", units=50 * USDT)
    execute(promise(units=UNITS, external_ref="late"))
    drain_once()
    drain_once()

    backup.restore()
    fund(funded, livemode=True, external_ref="somebody else", units=50 * USDT)
    told, status = reconcile()

    assert status == 1
    [found] = told["breaks"]
    assert (found["kind"], found["detail"]["external_ref"]) == ("balance_short", "late")
    assert statuses() == {"delivered": 1}

    # The watcher of deposits finds hers again, and then the books can hold it.
    fund(funded, livemode=True, external_ref="late", units=50 * USDT)
    told, status = reconcile()
    drain_once()
    assert (status, told["recreated"]) == (0, 1)
    payout = Payout.objects.latest("created_at")
    assert (payout.end_user.external_ref, payout.status) == ("late", "delivered")
    assert Break.objects.get().resolution == "gone at a later reconciliation"
    assert check(listed_invariants()).clean


def test_a_partner_who_came_after_the_dump_is_a_break(backup, pay, journal_file):
    pay(1)
    text = journal_file().read_text()
    journal_file().write_text(
        text.replace(str(Payout.objects.first().partner_id), str(new_id()))
    )
    backup.restore()

    told, status = reconcile()

    assert (status, [one["kind"] for one in told["breaks"]]) == (1, ["partner_unknown"])


def test_a_spoilt_line_is_a_break_and_a_torn_one_is_not(backup, pay, journal_file):
    pay(3)
    file = journal_file()
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    file.write_bytes(b"".join([*lines[:2], lines[2][:100] + b"\n", lines[3], lines[3][:50]]))
    backup.restore()

    told, status = reconcile()

    assert (status, told["matched"]) == (1, 2)
    [found] = told["breaks"]
    assert (found["kind"], found["what"].partition(" ")[2]) == (
        "journal_torn",
        f"{file.name}:3",
    )


def test_a_break_is_closed_by_a_person_who_says_what_it_was(backup, pay, journal_file):
    pay(1)
    file = journal_file()
    file.write_bytes(file.read_bytes() + b"spoilt\n" + file.read_bytes())
    backup.restore()
    told, _ = reconcile()
    [found] = told["breaks"]

    call_command("resolve_break", str(found["id"]), "--by", "alice", "--because", "a test")

    told, status = reconcile()
    assert (status, told["breaks"]) == (0, [])
    assert Break.objects.get().owner == "alice"


def test_a_second_attempt_comes_back_and_the_first_stays_dead(backup, pay, journal_file):
    pay(1)
    file = journal_file()
    last = json.loads(file.read_bytes().splitlines()[-1])
    second = last | {"attempt": last["attempt"] | {"number": 2, "reference": "another"}}
    file.write_bytes(file.read_bytes() + json.dumps(second).encode() + b"\n")
    backup.restore()

    told, _ = reconcile()

    assert (told["matched"], told["recreated"]) == (2, 1)
    attempts = Attempt.objects.filter(payout_id=last["payout"]["id"]).order_by("number")
    assert [(one.number, one.state) for one in attempts] == [(1, "dead"), (2, "live")]


def test_what_the_tables_refuse_is_a_break_and_the_rest_comes_back(backup, pay, journal_file):
    pay(2)
    lines = [json.loads(line) for line in journal_file().read_bytes().splitlines()]
    lines[1]["attempt"]["reference"] = "longer than any column holds" * 9
    journal_file().write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    backup.restore()

    told, status = reconcile()

    assert (status, told["recreated"]) == (1, 1)
    assert [one["kind"] for one in told["breaks"]] == ["cannot_recall"]
    assert statuses() == {"delivered": 2}


def test_two_do_not_reconcile_at_once(backup):
    with reconciling.alone():
        second = Session(reconcile)
        with pytest.raises(CommandError, match="Somebody else"):
            second.wait()


def test_a_house_that_was_not_restored_has_nothing_to_match(backup, pay):
    pay(3)

    told, status = reconcile()

    assert (status, told["matched"], told["clean"], told["frozen"]) == (0, 0, True, False)
    assert statuses() == {"delivered": 4}


def test_another_hosts_journals_are_read_from_a_copy(backup, pay, settings, tmp_path):
    home = settings.JOURNAL_DIR
    fence.forget()
    settings.JOURNAL_DIR = tmp_path / "another host"
    call_command("add_journal")
    pay(2)
    backup.restore()
    settings.JOURNAL_DIR = home

    told, _ = reconcile("--journals", str(tmp_path / "another host"))

    assert (told["matched"], told["recreated"], len(told["journals"])) == (2, 2, 2)


def test_the_table_tells_a_tired_operator_what_to_do(backup, pay, capsys):
    pay(2)
    backup.restore()

    call_command("reconcile")

    said = capsys.readouterr()
    assert "2 payouts had been forgotten and are back." in said.out
    assert "unfreeze --by NAME --and NAME" in said.out
    assert "payouts matched: 2 of 2" in said.err


def test_the_journals_of_all_workers_of_a_host_are_read(backup, pay):
    before = journal.writer()
    journal._writers.clear()
    pay(2)
    assert journal.writer().id != before.id
    assert sorted(Journal.objects.values_list("position", flat=True)) == [1, 1]
    # Back among those that `forget` lets go.
    journal._writers[0] = before
    backup.restore()

    told, _ = reconcile()

    assert (told["matched"], len(told["journals"])) == (2, 2)
