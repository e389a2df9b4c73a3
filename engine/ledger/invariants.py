"""What is true of the books at every moment, each as a query that finds the culprits.

Nothing here trusts the constraints and triggers that should make it true: a restore, a
repair at three in the morning or a bug of ours may have gone around them. The queries are
sql/invariants/<name>.sql, complete, so that they can be pasted into psql that night.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.ledger.sql import read_sql


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence about the database, and the query that returns no row while it holds.

    A row that does come back carries what somebody needs to find the trouble: ids, and
    what was expected against what is there.
    """

    name: str
    says: str
    sql: str


def _ours(name: str, says: str) -> Invariant:
    return Invariant(name, says, read_sql(f"invariants/{name}.sql"))


INVARIANTS: tuple[Invariant, ...] = (
    _ours("balances_sum_to_zero", "In each asset and mode, all balances together are zero."),
    _ours(
        "balance_equals_its_movements",
        "A synchronous account's balance is the sum of its movements.",
    ),
    _ours(
        "rolled_up_balance_equals_its_movements",
        "A hot account's balance is the sum of the movements it says it contains.",
    ),
    _ours("no_account_is_overdrawn", "No account is below zero that may not be."),
    _ours(
        "movement_stays_in_its_asset_and_mode",
        "A movement and both of its accounts are of one asset and one mode.",
    ),
    _ours(
        "movement_moves_something",
        "A movement moves whole units, more than none, between two accounts.",
    ),
    _ours("reference_names_one_movement", "No two movements have one reference."),
    _ours(
        "correction_fits_what_it_corrects",
        "A correction names an earlier movement of its own asset and mode.",
    ),
    _ours(
        "guards_of_the_books_stand",
        "Every trigger and constraint that protects the books is there and enabled.",
    ),
)
