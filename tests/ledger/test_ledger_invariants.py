"""Every invariant is broken by hand, as the owner who can, and is seen to be broken."""

import pytest

from engine.ledger.checks import check
from engine.ledger.invariants import INVARIANTS
from engine.ledger.rollup import roll_up
from engine.ledger.services import move

UNGUARDED = "ALTER TABLE ledger_movement DISABLE TRIGGER movement_is_for_ever"
INSERT = """
INSERT INTO ledger_movement (reference, debit_id, credit_id, asset, livemode, units)
SELECT '{reference}', debit.id, credit.id, '{asset}', {livemode}, {units}
FROM ledger_account debit, ledger_account credit
WHERE debit.code = '{debit}' AND debit.asset = 'USDT' AND credit.code = '{credit}'
"""


def dropped(*constraints):
    return [f"ALTER TABLE ledger_movement DROP CONSTRAINT {name}" for name in constraints]


def inserted(**changes):
    fields = {
        "reference": "x",
        "debit": "user:1:tron:available",
        "credit": "user:1:tron:held",
        "asset": "USDT",
        "livemode": "true",
        "units": "1",
    }
    return [INSERT.format(**fields | changes)]


FOREIGN_KEYS = (
    "movement_debits_an_account_of_its_asset_and_mode",
    "movement_credits_an_account_of_its_asset_and_mode",
)
GUARDS = "guards_of_the_books_stand"
# What somebody did, and which invariants must say so; the others must stay clean.
BREAKS = {
    "a balance was raised": (
        ["UPDATE ledger_account SET balance = balance + 1 WHERE code LIKE '%available'"],
        {"balance_equals_its_movements", "balances_sum_to_zero"},
    ),
    "units went from one balance to another": (
        [
            "UPDATE ledger_account SET balance = balance - 1 WHERE code LIKE '%available'",
            "UPDATE ledger_account SET balance = balance + 1 WHERE code LIKE '%held'",
        ],
        {"balance_equals_its_movements"},
    ),
    "a rolled-up balance was raised": (
        ["UPDATE ledger_account SET balance = balance + 1 WHERE code = 'fees'"],
        {"rolled_up_balance_equals_its_movements", "balances_sum_to_zero"},
    ),
    "a roll-up's mark was moved": (
        ["UPDATE ledger_account SET rolled_up_through = 0 WHERE code = 'fees'"],
        {"rolled_up_balance_equals_its_movements", "balances_sum_to_zero"},
    ),
    "an account was overdrawn": (
        [
            "ALTER TABLE ledger_account DROP CONSTRAINT account_is_not_overdrawn",
            (
                "SELECT ledger_move('x', debit.id, credit.id, 1001)"
                " FROM ledger_account debit, ledger_account credit"
                " WHERE debit.code LIKE '%available' AND credit.code LIKE '%held'"
            ),
        ],
        {"no_account_is_overdrawn", GUARDS},
    ),
    "a hot account was overdrawn": (
        inserted(debit="fees", credit="custody:tron", units="11"),
        {"no_account_is_overdrawn"},
    ),
    "a movement was inserted by hand": (
        inserted(),
        {"balance_equals_its_movements"},
    ),
    "a movement was changed": (
        [UNGUARDED, "UPDATE ledger_movement SET units = 11 WHERE reference = 'fee:1'"],
        {
            "balance_equals_its_movements",
            "rolled_up_balance_equals_its_movements",
            GUARDS,
        },
    ),
    "a movement was deleted": (
        [UNGUARDED, "DELETE FROM ledger_movement WHERE reference = 'hold:1'"],
        {"balance_equals_its_movements", GUARDS},
    ),
    "a movement went between assets": (
        [
            *dropped(*FOREIGN_KEYS),
            *inserted(debit="in_transit", credit="custody:gold"),
        ],
        {"movement_stays_in_its_asset_and_mode", "balances_sum_to_zero", GUARDS},
    ),
    "a movement went between modes": (
        [
            *dropped(*FOREIGN_KEYS),
            *inserted(livemode="false", debit="in_transit", credit="custody:tron"),
        ],
        {"movement_stays_in_its_asset_and_mode", GUARDS},
    ),
    "a movement's account vanished": (
        [
            *dropped(*FOREIGN_KEYS),
            "DELETE FROM ledger_account WHERE code = 'user:1:tron:held'",
        ],
        {"movement_stays_in_its_asset_and_mode", "balances_sum_to_zero", GUARDS},
    ),
    "a movement moved nothing": (
        [
            *dropped("movement_is_positive"),
            *inserted(units="0"),
        ],
        {"movement_moves_something", GUARDS},
    ),
    "a movement went backwards": (
        [
            *dropped("movement_is_positive"),
            *inserted(units="-1", debit="in_transit", credit="custody:tron"),
        ],
        {"movement_moves_something", GUARDS},
    ),
    "a movement went round": (
        [
            *dropped("movement_has_two_accounts"),
            *inserted(credit="user:1:tron:available"),
        ],
        {"movement_moves_something", GUARDS},
    ),
    "half a unit was moved": (
        [
            "ALTER DOMAIN units DROP CONSTRAINT units_are_whole",
            *inserted(units="0.5", debit="in_transit", credit="custody:tron"),
        ],
        {"movement_moves_something", GUARDS},
    ),
    "a reference was used twice": (
        [
            *dropped("movement_reference_is_unique"),
            *inserted(reference="fee:1", debit="in_transit", credit="custody:tron"),
        ],
        {"reference_names_one_movement", GUARDS},
    ),
    "a correction named nothing": (
        [
            *dropped("correction_names_a_movement"),
            "ALTER TABLE ledger_movement DISABLE TRIGGER USER",
            "UPDATE ledger_movement SET corrects_id = 0 WHERE reference = 'fee:1'",
        ],
        {"correction_fits_what_it_corrects", GUARDS},
    ),
    "a correction named another asset's movement": (
        [
            (
                "SELECT ledger_move('x', a.id, b.id, 1,"
                " (SELECT id FROM ledger_movement WHERE reference = 'fee:1'))"
                " FROM ledger_account a, ledger_account b"
                " WHERE a.code = 'custody:gold' AND b.code = 'in_transit' AND b.asset = 'XAUT'"
            ),
        ],
        {"correction_fits_what_it_corrects"},
    ),
    "a trigger was switched off": ([UNGUARDED], {GUARDS}),
    "a trigger listens to replicas no more": (
        ["ALTER TABLE ledger_movement ENABLE TRIGGER movements_are_not_truncated"],
        {GUARDS},
    ),
    "a trigger was dropped": (
        ["DROP TRIGGER movements_are_not_truncated ON ledger_movement"],
        {GUARDS},
    ),
    "the refusal itself was dropped": (
        ["DROP FUNCTION ledger_refuse_change CASCADE"],
        {GUARDS},
    ),
    "all triggers were switched off, foreign keys' too": (
        ["ALTER TABLE ledger_account DISABLE TRIGGER ALL"],
        {GUARDS},
    ),
    "a constraint was put back without looking": (
        [
            *dropped("movement_is_positive"),
            (
                "ALTER TABLE ledger_movement ADD CONSTRAINT movement_is_positive"
                " CHECK (units > 0) NOT VALID"
            ),
        ],
        {GUARDS},
    ),
    "amounts may be endless": (
        ["ALTER DOMAIN units DROP CONSTRAINT units_have_at_most_39_digits"],
        {GUARDS},
    ),
}


