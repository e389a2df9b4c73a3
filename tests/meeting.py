"""Making database sessions meet: threads that merely start together meet by luck."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from time import monotonic, sleep

import pytest
from django.db import connection

SECONDS_MAX = 10
# From pg_locks, since pg_stat_activity shows a transaction the same sessions until its end.
# Who waits for somebody who waits for me waits for me too: the second in a row of waiters
# is blocked by the first.
WAITING_FOR_ME = """
    WITH RECURSIVE waiting AS (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted),
    mine AS (
        SELECT pid FROM waiting WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))
        UNION
        SELECT w.pid FROM waiting w JOIN mine m ON m.pid = ANY(pg_blocking_pids(w.pid))
    )
    SELECT count(*) FROM mine
"""


class Session:
    """Runs one call on a connection of its own, in a thread."""

    def __init__(self, call):
        self.call, self.result, self.error = call, None, None
        self.thread = Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self.result = self.call()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self.error = error
        finally:
            connection.close()

    def wait(self):
        self.thread.join(SECONDS_MAX)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


def wait_until_somebody_waits_for_me():
    wait_until_so_many_wait_for_me(1)


def wait_until_so_many_wait_for_me(wanted):
    deadline = monotonic() + SECONDS_MAX
    while monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(WAITING_FOR_ME)
            if cursor.fetchone()[0] >= wanted:
                return
        sleep(0.01)
    pytest.fail("nobody waited: nothing is locked")


def all_at_once(calls):
    """Run each call in a thread of its own, none before all are ready."""
    gate = Barrier(len(calls))

    def run(call):
        try:
            connection.ensure_connection()
            gate.wait(timeout=60)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
