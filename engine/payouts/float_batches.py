"""Many payouts out of one float: their money is set aside first, then they are made in turns.

A turn is a few statements for all of its rows: their money leaves the reserve, their quotes
are written, and each is executed by the same function as a single one, one after the other.
A row whose payout is there already, after a restore for one, is never made again, and is
noted with what that payout took, whatever such a row costs by now.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection

from engine.common.errors import RequestRefused
from engine.common.queue import after_commit
from engine.ledger.models import Movement
from engine.ledger.services import Move, move_many
from engine.payouts.errors import RouteUnavailable
from engine.payouts.float_quotes import (
    FloatQuoteRequest,
    draft_float_quote,
    gateway_fees,
    total_cost,
)
from engine.payouts.float_reserves import (
    ids_of,
    lock_accounts,
    movement,
    reserve,
    reserves_of,
)
from engine.payouts.floats import read_float
from engine.payouts.models import GatewayFee, Payout, Quote
from engine.payouts.rail_choice import can_pay_number, rails_by_network
from engine.payouts.services import refusal_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.payouts.floats import Float
    from engine.rails.operators import Msisdn

# As payouts_execute() takes them: the partner's day, where she has one, then accounts.
LOCK_DAY = "SELECT pg_advisory_xact_lock(hashtextextended(%s::uuid::text, 1))"
# One after the other, in the order of the rows: each sees what the ones before it did.
EXECUTE_MANY = """
SELECT e.outcome, e.payout
FROM unnest(%s::uuid[], %s::text[]) WITH ORDINALITY AS asked(id, signature, place),
LATERAL payouts_execute(asked.id, asked.signature, %s, %s, NULL, ''::bytea,
                        interval '0', %s::jsonb, %s) AS e
ORDER BY asked.place
"""
# What a fee is made of, for who keeps it as it was.
FEE_TERMS = (
    "gateway", "currency", "gateway_units", "gateway_basis_points", "platform_units",
    "platform_basis_points", "seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One payout to come, at `place` of its batch: `units` of `currency` to `recipient`."""

    place: int
    gateway: str
    currency: str
    units: int
    recipient: Msisdn


