"""What partners look at of payouts from their floats: one, or a page of them by number.

Plain tuples from one statement, as in reads.py. The count stops at COUNT_MAX: exactly how
many more there are is worth no scan of a partner's whole life.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection

from engine.common.ids import public_id

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

COUNT_MAX = 10_000
CONDITIONS = {
    "row_id": "p.id = %(row_id)s",
    "statuses": "p.status = ANY(%(statuses)s::text[])",
    "gateway": "p.to_network = %(gateway)s",
    "since": "p.created_at >= %(since)s",
    "until": "p.created_at < %(until)s",
    "payout_ids": "p.id = ANY(%(payout_ids)s::uuid[])",
}
WHERE = """
    WHERE p.partner_id = %(partner_id)s AND p.livemode = %(livemode)s AND p.door = %(door)s
      AND p.end_user_id IS NULL
"""
ROWS = """
    SELECT p.id, p.status, p.failure_code, p.waiting_for, p.to_network, p.asset,
           p.units_received, p.units_sent, q.units_fee, q.units_gateway_fee, p.destination,
           p.created_at, p.finished_at, p.partner_id
    FROM payouts_payout p JOIN payouts_quote q ON q.id = p.quote_id
    /* where */
    ORDER BY p.created_at DESC, p.id DESC LIMIT %(limit)s + 1 OFFSET %(offset)s
"""
COUNT = """
    SELECT count(*) FROM (
        SELECT FROM payouts_payout p /* where */ LIMIT %(count_max)s
    ) counted
"""
WHERE_HERE = "/* where */"


@dataclass(frozen=True, slots=True)
class FloatFilters:
    """Whose payouts, of which door, and which; None means any.

    `since` is inclusive, `until` exclusive; `gateway` is the network's name.
    """

    partner_id: UUID
    livemode: bool
    door: str
    row_id: UUID | None = None
    payout_ids: Collection[UUID] | None = None
    statuses: Collection[str] | None = None
    gateway: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 20
    offset: int = 0


class FloatPayoutRow(NamedTuple):
    """A payout from a float, all that a door needs to describe it. Units of its currency."""

    id: UUID
    status: str
    failure_code: str
    waiting_for: str
    gateway: str
    currency: str
    units: int
    units_sent: int
    units_fee: int
    units_gateway_fee: int
    destination: str
    created_at: datetime
    finished_at: datetime | None
    partner_id: UUID

    @property
    def public_id(self) -> str:
        return public_id("pay", self.id)


def float_payout_rows(filters: FloatFilters) -> tuple[list[FloatPayoutRow], bool]:
    """The newest first, `limit` of them after `offset`; and whether there are more."""
    rows = [
        FloatPayoutRow(*row[:6], *(int(units) for units in row[6:10]), *row[10:])
        for row in _fetch(ROWS, filters)
    ]
    return rows[: filters.limit], len(rows) > filters.limit


def count_float_payouts(filters: FloatFilters) -> int:
    """How many there are, COUNT_MAX at most."""
    [(count,)] = _fetch(COUNT, filters)
    return int(count)


def _fetch(sql: str, filters: FloatFilters) -> list[Any]:
    given = {name: getattr(filters, name) for name in FloatFilters.__slots__}
    given |= {
        name: sorted(given[name])
        for name in ("statuses", "payout_ids")
        if given[name] is not None
    }
    conditions = "".join(
        f" AND {condition}" for name, condition in CONDITIONS.items() if given[name] is not None
    )
    with connection.cursor() as cursor:
        cursor.execute(
            sql.replace(WHERE_HERE, WHERE + conditions), given | {"count_max": COUNT_MAX}
        )
        rows: list[Any] = cursor.fetchall()
        return rows
