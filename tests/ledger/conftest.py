"""A user with 1,000 units, the house beside her, and calls that are made to meet."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import psycopg
import pytest
from django.db import connection

from engine.ledger import accounts
from engine.ledger.models import Movement
from engine.ledger.services import balance_of, move, open_account

FUNDS_UNITS = 1_000
LOCK_SECONDS_MAX = 10
WAITING_FOR_SOMEBODY = "SELECT count(*) FROM pg_locks WHERE %s = ANY(pg_blocking_pids(pid))"


@pytest.fixture
def opened(db):
    """Opens an account of the kind its code says."""

    def open_it(code, asset="USDT", livemode=True):
        kind = accounts.kind_of(code)
        return open_account(code=code, asset=asset, livemode=livemode, **kind)

    return open_it


@pytest.fixture
def custody(opened):
    return opened(accounts.custody("tron"))


@pytest.fixture
def fees(opened):
    return opened(accounts.fees())


@pytest.fixture
def available(opened, custody):
    account_id = opened(accounts.end_user_available(1, "tron"))
    move(reference="deposit:1", debit=custody, credit=account_id, units=FUNDS_UNITS)
    return account_id


@pytest.fixture
def held(opened, available):
    return opened(accounts.end_user_held(1, "tron"))


@pytest.fixture
def nothing_moved(available, held):
    """Called after a refusal: the user has what she had, and no movement was written."""

    def look():
        assert balance_of(account_id=available) == FUNDS_UNITS
        assert balance_of(account_id=held) == 0
        assert list(Movement.objects.values_list("reference", flat=True)) == ["deposit:1"]

    return look


@pytest.fixture
def sql():
    """Runs SQL as the tables' owner, who we are, and returns its rows if it has any."""

    def run(statement, *parameters):
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else None

    return run


@pytest.fixture
def other(transactional_db):
    """Somebody else's connection, with a database transaction that stays open."""
    parameters = connection.get_connection_params()
    keys = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{key: parameters[key] for key in keys}) as session:
        yield session
        session.rollback()


@pytest.fixture
def elsewhere(other):
    """Runs a call on a thread and connection of its own; returns its future."""

    def call(function, **arguments):
        try:
            return function(**arguments)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        yield lambda function, **arguments: pool.submit(call, function, **arguments)
        # A test that failed half-way must not leave a thread waiting for `other`.
        other.rollback()


@pytest.fixture
def wait_until_somebody_waits_for(transactional_db):
    """Threads that merely start together meet by luck; this makes them meet."""

    def wait(session):
        pid = session.execute("SELECT pg_backend_pid()").fetchone()[0]
        deadline = monotonic() + LOCK_SECONDS_MAX
        while monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute(WAITING_FOR_SOMEBODY, [pid])
                if cursor.fetchone()[0]:
                    return
            sleep(0.01)
        pytest.fail("nobody waited: the row is not locked")

    return wait
