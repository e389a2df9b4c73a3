"""The database backend: a kept connection is looked at, not asked."""

import pytest
from django.db import DataError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from tests.meeting import Session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def end_connection():
    """Whatever became of it here, the next test begins with another."""
    yield
    connection.close()


def backend_pid():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def throw_out(pid):
    """End another's connection, as a restart of the server does, and wait until it is gone."""

    def end():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            return cursor.fetchone()[0]

    assert Session(end).wait()


def test_a_connection_that_stands_is_usable_without_a_question():
    backend_pid()

    with CaptureQueriesContext(connection) as queries:
        assert connection.is_usable()
    assert len(queries) == 0


def test_a_connection_that_the_server_ended_is_not_usable():
    throw_out(backend_pid())

    assert not connection.is_usable()


def test_a_request_after_a_restart_gets_a_new_connection_and_no_error():
    pid = backend_pid()
    throw_out(pid)
    # What a request begins with.
    connection.close_if_unusable_or_obsolete()

    assert backend_pid() != pid


def test_without_the_look_the_request_would_have_failed():
    throw_out(backend_pid())

    with pytest.raises(OperationalError):
        backend_pid()


def test_a_connection_in_a_failed_transaction_is_not_usable():
    connection.ensure_connection()
    connection.set_autocommit(False)
    try:
        with pytest.raises(DataError), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        assert not connection.is_usable()
    finally:
        connection.rollback()
        connection.set_autocommit(True)


def test_a_closed_connection_is_not_usable():
    connection.ensure_connection()
    connection.connection.close()

    assert not connection.is_usable()
