"""What partners look at: payouts, balances, and deposits and payouts in one list.

Each function is one statement by index and one page; there are no counts. Rows come as
plain tuples, since a page of models costs four times as much (performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection

from engine.common.ids import public_id
from engine.payouts.models import BlockedDestination

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

SQL = Path(__file__).parent / "sql"
PAYOUT_ROWS = (SQL / "payout_rows.sql").read_text()
ACTIVITY = (SQL / "activity.sql").read_text()
# Stands in a statement where the conditions go that this request has. One text that asks
# "is the filter NULL, or else" would be planned once for all of them, and badly.
CONDITIONS_HERE = "/* and */"
CONDITIONS = {
    "row_id": "r.id = %(row_id)s",
    "statuses": "r.status = ANY(%(statuses)s::text[])",
    "since": "r.created_at >= %(since)s",
    "until": "r.created_at < %(until)s",
    "after_id": "(r.created_at, r.id) < (%(after_at)s, %(after_id)s)",
    "external_ref": """r.end_user_id = (
        SELECT u.id FROM partners_enduser u
        WHERE u.partner_id = %(partner_id)s AND u.livemode = %(livemode)s
          AND u.external_ref = %(external_ref)s)""",
}
BALANCES_OF_USER = """
SELECT h.asset, h.network, available.balance, held.balance
FROM payouts_holding h
JOIN ledger_account available ON available.id = h.available_account_id
JOIN ledger_account held ON held.id = h.held_account_id
WHERE h.end_user_id = %(end_user_id)s AND (available.balance > 0 OR held.balance > 0)
ORDER BY h.asset, h.network
"""
BALANCES_OF_PARTNER = """
SELECT h.asset, h.network, sum(available.balance), sum(held.balance)
FROM partners_enduser u
JOIN payouts_holding h ON h.end_user_id = u.id
JOIN ledger_account available ON available.id = h.available_account_id
JOIN ledger_account held ON held.id = h.held_account_id
WHERE u.partner_id = %(partner_id)s AND u.livemode = %(livemode)s
  AND (available.balance > 0 OR held.balance > 0)
GROUP BY h.asset, h.network
UNION ALL
SELECT f.currency, 'float', available.balance, held.balance + reserved.units
FROM payouts_partnerfloat f
JOIN ledger_account available ON available.id = f.available_account_id
JOIN ledger_account held ON held.id = f.held_account_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(a.balance), 0) AS units
    FROM payouts_floatreserve r JOIN ledger_account a ON a.id = r.account_id
    WHERE r.float_id = f.id
) reserved
WHERE f.partner_id = %(partner_id)s AND f.livemode = %(livemode)s
  AND (available.balance > 0 OR held.balance + reserved.units > 0)
ORDER BY 1, 2
"""
# Among those a person compares an address by eye with; older ones she has forgotten.
RECENT_PAYOUTS = 500
DESTINATIONS_PAID = """
SELECT DISTINCT destination FROM (
    SELECT p.destination FROM payouts_payout p
    JOIN partners_enduser u ON u.id = p.end_user_id
    WHERE u.partner_id = %(partner_id)s AND u.livemode = %(livemode)s
      AND u.external_ref = %(external_ref)s
    ORDER BY p.created_at DESC, p.id DESC LIMIT %(limit)s
) recent
"""


class Position(NamedTuple):
    """A row's place in a list that is newest first."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Filters:
    """Whose rows, and which; None means any.

    `since` is inclusive, `until` exclusive; `after` is the last row already seen.
    """

    partner_id: UUID
    livemode: bool
    external_ref: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: Position | None = None
    limit: int = 50

    def parameters(self) -> dict[str, Any]:
        """What the statements below name; None where this request does not filter."""
        return {
            "partner_id": self.partner_id,
            "livemode": self.livemode,
            "external_ref": self.external_ref,
            "since": self.since,
            "until": self.until,
            "after_at": self.after and self.after.created_at,
            "after_id": self.after and self.after.id,
            "limit": self.limit,
        }


class EventRow(NamedTuple):
    """One step in a payout's life, as `PayoutEvent` names its parts."""

    status: str
    network: str
    reference: str
    happened_at: datetime


class QuoteRow(NamedTuple):
    """A quote's terms, as `Quote` names them."""

    public_id: str
    asset: str
    from_network: str
    to_network: str
    units_sent: int
    units_received: int
    fee_usd_micros: int
    estimated_seconds: int


class PayoutRow(NamedTuple):
    """A payout with its quote and events, all a door needs to describe it."""

    id: UUID
    status: str
    failure_code: str
    estimated_delivery_at: datetime
    created_at: datetime
    rail: str
    quote: QuoteRow
    events: list[EventRow]

    @property
    def public_id(self) -> str:
        return public_id("pay", self.id)


