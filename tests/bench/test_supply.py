"""Quotes and histories that were written by SQL are as good as those of the engine."""

from types import SimpleNamespace

import psycopg
import pytest
from django.db import connection

from bench import history, supply
from engine.payouts.models import Payout, PayoutEvent, Quote
from tests.cast import Api, drain_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def prepared(fee_schedule, monkeypatch):
    """A supply of quotes for four users, in the tests' database."""
    monkeypatch.setattr(supply, "USERS", 4)
    monkeypatch.setattr(history, "USERS", 4)
    where = connection.get_connection_params()
    options = {name: where[name] for name in ("host", "port", "user", "password", "dbname")}
    house = SimpleNamespace(connect=lambda: psycopg.connect(**options, autocommit=True))
    yield supply.Supply(house)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bench_user")


def test_a_copied_quote_is_executed_and_delivered_like_any_other(prepared, rail_at_once):
    numbers = prepared.take(8)
    api = Api(prepared.cast.key, livemode=True)
    answers = [
        api.post("/payouts", {"quote_id": quote_id}) for quote_id in prepared.quote_ids(numbers)
    ]
    drain_once()

    assert [answer.status_code for answer in answers] == [201] * 8
    assert Payout.objects.filter(status="delivered").count() == 8
    assert Payout.objects.values("available_account_id").distinct().count() == 4
    seen = [api.get(f"/payouts/{one}") for one in prepared.payout_ids(numbers)]
    assert {answer.status_code for answer in seen} == {200}


def test_numbers_are_handed_out_once(prepared):
    first, second = prepared.take(3), prepared.take(2)

    assert (list(first), list(second)) == ([1, 2, 3], [4, 5])
    assert prepared.skip(10) == 6
    assert list(prepared.take(1)) == [16]
    # And the one that all were copied from.
    assert Quote.objects.count() == 7


def test_a_history_is_copies_of_a_delivered_payout(prepared, rail_at_once):
    [quote_id] = prepared.quote_ids(prepared.take(1))
    api = Api(prepared.cast.key, livemode=True)
    api.post("/payouts", {"quote_id": quote_id})
    drain_once()
    events = PayoutEvent.objects.count()

    history.grow(prepared, 5)

    assert Payout.objects.filter(status="delivered").count() == 6
    assert PayoutEvent.objects.count() == 6 * events
    page = api.get("/payouts").json()["data"]
    assert len(page) == 6
    assert {one["status"] for one in page} == {"delivered"}
