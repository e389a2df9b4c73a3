"""Years of payouts in minutes: copies of one that was delivered, written by SQL.

A copy has its own keys, user, accounts and time; its events, its movements and the answer
under its key come along, so that every table and index that an execute touches grows. The
accounts' balances stay as they are: a grown database is for measuring, not for the books.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.supply import PAYOUTS, QUOTES, USERS

if TYPE_CHECKING:
    from bench.supply import Supply

CHUNK = 200_000
# The copied payout, and whose it was.
PATTERN = """
SELECT p.id, p.quote_id, p.available_account_id, p.held_account_id
FROM payouts_payout p WHERE p.status = 'delivered' ORDER BY p.id LIMIT 1
"""
ANALYZED = (
    "payouts_quote",
    "payouts_payout",
    "payouts_payoutevent",
    "ledger_movement",
    "ledger_account",
    "partners_storedanswer",
)


def grow(supply: Supply, count: int) -> None:
    """Add `count` delivered payouts to the past."""
    for begin in range(0, count, CHUNK):
        _add(supply, min(CHUNK, count - begin))
    analyze(supply)


def analyze(supply: Supply) -> None:
    """Tell the planner how large everything is: plans made for empty tables are slow."""
    for table in ANALYZED:
        supply.run(f"VACUUM (ANALYZE) {table}")


def _add(supply: Supply, count: int) -> None:
    first = supply.skip(count)
    with supply.house.connect() as connection:
        row = connection.execute(PATTERN).fetchone()
    if row is None:
        raise LookupError("nothing was delivered that could be copied")
    payout, quote, available, held = row
    # A thousand a second, the last of them an hour ago.
    moment = f"now() - interval '1 hour' - ({first + count} - k) * interval '1 ms'"
    copies = _copies(payout, quote, (available, held), moment)
    for table, (condition, replaced) in copies.items():
        supply.run(
            f"{insert(supply, table, replaced)} JOIN generate_series({first},"
            f" {first + count - 1}) AS g (k) ON {condition}"
            f" JOIN bench_user u ON u.n = k % {USERS}"
        )


def _copies(
    payout: object, quote: object, accounts: tuple[object, object], moment: str
) -> dict[str, tuple[str, dict[str, str]]]:
    """By table: which of its rows are copied, and what differs in each copy, as SQL."""
    digits = str(payout).replace("-", "")
    quote_key = f"('{QUOTES}' || lpad(to_hex(k), 12, '0'))::uuid"
    key = f"('{PAYOUTS}' || lpad(to_hex(k), 12, '0'))::uuid"
    terms = {
        "end_user_id": "u.user_id",
        "available_account_id": "u.available",
        "held_account_id": "u.held",
    }
    account = (
        f"CASE t.{{0}} WHEN {accounts[0]} THEN u.available"
        f" WHEN {accounts[1]} THEN u.held ELSE t.{{0}} END"
    )
    return {
        "payouts_quote": (
            f"t.id = '{quote}'",
            terms | {"id": quote_key, "payout_id": key},
        ),
        "payouts_payout": (
            f"t.id = '{payout}'",
            terms
            | {"id": key, "quote_id": quote_key}
            | dict.fromkeys(
                ("created_at", "promised_at", "estimated_delivery_at", "finished_at"), moment
            ),
        ),
        "payouts_payoutevent": (
            f"t.payout_id = '{payout}'",
            {"payout_id": key, "happened_at": moment},
        ),
        "ledger_movement": (
            f"t.reference LIKE 'payout:{digits}:%'",
            {
                "reference": f"replace(t.reference, '{digits}', replace({key}::text, '-', ''))",
                "debit_id": account.format("debit_id"),
                "credit_id": account.format("credit_id"),
                "moved_at": moment,
            },
        ),
        "partners_storedanswer": (
            "t.id = (SELECT min(id) FROM partners_storedanswer)",
            {"key": "md5(k::text)", "created_at": moment},
        ),
    }


def insert(supply: Supply, table: str, replaced: dict[str, str]) -> str:
    """An INSERT of copies out of the same table, `replaced` columns apart; numbers are new."""
    with supply.house.connect() as connection:
        names = [
            str(row[0])
            for row in connection.execute(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_name = %s AND is_identity = 'NO' ORDER BY ordinal_position",
                [table],
            )
        ]
    values = ", ".join(replaced.get(name, f"t.{name}") for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} t"  # noqa: S608 - our own names