def payout_rows(
    filters: Filters,
    *,
    door: str,
    statuses: Collection[str] | None = None,
    row_id: UUID | None = None,
) -> list[PayoutRow]:
    """A page of one door's payouts, newest first, with quotes and events.

    `statuses` are the engine's own words, None means any. With `row_id`, that one or none.
    """
    rows = _fetch_page(
        PAYOUT_ROWS,
        filters.parameters()
        | {
            "door": door,
            "statuses": None if statuses is None else sorted(statuses),
            "row_id": row_id,
        },
    )
    return [_payout_row(row) for row in rows]


def _payout_row(row: Sequence[Any]) -> PayoutRow:
    key, status, failure_code, estimate, quote_id, signature, *terms = row[:13]
    asset, source, target, sent, received, fee, seconds = terms
    return PayoutRow(
        id=key,
        status=status,
        failure_code=failure_code,
        estimated_delivery_at=estimate,
        created_at=row[13],
        rail=row[14],
        quote=QuoteRow(
            public_id=f"{public_id('qt', quote_id)}{signature}",
            asset=asset,
            from_network=source,
            to_network=target,
            units_sent=int(sent),
            units_received=int(received),
            fee_usd_micros=fee,
            estimated_seconds=seconds,
        ),
        events=[EventRow(*event) for event in zip(*row[15:], strict=True)],
    )


class ActivityRow(NamedTuple):
    """A deposit or a payout: what came in or went out of a user's funds.

    `units` left or reached the user on `network`; `reference` is what the network
    `seen_on` calls the last leg that it saw. `to_network`, `destination` and
    `failure_code` are a payout's; `status` is the engine's word for either.
    """

    kind: str
    id: UUID
    created_at: datetime
    status: str
    external_ref: str
    asset: str
    network: str
    units: int
    ended_at: datetime | None
    reference: str
    seen_on: str
    to_network: str
    destination: str
    failure_code: str
    rail: str

    @property
    def public_id(self) -> str:
        return public_id("dep" if self.kind == "deposit" else "pay", self.id)


def activity(
    filters: Filters,
    *,
    door: str,
    deposit_statuses: Collection[str],
    payout_statuses: Collection[str],
    row_id: UUID | None = None,
) -> list[ActivityRow]:
    """A page of deposits and one door's payouts in one list, newest first.

    Statuses are the engine's own words; none of a kind leaves that kind out.
    """
    rows = _fetch_page(
        ACTIVITY,
        filters.parameters()
        | {
            "door": door,
            "row_id": row_id,
            "deposit_statuses": sorted(deposit_statuses),
            "payout_statuses": sorted(payout_statuses),
        },
    )
    return [ActivityRow(*row)._replace(units=int(row[7])) for row in rows]


class BalanceRow(NamedTuple):
    """What may be spent of an asset on a network, and what payouts have set aside."""

    asset: str
    network: str
    units: int
    units_held: int


def balance_rows(
    *, partner_id: UUID, livemode: bool, end_user_id: int | None
) -> list[BalanceRow]:
    """What a user has, or without one all users of the partner together.

    Lines with nothing on them are left out.
    """
    rows = _fetch(
        BALANCES_OF_PARTNER if end_user_id is None else BALANCES_OF_USER,
        {"partner_id": partner_id, "livemode": livemode, "end_user_id": end_user_id},
    )
    return [
        BalanceRow(asset, network, int(units), int(held))
        for asset, network, units, held in rows
    ]


def destinations_paid(*, partner_id: UUID, livemode: bool, external_ref: str) -> list[str]:
    """Where this user's last RECENT_PAYOUTS payouts went, each address once."""
    rows = _fetch(
        DESTINATIONS_PAID,
        {
            "partner_id": partner_id,
            "livemode": livemode,
            "external_ref": external_ref,
            "limit": RECENT_PAYOUTS,
        },
    )
    return [destination for (destination,) in rows]


def is_blocked(destination: str) -> bool:
    """Whether nobody may be paid at this canonical address."""
    return BlockedDestination.objects.filter(destination=destination).exists()


def _fetch_page(sql: str, parameters: dict[str, Any]) -> list[Any]:
    given = [
        condition for name, condition in CONDITIONS.items() if parameters.get(name) is not None
    ]
    conditions = "".join(f"AND {condition}\n" for condition in given)
    return _fetch(sql.replace(CONDITIONS_HERE, conditions), parameters)


def _fetch(sql: str, parameters: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Any] = cursor.fetchall()
        return rows
