"""Asking the database whether the books are true."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from engine.ledger.invariants import Invariant

# Enough to see what is wrong; broken books must not fill the log as well.
ROWS_MAX = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant and the rows that break it, at most ROWS_MAX of them."""

    invariant: Invariant
    rows: tuple[dict[str, Any], ...]

    @property
    def clean(self) -> bool:
        return not self.rows


@dataclass(frozen=True, slots=True)
class Report:
    """What one look at the books found; `checked_at` is the database's clock."""

    checked_at: datetime
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return all(finding.clean for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The report for ``--json``. Numbers past 2**53 stay exact by being strings."""
        return {
            "clean": self.clean,
            "checked_at": self.checked_at.isoformat(),
            "invariants": [
                {
                    "name": finding.invariant.name,
                    "clean": finding.clean,
                    "rows": list(finding.rows),
                }
                for finding in self.findings
            ],
        }


def listed_invariants() -> tuple[Invariant, ...]:
    """All invariants that settings.LEDGER_INVARIANTS names, in its order."""
    return tuple(
        invariant for path in settings.LEDGER_INVARIANTS for invariant in import_string(path)
    )


def check(invariants: Iterable[Invariant]) -> Report:
    """Run every invariant against one snapshot, so that payouts may go on meanwhile.

    Inside a database transaction of the caller's, it looks at what that one sees.
    """
    with _snapshot(), connection.cursor() as cursor:
        findings = tuple(
            Finding(invariant, _rows(cursor, invariant)) for invariant in invariants
        )
        cursor.execute("SELECT transaction_timestamp()")
        return Report(cursor.fetchone()[0], findings)


@contextmanager
def _snapshot() -> Iterator[None]:
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _rows(cursor: Any, invariant: Invariant) -> tuple[dict[str, Any], ...]:
    cursor.execute(invariant.sql)
    names = [column.name for column in cursor.description]
    return tuple(
        {name: _plain(value) for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchmany(ROWS_MAX)
    )


def _plain(value: Any) -> Any:
    """Ids and flags as they are; amounts, moments and UUIDs as their text."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | str | None) else str(value)
