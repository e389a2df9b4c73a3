"""A worker that dies at any line of the rail's, and another that goes on from there.

Goal: the bank gets every transfer once. Method: every line that runs is the last one, each
in a turn of its own; what died is followed by what a new worker would do. The program that
empties the folder comes by before she does, or only at the end.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from django.conf import settings
from django.db import connection

import engine.rails.bank
from engine.rails.bank.statements import read_bank_file
from engine.rails.base import Outcome
from engine.rails.models import BankFile, BankStatement, BankTransfer
from tests.rails.bank.bank import entry, statement
from tests.rails.bank.play import out, row

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

CODE = str(Path(engine.rails.bank.__file__).parent)
# These only compute: they keep nothing and hand over nothing.
QUIET = {
    "references.py", "ibans.py", "payees.py", "writing.py", "reading.py", "entries.py",
    "reports.py", "failures.py",
}  # fmt: skip


class Killed(BaseException):
    """What no line of ours can catch by naming Exception."""


class Deaths:
    """Runs a call again and again, each time to a line that it has not yet died at."""

    def __init__(self):
        self.died_at = set()
        self.error = None

    def turn(self, call):
        """Whether the call died, as a process does: its connection is gone with it."""
        before = len(self.died_at)
        thread = Thread(target=self._run, args=(call,), daemon=True)
        thread.start()
        thread.join()
        _drop_locks()
        if self.error is not None:
            raise self.error
        return len(self.died_at) > before

    def _run(self, call):
        sys.settrace(self._trace)
        try:
            call()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self.error = error
        finally:
            sys.settrace(None)
            if connection.connection is not None:
                connection.connection.close()

    def _trace(self, frame, event, _):
        path = Path(frame.f_code.co_filename)
        if str(path.parent) != CODE or path.name in QUIET:
            return None
        place = (path.name, frame.f_lineno)
        if event == "line" and place not in self.died_at:
            self.died_at.add(place)
            raise Killed
        return self._trace


def _drop_locks():
    """A process that dies lets go of its files, whatever it was doing with them."""
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if link.readlink().is_relative_to(settings.BANK_DIR):
                os.close(int(link.name))


@pytest.mark.parametrize("comes_by", ["before", "at the end"])
def test_a_worker_that_dies_at_any_line_sends_each_transfer_once(
    rail, account, bank, prepare, comes_by
):
    deaths = Deaths()
    rail.submit([prepare()])
    bank.take()
    died = True
    while died:
        batch = [prepare()]
        died = deaths.turn(lambda batch=batch: rail.submit(batch))
        if comes_by == "before":
            bank.take()
        rail.submit(batch)
        bank.take()
        assert row(batch[0]).file.handed_at is not None
        assert bank.paid.count(batch[0].reference) == 1

    assert len(deaths.died_at) > 80
    assert sorted(bank.paid) == sorted(
        BankTransfer.objects.values_list("end_to_end_id", flat=True)
    )
    assert set(bank.files) == set(BankFile.objects.values_list("message_id", flat=True))
    assert out() == {}


def test_a_reader_that_dies_at_any_line_has_read_all_or_nothing(rail, account, send):
    deaths = Deaths()
    died = True
    while died:
        batch = send(2)
        content = statement(*[entry(row(one)) for one in batch])
        died = deaths.turn(
            lambda content=content: read_bank_file(content, file_name="x", by="ada")
        )
        ended = {row(one).finished_at is not None for one in batch}
        read = BankStatement.objects.count()
        assert len(ended) == 1

        _, is_new = read_bank_file(content, file_name="x", by="bob")

        assert is_new is not ended.pop()
        assert BankStatement.objects.count() == read + is_new
        assert [one.outcome for one in rail.look_up(batch)] == [Outcome.FINAL] * 2
    assert len(deaths.died_at) > 40
