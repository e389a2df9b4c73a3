"""Two who want the same money at the same time: made to meet, not hoped to."""

import pytest
from django.db import connection, transaction
from psycopg import IsolationLevel

from engine.ledger import accounts
from engine.ledger.errors import AlreadyMoved, InsufficientFunds
from engine.ledger.models import Account, Movement
from engine.ledger.services import Move, balance_of, move, move_many, open_account

pytestmark = pytest.mark.django_db(transaction=True)

MOVE = "SELECT ledger_move(%s, %s, %s, %s)"


def move_one_of_many(*, reference, debit, credit, units):
    move_many([Move(reference, debit, credit, units)])


WAYS = pytest.mark.parametrize("way", [move, move_one_of_many])


@WAYS
def test_two_debits_of_one_account_cannot_overdraw_it(
    available, held, other, elsewhere, wait_until_somebody_waits_for, way
):
    other.execute(MOVE, ["payout:1:hold", available, held, 600])

    second = elsewhere(way, reference="payout:2:hold", debit=available, credit=held, units=600)
    wait_until_somebody_waits_for(other)
    other.commit()

    with pytest.raises(InsufficientFunds):
        second.result()
    assert balance_of(account_id=available) == 400
    assert balance_of(account_id=held) == 600


@WAYS
def test_a_debit_that_waited_is_judged_by_what_is_left(
    available, held, other, elsewhere, wait_until_somebody_waits_for, way
):
    other.execute(MOVE, ["payout:1:hold", available, held, 600])

    second = elsewhere(way, reference="payout:2:hold", debit=available, credit=held, units=400)
    wait_until_somebody_waits_for(other)
    other.commit()

    second.result()
    assert balance_of(account_id=available) == 0


@WAYS
def test_two_debits_of_a_hot_account_cannot_overdraw_it(
    available, fees, other, elsewhere, wait_until_somebody_waits_for, way
):
    somebody = open_account(code="user:2:tron:available", asset="USDT", livemode=True)
    move(reference="fee:1", debit=available, credit=fees, units=50)
    other.execute(MOVE, ["refund:1", fees, available, 30])

    second = elsewhere(way, reference="refund:2", debit=fees, credit=somebody, units=30)
    wait_until_somebody_waits_for(other)
    other.commit()

    with pytest.raises(InsufficientFunds):
        second.result()
    assert balance_of(account_id=fees) == 20
    assert balance_of(account_id=somebody) == 0


@pytest.mark.parametrize("code", ["user:1:tron:available", "fees"])
def test_an_older_snapshot_fails_and_does_not_overdraw(available, held, fees, other, sql, code):
    move(reference="fee:1", debit=available, credit=fees, units=500)
    account = Account.objects.get(code=code).pk
    # Two recipients, so that the two debits meet in the debited account alone.
    somebody = open_account(code="user:2:tron:available", asset="USDT", livemode=True)
    other.isolation_level = IsolationLevel.REPEATABLE_READ
    other.execute("SELECT count(*) FROM ledger_account")
    move(reference="first:1", debit=account, credit=held, units=500)

    with pytest.raises(Exception, match="could not serialize"):
        other.execute(MOVE, ["second:1", account, somebody, 500])

    assert balance_of(account_id=account) == 0


@WAYS
def test_opposite_movements_pass_each_other(
    available, held, other, elsewhere, wait_until_somebody_waits_for, way
):
    move(reference="payout:1:hold", debit=available, credit=held, units=500)
    other.execute(MOVE, ["payout:2:hold", available, held, 100])

    back = elsewhere(way, reference="payout:1:release", debit=held, credit=available, units=500)
    wait_until_somebody_waits_for(other)
    other.commit()

    back.result()
    assert balance_of(account_id=available) == 900
    assert balance_of(account_id=held) == 100


@WAYS
@pytest.mark.parametrize("downwards", [False, True])
def test_the_lower_account_is_locked_first(
    available, held, other, elsewhere, wait_until_somebody_waits_for, way, downwards
):
    # Whoever waits for the lower one must not sit on the higher one already: that is the
    # half of a deadlock which no test that merely runs both ways would notice.
    move(reference="payout:1:hold", debit=available, credit=held, units=500)
    lower, higher = sorted((available, held))
    other.execute("SELECT FROM ledger_account WHERE id = %s FOR UPDATE", [lower])

    debit, credit = (higher, lower) if downwards else (lower, higher)
    waiting = elsewhere(way, reference="x", debit=debit, credit=credit, units=1)
    wait_until_somebody_waits_for(other)

    with transaction.atomic():
        free = Account.objects.select_for_update(skip_locked=True).filter(pk=higher)
        assert free.count() == len(free) == 1
    other.commit()
    waiting.result()


def test_many_moves_lock_the_lowest_account_first(
    custody, other, elsewhere, wait_until_somebody_waits_for
):
    users = [
        open_account(
            code=accounts.end_user_available(number, "tron"), asset="USDT", livemode=True
        )
        for number in range(40)
    ]
    other.execute("SELECT FROM ledger_account WHERE id = %s FOR UPDATE", [min(users)])

    waiting = elsewhere(
        move_many,
        moves=[Move(f"deposit:{user}", custody, user, 5) for user in reversed(users)],
    )
    wait_until_somebody_waits_for(other)

    with transaction.atomic():
        free = Account.objects.select_for_update(skip_locked=True).filter(pk__in=users)
        assert len(free) == 39
    other.commit()
    assert waiting.result() == 40


def test_hot_accounts_let_everybody_through(available, custody, other):
    # Two payouts settle at once into one custody account; neither waits.
    somebody = open_account(code="user:2:tron:available", asset="USDT", livemode=True)
    move(reference="deposit:2", debit=custody, credit=somebody, units=10)
    other.execute(MOVE, ["payout:1:settle", available, custody, 10])

    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '2s'")
        move(reference="payout:2:settle", debit=somebody, credit=custody, units=10)
        cursor.execute("RESET lock_timeout")

    other.commit()
    assert balance_of(account_id=custody) == -990


@WAYS
def test_one_reference_moves_once_for_two_at_once(
    available, held, other, elsewhere, wait_until_somebody_waits_for, way
):
    other.execute(MOVE, ["payout:1:hold", available, held, 100])

    second = elsewhere(way, reference="payout:1:hold", debit=available, credit=held, units=100)
    wait_until_somebody_waits_for(other)
    other.commit()

    with pytest.raises(AlreadyMoved):
        second.result()
    assert balance_of(account_id=held) == 100
    assert Movement.objects.filter(reference="payout:1:hold").count() == 1


def test_two_who_open_one_account_get_one(other, elsewhere, wait_until_somebody_waits_for):
    call = "SELECT ledger_open_account('user:1:tron:held', 'USDT', true, false, false)"
    [first] = other.execute(call).fetchone()

    second = elsewhere(open_account, code="user:1:tron:held", asset="USDT", livemode=True)
    wait_until_somebody_waits_for(other)
    other.commit()

    assert second.result() == first
    assert Account.objects.count() == 1
