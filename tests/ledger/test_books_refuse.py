"""What PostgreSQL refuses although the tables' owner asks, and says by which rule."""

import pytest
from django.db import IntegrityError, connection, transaction

from engine.ledger.models import Account
from engine.ledger.services import Move, move, move_many

INSERT = """
INSERT INTO ledger_movement (reference, debit_id, credit_id, asset, livemode, units)
VALUES (%s, %s, %s, %s, %s, %s::text::numeric)
"""


@pytest.fixture
def refused_by(sql):
    """Runs SQL that must fail, and returns the name of the rule that refused it."""

    def run(statement, *parameters):
        with pytest.raises(IntegrityError) as refusal, transaction.atomic():
            sql(statement, *parameters)
        return refusal.value.__cause__.diag.constraint_name

    return run


def test_a_movement_is_never_changed(available, refused_by, nothing_moved):
    statement = "UPDATE ledger_movement SET units = 2000"

    assert refused_by(statement) == "movement_is_for_ever"
    nothing_moved()


def test_a_movement_is_never_deleted(available, refused_by, nothing_moved):
    assert refused_by("DELETE FROM ledger_movement") == "movement_is_for_ever"
    nothing_moved()


def test_the_movements_are_never_truncated(available, refused_by, nothing_moved):
    statement = "TRUNCATE ledger_movement CASCADE"

    assert refused_by(statement) == "movements_are_not_truncated"
    nothing_moved()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_movement SET units = 2000",
        "DELETE FROM ledger_movement",
        "TRUNCATE ledger_movement CASCADE",
    ],
)
def test_playing_a_replica_does_not_help(available, sql, statement, nothing_moved):
    sql("SET LOCAL session_replication_role = replica")

    with pytest.raises(IntegrityError), transaction.atomic():
        sql(statement)

    nothing_moved()


@pytest.mark.parametrize(
    ("units", "rule"),
    [
        ("1.5", "units_are_whole"),
        ("0.000000000000000001", "units_are_whole"),
        ("NaN", "units_have_at_most_39_digits"),
        ("Infinity", "units_have_at_most_39_digits"),
        ("1e39", "units_have_at_most_39_digits"),
        ("0", "movement_is_positive"),
        ("-1", "movement_is_positive"),
    ],
)
def test_what_is_no_amount_is_refused(available, held, units, rule, refused_by, nothing_moved):
    assert refused_by(INSERT, "x", available, held, "USDT", True, units) == rule
    nothing_moved()


@pytest.mark.parametrize("units", ["1.5", "NaN", "Infinity", "0", "-1"])
def test_the_functions_refuse_it_too(available, held, units, sql, nothing_moved):
    with pytest.raises(IntegrityError), transaction.atomic():
        sql("SELECT ledger_move('x', %s, %s, %s::text::numeric)", available, held, units)
    nothing_moved()
    with pytest.raises(IntegrityError), transaction.atomic():
        sql(
            "SELECT ledger_move_many(ARRAY['x'], ARRAY[%s::bigint], ARRAY[%s::bigint],"
            " ARRAY[%s::text::numeric])",
            available,
            held,
            units,
        )
    nothing_moved()


def test_a_movement_has_two_accounts(available, refused_by, nothing_moved):
    rule = refused_by(INSERT, "x", available, available, "USDT", True, "1")

    assert rule == "movement_has_two_accounts"
    nothing_moved()


@pytest.mark.parametrize(("asset", "livemode"), [("XAUT", True), ("USDT", False)])
def test_a_movement_never_mixes_assets_or_modes(
    opened, available, asset, livemode, refused_by, sql, nothing_moved
):
    stranger = opened("user:1:tron:held", asset, livemode)

    assert (
        refused_by("SELECT ledger_move('x', %s, %s, 1)", available, stranger)
        == refused_by(INSERT, "x", available, stranger, "USDT", True, "1")
        == "movement_credits_an_account_of_its_asset_and_mode"
    )
    assert (
        refused_by(INSERT, "x", available, stranger, asset, livemode, "1")
        == "movement_debits_an_account_of_its_asset_and_mode"
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        move_many([Move("x", available, stranger, 1)])
    nothing_moved()
    assert Account.objects.get(pk=stranger).balance == 0


@pytest.mark.parametrize("column", ["asset = 'XAUT'", "livemode = false"])
def test_an_account_in_use_keeps_its_asset_and_mode(
    available, custody, held, column, refused_by, nothing_moved
):
    statement = f"UPDATE ledger_account SET {column} WHERE id = %s"

    assert refused_by(statement, available).startswith("movement_credits_an_account")
    assert refused_by(statement, custody).startswith("movement_debits_an_account")
    nothing_moved()


def test_an_account_in_use_is_never_deleted(available, refused_by, nothing_moved):
    rule = refused_by("DELETE FROM ledger_account WHERE id = %s", available)

    assert rule == "movement_credits_an_account_of_its_asset_and_mode"
    nothing_moved()


def test_an_account_is_not_overdrawn_by_hand(available, refused_by, nothing_moved):
    rule = refused_by("UPDATE ledger_account SET balance = -1 WHERE id = %s", available)

    assert rule == "account_is_not_overdrawn"
    nothing_moved()


def test_only_hot_accounts_are_rolled_up(available, refused_by):
    rule = refused_by(
        "UPDATE ledger_account SET rolled_up_through = 1 WHERE id = %s", available
    )

    assert rule == "only_hot_accounts_are_rolled_up"


def test_an_account_is_opened_once(available, refused_by):
    rule = refused_by(
        "INSERT INTO ledger_account (code, asset, livemode)"
        " VALUES ('user:1:tron:available', 'USDT', true)"
    )

    assert rule == "account_is_unique"


def test_a_correction_comes_after_what_it_corrects(available, held, refused_by, sql):
    [[last]] = sql("SELECT max(id) FROM ledger_movement")

    rule = refused_by("SELECT ledger_move('x', %s, %s, 1, %s)", available, held, last + 10_000)

    assert rule == "correction_comes_later"


def test_a_correction_names_a_movement_that_exists(available, held, refused_by):
    rule = refused_by("SELECT ledger_move('x', %s, %s, 1, 0)", available, held)

    assert rule == "correction_names_a_movement"


def test_a_movement_is_dated_by_the_database(available, held, sql):
    # The clock, not the start of the database transaction, which may be long ago.
    before = sql("SELECT clock_timestamp()")[0][0]
    movement_id = move(reference="payout:1:hold", debit=available, credit=held, units=1)
    after = sql("SELECT clock_timestamp()")[0][0]

    [[moved_at]] = sql("SELECT moved_at FROM ledger_movement WHERE id = %s", movement_id)
    assert before < moved_at < after
    assert connection.in_atomic_block
