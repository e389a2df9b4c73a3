"""The tails of hot accounts are taken in whole: nothing is skipped, nothing twice."""

import pytest
from django.db import connection

from engine.ledger import rollup
from engine.ledger.checks import check
from engine.ledger.invariants import INVARIANTS
from engine.ledger.models import Account, Movement
from engine.ledger.rollup import roll_up
from engine.ledger.services import balance_of, move, open_account

MOVE = "SELECT ledger_move(%s, %s, %s, %s)"


def test_rolling_up_changes_no_balance(available, custody, fees):
    move(reference="fee:1", debit=available, credit=fees, units=7)
    last = Movement.objects.latest("id").pk

    assert roll_up() == 2

    rolled = Account.objects.filter(is_hot=True).order_by("code")
    assert list(rolled.values_list("code", "balance", "rolled_up_through")) == [
        ("custody:tron", -1_000, last),
        ("fees", 7, last),
    ]
    assert balance_of(account_id=custody) == -1_000
    assert balance_of(account_id=fees) == 7
    assert check(INVARIANTS).clean


def test_rolling_up_again_writes_nothing(available, custody):
    assert roll_up() == 1
    assert roll_up() == 0


def test_with_no_movement_there_is_nothing_to_do(custody):
    assert roll_up() == 0


def test_later_movements_are_added_to_what_is_rolled_up(available, custody):
    roll_up()
    move(reference="payout:1:settle", debit=available, credit=custody, units=300)
    assert balance_of(account_id=custody) == -700

    roll_up()

    assert Account.objects.get(pk=custody).balance == -700
    assert check(INVARIANTS).clean


def test_a_new_hot_account_s_tail_starts_where_it_was_opened(available, opened, fees):
    late = Account.objects.get(pk=opened("in_transit"))

    assert late.rolled_up_through == Movement.objects.latest("id").pk
    assert check(INVARIANTS).clean


@pytest.fixture
def gap(available, custody, other):
    """A movement that has committed, and before it one that has not."""
    somebody = open_account(code="user:2:tron:available", asset="USDT", livemode=True)
    [smaller] = other.execute(MOVE, ["early:1", custody, somebody, 5]).fetchone()
    larger = move(reference="late:1", debit=available, credit=custody, units=300)
    assert smaller < larger
    return larger


@pytest.mark.django_db(transaction=True)
def test_a_movement_still_open_is_not_left_behind(gap, custody, other, monkeypatch):
    monkeypatch.setattr(rollup, "WRITERS_SECONDS_MAX", 0.02)

    assert roll_up() == 0
    assert Account.objects.get(pk=custody).rolled_up_through == 0
    assert balance_of(account_id=custody) == -700

    other.commit()
    assert roll_up() == 1
    assert Account.objects.get(pk=custody).balance == -705
    assert Account.objects.get(pk=custody).rolled_up_through == gap
    assert check(INVARIANTS).clean


@pytest.mark.django_db(transaction=True)
def test_a_writer_who_ends_while_waited_for_is_taken_in(gap, custody, other, monkeypatch):
    monkeypatch.setattr(rollup, "sleep", lambda _: other.commit())

    assert roll_up() == 1

    assert Account.objects.get(pk=custody).balance == -705
    assert check(INVARIANTS).clean


@pytest.mark.django_db(transaction=True)
def test_a_writer_who_gives_up_is_not_missed(gap, custody, other, monkeypatch):
    monkeypatch.setattr(rollup, "sleep", lambda _: other.rollback())

    assert roll_up() == 1

    assert Account.objects.get(pk=custody).balance == -700
    assert check(INVARIANTS).clean


@pytest.mark.django_db(transaction=True)
def test_newcomers_are_not_waited_for(gap, available, custody, other, monkeypatch):
    # Under load somebody is always writing. The newcomer is us, on this thread, inside
    # the wait: `other` ends, and begins anew with a larger id.
    def end_and_begin_anew(_seconds):
        other.commit()
        other.execute(MOVE, ["new:1", available, custody, 10])

    monkeypatch.setattr(rollup, "sleep", end_and_begin_anew)

    assert roll_up() == 1
    assert Account.objects.get(pk=custody).balance == -705

    other.commit()
    assert balance_of(account_id=custody) == -695
    assert roll_up() == 1
    assert Account.objects.get(pk=custody).balance == -695


@pytest.mark.django_db(transaction=True)
def test_no_writer_waits_for_the_roll_up(gap, available, custody, other, monkeypatch):
    def write(_seconds):
        other.execute("SET LOCAL lock_timeout = '2s'")
        other.execute(MOVE, ["meanwhile:1", available, custody, 10])
        other.commit()

    monkeypatch.setattr(rollup, "sleep", write)

    assert roll_up() == 1


@pytest.mark.django_db(transaction=True)
def test_two_roll_ups_at_once_count_each_movement_once(
    available, custody, other, elsewhere, wait_until_somebody_waits_for
):
    last = Movement.objects.latest("id").pk
    other.execute(rollup._ROLL_UP, [-1_000, last, custody, 0])

    second = elsewhere(roll_up)
    wait_until_somebody_waits_for(other)
    other.commit()

    assert second.result() == 0
    assert Account.objects.get(pk=custody).balance == -1_000
    assert connection.in_atomic_block is False
