"""Every invariant between payouts and books, broken by hand and caught.

Method: pay one payout to its end and leave one on its way, then do what no code of ours
can do, as the tables' owner, with the guards switched off.
"""

import json

import pytest
from django.core.management import call_command
from django.db import connection

from engine.ledger.checks import check
from engine.payouts.invariants import INVARIANTS
from tests.cast import USDT

BREAKS = {
    "held_is_what_payouts_on_their_way_hold": """
        UPDATE ledger_account SET balance = balance + 1 WHERE code LIKE '%:held'
    """,
    "what_was_sent_is_what_arrives_and_the_fee": """
        UPDATE payouts_payout SET destination = 'somewhere else'
    """,
    "every_payout_held_its_funds_once": """
        DELETE FROM ledger_movement WHERE reference LIKE '%:hold'
    """,
    "final_payouts_gave_up_their_hold_once": """
        DELETE FROM ledger_movement WHERE reference LIKE '%:settle'
    """,
    "delivered_payouts_have_a_finished_attempt": """
        DELETE FROM rails_sendevidence; DELETE FROM rails_attempt
    """,
    "failed_payouts_have_no_live_attempt": """
        UPDATE rails_attempt SET state = 'live', proof = NULL, closed_at = NULL
        WHERE state = 'done'
    """,
    "events_tell_the_whole_life": """
        DELETE FROM payouts_payoutevent WHERE status = 'broadcast'
    """,
    "deposits_were_credited_once": """
        DELETE FROM ledger_movement WHERE reference LIKE 'deposit:%'
    """,
    "bridges_hold_what_is_on_its_way": """
        UPDATE payouts_payout SET leg = 2 WHERE finished_at IS NULL
    """,
    "guards_stand": "DROP TRIGGER payout_is_never_deleted ON payouts_payout",
}
TABLES = (
    "payouts_payout", "payouts_payoutevent", "ledger_movement", "rails_attempt",
    "rails_sendevidence",
)  # fmt: skip


@pytest.fixture
def lives(promise, execute, finish):
    """One payout that arrived over a bridge, one that waits."""
    execute(promise(to="polygon"))
    finish()
    execute(promise(units=50 * USDT))


@pytest.fixture
def unguarded(lives):
    """Runs SQL as the owner with every trigger off, and puts them back."""

    def run(sql):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(sql)
            for table in TABLES:
                cursor.execute("SELECT zopay_test_enable_always(%s)", [table])

    return run


def test_every_invariant_is_broken_below():
    assert list(BREAKS) == [invariant.name for invariant in INVARIANTS]


def test_honest_books_are_clean(lives):
    assert check(INVARIANTS).clean


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_invariant_is_caught_with_its_culprits(unguarded, name):
    unguarded(BREAKS[name])

    broken = {
        finding.invariant.name: finding.rows
        for finding in check(INVARIANTS).findings
        if not finding.clean
    }

    assert broken[name]


def test_the_command_fails_and_names_what_is_broken(unguarded, capsys):
    unguarded(BREAKS["events_tell_the_whole_life"])

    with pytest.raises(SystemExit) as end:
        call_command("check_ledger", json=True)

    told = json.loads(capsys.readouterr().out)
    assert end.value.code == 1
    assert told["clean"] is False
    assert "events_tell_the_whole_life" in [
        one["name"] for one in told["invariants"] if not one["clean"]
    ]
