"""The fence looks at all that a host can know, each time, and believes nothing for long."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from engine.payouts import consolidation, fence, journal, sending
from engine.payouts.models import Fence, Freeze, Journal, Payout
from engine.rails.models import Attempt
from tests.cast import USDT, drain_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pay(promise, execute):
    """Execute one more payout and let this process's worker end it."""

    def run():
        quote = promise(units=5 * USDT)
        execute(quote)
        drain_once()
        drain_once()
        return Payout.objects.get(pk=quote.payout_id)

    return run


class Witness:
    """A rail's statement that says what it was told to, and counts how often it was asked."""

    def __init__(self):
        self.asked, self.says = 0, ""

    def ahead_of_us(self):
        self.asked += 1
        return self.says


@pytest.fixture
def witness(monkeypatch):
    witness = Witness()
    witness.terms_of = lambda batch: [{} for _ in batch]
    monkeypatch.setattr(fence, "statement_of", lambda _rail: witness)
    return witness


def as_another_worker():
    """From here on this process is a new worker; returns the journal of the one it was."""
    was = journal._writers.pop(os.getpid())
    fence._believe_nothing()
    return was


def test_an_idle_worker_sees_that_the_journal_of_a_busy_one_is_ahead(pay):
    pay()
    idle = as_another_worker()
    pay()
    pay()
    busy = as_another_worker()
    assert idle.id != busy.id
    journal._writers[os.getpid()] = idle
    assert fence.check() is True

    # The backup was taken before the busy one's last two.
    Journal.objects.filter(pk=busy.id).update(position=0)

    assert fence.check() is False
    assert Fence.objects.get().why.startswith(f"Journal {busy.id} has counted to 2")
    journal._writers[0] = busy


def test_an_idle_worker_sees_a_journal_that_the_database_forgot(pay):
    pay()
    idle = as_another_worker()
    pay()
    busy = as_another_worker()
    journal._writers[os.getpid()], journal._writers[0] = idle, busy

    Journal.objects.filter(pk=busy.id).delete()

    assert fence.check() is False


def test_a_check_asks_the_database_once_and_reads_no_file_again(
    pay, monkeypatch, django_assert_num_queries
):
    pay()
    assert fence.check() is True
    monkeypatch.setattr(journal, "_read_position", lambda path: pytest.fail(f"read {path}"))

    with django_assert_num_queries(1):
        assert fence.check() is True


def test_a_file_that_has_grown_is_read_again(pay, settings):
    pay()
    assert fence.check() is True
    [(_, folder)] = journal.folders(settings.JOURNAL_DIR)
    [file] = journal.files(folder)
    file.write_bytes(file.read_bytes().replace(b'"position": 1', b'"position": 9'))
    os.utime(file)

    assert fence.check() is False


def test_the_outside_is_asked_again_over_each_connection(pay, witness):
    pay()
    pay()
    assert witness.asked == 1

    connection.close()
    witness.says = "a chain has more of us than we know"
    made = pay()

    assert (made.status, Fence.objects.get().why) == ("sending", witness.says)
    assert witness.asked == 2


def test_the_outside_is_asked_again_when_the_tables_were_made_anew(pay, witness):
    pay()
    with connection.cursor() as cursor:
        # What pg_restore --clean does under a connection that stays.
        cursor.execute("CREATE TABLE made_anew (LIKE payouts_fence INCLUDING ALL)")
        cursor.execute("ALTER TABLE payouts_fence RENAME TO fence_of_before")
        cursor.execute("ALTER TABLE made_anew RENAME TO payouts_fence")
    try:
        assert fence.check() is True
        assert not fence._kept
        assert not fence._agreed
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE payouts_fence")
            cursor.execute("ALTER TABLE fence_of_before RENAME TO payouts_fence")


def test_a_fence_makes_its_worker_forget_what_it_knew(pay, witness):
    pay()
    assert fence._kept
    assert fence._agreed

    fence.put_up("tested")

    assert not fence._kept
    assert not fence._agreed


def test_a_send_under_the_number_of_a_forgotten_one_is_written_down(pay, promise, execute):
    pay()
    taken = Attempt.objects.get().pk
    quote = promise(units=5 * USDT)
    execute(quote)
    sending.prepare_due([quote.payout_id])
    with connection.cursor() as cursor:
        # The older database counts its attempts from where it was.
        cursor.execute("ALTER TABLE rails_attempt DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE rails_sendevidence DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM rails_sendevidence")
        cursor.execute("DELETE FROM rails_attempt WHERE id = %s", [taken])
        cursor.execute(
            "UPDATE rails_attempt SET id = %s WHERE payout_id = %s", [taken, quote.payout_id]
        )
        cursor.execute("SELECT zopay_test_enable_always('rails_attempt')")
        cursor.execute("SELECT zopay_test_enable_always('rails_sendevidence')")

    assert len(fence.let_out(sending.live_attempts([quote.payout_id]))) == 1

    assert Journal.objects.get().position == 2


@pytest.fixture
def idle_for_months(pay, settings):
    """A journal of two files, whose worker is gone; returns its folder."""
    pay()
    [(_, folder)] = journal.folders(settings.JOURNAL_DIR)
    [file] = journal.files(folder)
    today = datetime.now(UTC).date()
    file.rename(folder / f"{today - timedelta(days=90)}.jsonl")
    fence.forget()
    pay()
    pay()
    [_, newer] = journal.files(folder)
    newer.rename(folder / f"{today - timedelta(days=60)}.jsonl")
    fence.forget()
    assert Journal.objects.get().position == 3
    return folder


def test_pruning_keeps_the_newest_file_of_each_journal(idle_for_months, capsys):
    oldest, newest = journal.files(idle_for_months)

    call_command("prune_journals", older_than_days=30)

    assert journal.files(idle_for_months) == [newest]
    assert capsys.readouterr().out == f"{oldest}\n1 files are deleted.\n"
    assert journal.last_position(idle_for_months) == 3
    assert fence.check() is True


def test_pruning_deletes_nothing_that_is_younger(idle_for_months):
    call_command("prune_journals", older_than_days=100)

    assert len(journal.files(idle_for_months)) == 2


@pytest.mark.parametrize("days", [0, -1, 10**9])
def test_pruning_refuses_days_that_mean_nothing(idle_for_months, days):
    with pytest.raises(CommandError):
        call_command("prune_journals", older_than_days=days)

    assert len(journal.files(idle_for_months)) == 2


def test_a_journal_whose_files_were_all_deleted_by_hand_raises_no_alarm(idle_for_months, pay):
    for one in journal.files(idle_for_months):
        one.unlink()

    assert fence.check() is True
    pay()

    assert (Fence.objects.exists(), Journal.objects.get().position) == (False, 4)
    assert journal.last_position(idle_for_months) == 4


def test_consolidating_from_a_host_without_a_journal_does_not_freeze_the_house(
    pay, settings, tmp_path
):
    pay()
    fence.forget()
    settings.JOURNAL_DIR = tmp_path / "an operator's own"

    assert consolidation.may_send("ethereum") is True
    assert (Fence.objects.exists(), Freeze.objects.exists()) == (False, False)

    fence.put_up("tested")
    assert consolidation.may_send("ethereum") is False
