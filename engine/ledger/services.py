"""The books, for Python: open an account, move units, read a balance.

Each call is one statement; the work is done by the functions of sql/move.sql. All of them
belong inside the caller's database transaction, where the caller has locked its payout
before any account. What a movement does not fit is refused by PostgreSQL, and a refusal
aborts that transaction.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connection
from psycopg.types.numeric import Int8

from engine.ledger.errors import refusal_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Move:
    """One movement to be: `units` (smallest units, > 0) from `debit` to `credit`.

    `debit` and `credit` are account ids; `reference` names the movement for ever.
    """

    reference: str
    debit: int
    credit: int
    units: int

    def __post_init__(self) -> None:
        # PostgreSQL would refuse it too, but a negative amount might first look like
        # somebody's lack of funds.
        if self.units <= 0 or self.debit == self.credit:
            raise ValueError(f"this moves nothing: {self}")


def open_account(
    *,
    code: str,
    asset: str,
    livemode: bool,
    may_go_negative: bool = False,
    is_hot: bool = False,
) -> int:
    """The id of the account, opened if need be; `accounts.kind_of` knows the flags.

    Asking again writes nothing. DataError when it exists as another kind of account.
    """
    account_id: int = _call(
        "SELECT ledger_open_account(%s, %s, %s, %s, %s)",
        [code, asset, livemode, may_go_negative, is_hot],
    )
    return account_id


def move(
    *, reference: str, debit: int, credit: int, units: int, corrects: int | None = None
) -> int:
    """Move `units` from account `debit` to account `credit`; the new movement's id.

    `corrects` is the id of the movement that this one puts right. Raises
    InsufficientFunds, AlreadyMoved, and IntegrityError when the accounts differ in asset
    or mode or do not exist.
    """
    Move(reference, debit, credit, units)
    with _refusals_by_name():
        movement_id: int = _call(
            "SELECT ledger_move(%s, %s, %s, %s, %s)",
            # Int8 and Decimal: psycopg would choose a type by the number's size, and
            # each mixture would be one more prepared statement.
            [
                reference,
                Int8(debit),
                Int8(credit),
                Decimal(units),
                None if corrects is None else Int8(corrects),
            ],
        )
    return movement_id


def move_many(moves: Sequence[Move]) -> int:
    """Make all of `moves` or none, in one statement; how many they were.

    An account is judged by its balance after all of them. Raises like `move`.
    """
    if not moves:
        return 0
    with _refusals_by_name():
        moved: int = _call(
            "SELECT ledger_move_many(%s::text[], %s::bigint[], %s::bigint[], %s::numeric[])",
            [
                [each.reference for each in moves],
                [Int8(each.debit) for each in moves],
                [Int8(each.credit) for each in moves],
                [Decimal(each.units) for each in moves],
            ],
        )
    return moved


def balance_of(*, account_id: int) -> int:
    """Credits minus debits as of now, in units; of a hot account too."""
    units: Decimal | None = _call("SELECT ledger_balance_of(%s)", [Int8(account_id)])
    if units is None:
        raise LookupError(f"no account {account_id}")
    return int(units)


def balances(*, codes: Collection[str], asset: str, livemode: bool) -> dict[str, int]:
    """The balance of each code in `asset`; accounts never opened are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, ledger_balance_of(id) FROM ledger_account"
            " WHERE code = ANY (%s::text[]) AND asset = %s AND livemode = %s",
            [list(codes), asset, livemode],
        )
        return {code: int(units) for code, units in cursor.fetchall()}


def _call(sql: str, parameters: list[Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


@contextmanager
def _refusals_by_name() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise refusal from error