@pytest.fixture
def books(available, held, custody, fees, opened):
    """Books with a deposit, a hold and a fee; the fee is rolled up, the rest is tail."""
    opened("in_transit")
    opened("in_transit", "XAUT")
    opened("custody:gold", "XAUT")
    move(reference="fee:1", debit=available, credit=fees, units=10)
    roll_up()
    move(reference="hold:1", debit=available, credit=held, units=100)


def test_good_books_are_clean(books):
    report = check(INVARIANTS)

    assert [finding.rows for finding in report.findings] == [()] * len(INVARIANTS)
    assert report.clean


@pytest.mark.parametrize("deed", BREAKS)
def test_what_somebody_did_to_the_books_is_seen(books, sql, deed):
    statements, expected = BREAKS[deed]
    for statement in statements:
        sql(statement)

    report = check(INVARIANTS)

    seen = {finding.invariant.name for finding in report.findings if not finding.clean}
    assert seen == expected


def test_every_invariant_is_seen_broken_by_some_deed():
    assert {name for _, names in BREAKS.values() for name in names} == {
        invariant.name for invariant in INVARIANTS
    }


def test_the_rows_name_the_culprit(books, available, sql):
    sql("UPDATE ledger_account SET balance = balance + 1 WHERE id = %s", available)

    report = check(INVARIANTS)

    rows = {finding.invariant.name: finding.rows for finding in report.findings}
    assert rows["balance_equals_its_movements"] == (
        {
            "account_id": available,
            "code": "user:1:tron:available",
            "asset": "USDT",
            "livemode": True,
            "balance": "891",
            "movements": "890",
        },
    )
    assert rows["balances_sum_to_zero"] == ({"asset": "USDT", "livemode": True, "sum": "1"},)


def test_every_guard_in_the_database_is_on_the_list(db, sql):
    # A constraint added later must be added to the guards' list too.
    standing = {
        name
        for (name,) in sql(
            "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'f', 'u') AND"
            " (conrelid IN ('ledger_movement'::regclass, 'ledger_account'::regclass)"
            "  OR contypid = 'units'::regtype)"
            " UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
            " AND tgrelid IN ('ledger_movement'::regclass, 'ledger_account'::regclass)"
        )
    }
    [guards] = [each for each in INVARIANTS if each.name == GUARDS]

    assert {name for name in standing if f"'{name}'" not in guards.sql} == set()
