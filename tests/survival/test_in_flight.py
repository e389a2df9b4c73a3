"""Who is killed while an execute is under way: nothing of it stays, or all of it."""

import os
import signal
from contextlib import contextmanager

import psycopg
import pytest

from tests.survival.counting import traces_of
from tests.survival.door import Caller, Execute
from zopay_site.embedded import children

pytestmark = [pytest.mark.survival, pytest.mark.timeout(60, func_only=True)]

LOCK = "SELECT 1 FROM payouts_quote WHERE id = %s FOR UPDATE"
WAITING_FOR_ME = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""


@contextmanager
def caught_in_the_act(house, quote_id):
    """An execute that has reached the database and waits there, and the lock it waits for."""
    with psycopg.connect(house.postgres.url) as lock:
        lock.execute(LOCK, [Execute(quote_id, "").quote_key])
        caller = Caller(house.partner(), quote_id)
        house.wait(
            lambda: lock.execute(WAITING_FOR_ME).fetchone()[0], seconds=10, what="an execute"
        )
        yield caller, lock


def test_an_execute_under_way_when_postgresql_dies_leaves_nothing(house, paid_once):
    quote_id = house.partner().quote()
    with caught_in_the_act(house, quote_id) as (caller, lock):
        house.kill_postgres()
        asked = caller.wait()
        lock.close()
    house.start_postgres()

    assert asked.answers[0].status == 503
    assert traces_of(house, asked) == (False, False, False, False, False)
    with house.working():
        assert house.partner().repeat(asked).is_accepted
        paid_once([asked])


def test_an_execute_whose_answer_was_lost_is_answered_again_and_paid_once(house, paid_once):
    quote_id = house.partner().quote()
    web = house.child("web").pid
    with caught_in_the_act(house, quote_id) as (caller, lock):
        # The commit happens while the web server cannot read what became of it.
        os.killpg(web, signal.SIGSTOP)
        lock.rollback()
        house.wait(
            lambda: all(traces_of(house, Execute(quote_id, ""))[:4]),
            seconds=10,
            what="a commit",
        )
        children.kill_session(web)
        asked = caller.wait()
    house.wait_for_web()

    assert asked.answers[0].status == 0
    assert all(traces_of(house, asked))
    with house.working():
        assert house.partner().repeat(asked).is_accepted
        total = paid_once([asked])
    assert total.delivered == 1
