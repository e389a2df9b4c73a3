"""The journal: on the disk before a rail hears of it, whatever breaks."""

import errno
import os
from stat import S_ISREG

import pytest
from django.db import OperationalError

from engine.payouts import fence, journal
from engine.payouts.models import Fence, Journal
from engine.rails.errors import RailUnavailable
from engine.rails.models import Attempt, SendEvidence
from engine.rails.simulated import SimulatedRail
from tests.cast import drain_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(payout, finish):
    finish()
    payout.refresh_from_db()
    return payout


def test_two_workers_never_write_one_journal(payout):
    """A journal is locked by who writes it; the next one gets another."""
    first = journal._take()
    with journal._locked_home() as home:
        second = journal._take_free(home) or journal.begin(home)

    assert first.id != second.id


def test_a_full_disk_sends_nothing_and_counts_nothing(
    payout, promise, execute, finish, monkeypatch
):
    execute(promise())
    written = os.write

    def full(file, batch):
        # One whole line of the two, and a part of the other.
        written(file, batch[: len(batch) * 3 // 4])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal.os, "write", full)
    for _ in range(3):
        drain_once()

    assert SendEvidence.objects.filter(kind="submit").exists() is False
    assert Journal.objects.get().position == 0
    monkeypatch.undo()
    fence.forget()
    finish()
    payout.refresh_from_db()
    assert (payout.status, Fence.objects.exists()) == ("delivered", False)
    assert Journal.objects.get().position == 1


def test_a_folder_that_may_not_be_written_sends_nothing(payout, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError

    monkeypatch.setattr(journal.os, "open", refuse)

    drain_once()

    assert Attempt.objects.get().evidence.count() == 0


def test_a_line_that_was_broken_off_is_ended_by_the_next_writer(paid, promise, execute, finish):
    [(_, folder)] = journal.folders(journal.settings.JOURNAL_DIR)
    [file] = journal.files(folder)
    file.write_bytes(file.read_bytes() + b'{"position": 2, "written_at')
    Journal.objects.update(position=2)
    fence.forget()

    execute(promise())
    finish()

    assert journal.last_position(folder) == 3
    assert [line is None for _, line in journal.lines_after(folder, 0)] == [False, False]
    assert Fence.objects.exists() is False


def test_the_journal_is_for_its_owner_alone(paid, settings):
    [(_, folder)] = journal.folders(settings.JOURNAL_DIR)
    [file] = journal.files(folder)

    modes = [oct(path.stat().st_mode & 0o777) for path in (settings.JOURNAL_DIR, folder, file)]
    assert modes == ["0o700", "0o700", "0o600"]


def test_a_line_is_on_the_disk_before_the_rail_hears_of_it(payout, monkeypatch, settings):
    told, sync = [], os.fsync

    def watched_sync(descriptor):
        if S_ISREG(os.fstat(descriptor).st_mode):
            told.append("disk")
        sync(descriptor)

    monkeypatch.setattr(journal.os, "fsync", watched_sync)
    submit = SimulatedRail.submit

    def watched(self, batch):
        told.append("rail")
        return submit(self, batch)

    monkeypatch.setattr(SimulatedRail, "submit", watched)

    drain_once()

    assert told == ["disk", "rail"]


def test_a_rail_that_is_asked_in_vain_does_not_fill_the_disk(payout, monkeypatch, settings):
    def away(_self, _batch):
        raise RailUnavailable("away")

    monkeypatch.setattr(SimulatedRail, "submit", away)

    for _ in range(3):
        drain_once()

    assert Journal.objects.get().position == 1


def test_test_payouts_are_in_no_journal(promise, execute, finish):
    execute(promise(livemode=False))
    finish()

    assert Journal.objects.exists() is False


def test_a_day_has_a_file_of_its_own_and_no_file_is_older_than_the_last(paid, settings):
    [(_, folder)] = journal.folders(settings.JOURNAL_DIR)
    journal.files(folder)[0].rename(folder / "2999-01-01.jsonl")
    fence.forget()

    journal.keep(['{"a": 1}'])

    assert [path.name for path in journal.files(folder)] == ["2999-01-01.jsonl"]
    assert journal.last_position(folder) == 2


def test_a_database_that_died_before_it_answered_is_not_taken_for_another(
    monkeypatch, settings
):
    journal.keep(['{"n": 1}'])
    real = journal._raise

    def commits_and_dies(*args, **kwargs):
        real(*args, **kwargs)
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(journal, "_raise", commits_and_dies)
    for _ in range(3):
        with pytest.raises(OperationalError):
            journal.keep(['{"n": 2}'])
    monkeypatch.setattr(journal, "_raise", real)
    journal.keep(['{"n": 3}'])

    (folder,) = [path for _, path in journal.folders(settings.JOURNAL_DIR)]
    assert [line["n"] for _, line in journal.lines_after(folder, 0)] == [1, 3]
    assert Journal.objects.get().position == journal.last_position(folder) == 5
    assert fence.check()