@dataclass(frozen=True, slots=True)
class Batch:
    """Whose batch it is, and what its rows cost: the fees are those of its beginning."""

    id: UUID
    partner_id: UUID
    livemode: bool
    door: str
    fees: Mapping[tuple[str, str], GatewayFee]

    def cost(self, row: Row) -> int:
        """What the row takes from the float, fees included. Raises RouteUnavailable."""
        return total_cost(
            self.fees, gateway=row.gateway, currency=row.currency, units=row.units
        )


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a row: its payout, or why there is none.

    `units` left the reserve; where `is_from_reserve` is false, its payout was there before
    the reserve and had them from the float itself.
    """

    place: int
    units: int
    payout_id: UUID | None = None
    refused: str = ""
    is_from_reserve: bool = True


def fees_now() -> list[dict[str, Any]]:
    """What gateways cost now, to be kept as JSON with a batch."""
    return [{name: getattr(fee, name) for name in FEE_TERMS} for fee in gateway_fees().values()]


def fees_of(kept: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], GatewayFee]:
    """The fees that `fees_now` wrote down."""
    return {(one["gateway"], one["currency"]): GatewayFee(**one) for one in kept}


def set_aside(batch: Batch, rows: Sequence[Row]) -> None:
    """Reserve what all rows cost, in the caller's transaction, or nothing.

    Nothing is reserved for a row whose payout is there already. `rows` are in their order
    and may begin later than the batch does. Raises FloatShort, and RouteUnavailable where
    a row could not be paid at all.
    """
    for gateway, currency, country in {
        (row.gateway, row.currency, row.recipient.country) for row in rows
    }:
        if not can_pay_number(
            gateway, currency=currency, country=country, livemode=batch.livemode
        ):
            raise RouteUnavailable(
                f"{gateway.upper()} does not pay {currency} in {country} right now."
            )
    known = known_rows(batch.id, rows)
    units: dict[str, int] = {}
    for row in rows:
        if row.place not in known:
            units[row.currency] = units.get(row.currency, 0) + batch.cost(row)
    reserve(
        batch_id=batch.id,
        partner_id=batch.partner_id,
        livemode=batch.livemode,
        rows=rows[-1].place + 1,
        units=units,
    )


def pay_rows(batch: Batch, rows: Sequence[Row]) -> list[Made]:
    """Make the payouts of these rows, in the caller's transaction, out of the reserve.

    A row that is refused for good gives its money back to the float. One that is refused
    only for now raises its RequestRefused: the caller takes the transaction back, and asks
    again later.
    """
    currencies = sorted({row.currency for row in rows})
    floats = {
        currency: read_float(
            partner_id=batch.partner_id, livemode=batch.livemode, currency=currency
        )
        for currency in currencies
    }
    reserves = reserves_of(batch.id)
    with connection.cursor() as cursor:
        cursor.execute(LOCK_DAY, [batch.partner_id])
    lock_accounts(
        [
            account
            for currency in currencies
            for account in (
                floats[currency].available_account_id,
                floats[currency].held_account_id,
                reserves.get(currency),
            )
            if account is not None
        ]
    )
    known = known_rows(batch.id, rows)
    moves = (
        _move(batch, row, known.get(row.place), reserves, floats[row.currency]) for row in rows
    )
    move_many([one for one in moves if one is not None])
    return _make(batch, rows, floats, known)


def known_rows(batch_id: UUID, rows: Sequence[Row]) -> dict[int, Made]:
    """Of these rows, by place, the payouts that are there already, after a restore."""
    places = {ids_of(batch_id, row.place)[1]: row.place for row in rows}
    payouts = dict(Payout.objects.filter(pk__in=places).values_list("pk", "units_sent"))
    names = [movement(batch_id, places[key]) for key in payouts]
    moved = Movement.objects.filter(reference__in=names).values_list("reference", flat=True)
    from_reserve = set(moved) if names else set()
    return {
        places[key]: Made(
            places[key],
            units,
            key,
            is_from_reserve=movement(batch_id, places[key]) in from_reserve,
        )
        for key, units in payouts.items()
    }


def _move(
    batch: Batch, row: Row, known: Made | None, reserves: Mapping[str, int], funds: Float
) -> Move | None:
    """What brings the reserve to what the rows after this one need."""
    if known is not None and not known.is_from_reserve:
        return None
    reserve_id, available = reserves[row.currency], funds.available_account_id
    if known is None:
        return Move(movement(batch.id, row.place), reserve_id, available, batch.cost(row))
    # Its payout took what it cost once; it was set aside for at what it costs now.
    rest, name = batch.cost(row) - known.units, movement(batch.id, f"{row.place}:rest")
    if rest == 0:
        return None
    if rest < 0:
        return Move(name, available, reserve_id, -rest)
    return Move(name, reserve_id, available, rest)


def _make(
    batch: Batch,
    rows: Sequence[Row],
    floats: Mapping[str, Float],
    known: Mapping[int, Made],
) -> list[Made]:
    made = dict(known)
    quotes: dict[int, Quote] = {}
    for row in rows:
        if row.place in known:
            continue
        ids, units = ids_of(batch.id, row.place), batch.cost(row)
        try:
            quotes[row.place] = draft_float_quote(
                _request(batch, row),
                fee=batch.fees[row.gateway, row.currency],
                funds=floats[row.currency],
                ids=ids,
            )
        except RequestRefused as refusal:
            made[row.place] = _refused(row, units, refusal)
    outcomes = _execute(batch, list(quotes.values()))
    for row in rows:
        if row.place in quotes:
            units, outcome = batch.cost(row), outcomes.pop(0)
            made[row.place] = (
                Made(row.place, units, outcome)
                if isinstance(outcome, UUID)
                else _refused(row, units, outcome)
            )
    return [made[row.place] for row in rows]


def _request(batch: Batch, row: Row) -> FloatQuoteRequest:
    return FloatQuoteRequest(
        partner_id=batch.partner_id,
        livemode=batch.livemode,
        door=batch.door,
        gateway=row.gateway,
        currency=row.currency,
        units=row.units,
        recipient=row.recipient,
    )


def _refused(row: Row, units: int, refusal: RequestRefused) -> Made:
    if refusal.retryable:
        raise refusal
    return Made(row.place, units, refused=refusal.message)


def _execute(batch: Batch, quotes: Sequence[Quote]) -> list[UUID | RequestRefused]:
    """Each quote's payout, or why there is none, in their order."""
    if not quotes:
        return []
    Quote.objects.bulk_create(quotes)
    with connection.cursor() as cursor:
        cursor.execute(
            EXECUTE_MANY,
            [
                [quote.pk for quote in quotes],
                [quote.signature for quote in quotes],
                batch.partner_id,
                batch.livemode,
                json.dumps(rails_by_network(over_gateways=True)),
                batch.door,
            ],
        )
        outcomes = cursor.fetchall()
    after_commit("payouts.drain")
    return [
        payout_id if outcome == "executed" else refusal_of(outcome, payout_id)
        for outcome, payout_id in outcomes
    ]
