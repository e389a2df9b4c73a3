"""Many quotes executed together, each with the result that it would have had alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import connection

from engine.common.errors import RequestRefused
from engine.common.queue import after_commit
from engine.payouts import errors
from engine.payouts.quotes import parse_quote_id
from engine.payouts.rail_choice import rails_by_network
from engine.payouts.services import Execution, execution_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

EXECUTE_MANY = """
SELECT place, outcome, answer_status, answer, payout
FROM payouts_execute_many(%s::uuid[], %s::text[], %s, %s, %s::jsonb, %s)
ORDER BY place
"""


def execute_quotes(
    *, quote_ids: Sequence[str], partner_id: UUID, livemode: bool, door: str
) -> list[Execution | RequestRefused]:
    """Turn quotes into payouts and hold their funds, in one round trip.

    The results come in the order of `quote_ids`: the answer, or the refusal that
    services.execute_quote would have raised, had they been executed one after the other.
    Runs in the caller's transaction or its own: all of the results stand, or none.
    """
    parsed = [parse_quote_id(quote_id) for quote_id in quote_ids]
    rows = iter(
        _call_execute_many(
            [one for one in parsed if one is not None],
            partner_id=partner_id,
            livemode=livemode,
            door=door,
        )
    )
    results: list[Execution | RequestRefused] = [
        errors.QuoteInvalid() if one is None else _result(*next(rows), livemode=livemode)
        for one in parsed
    ]
    if any(isinstance(one, Execution) and not one.is_replay for one in results):
        after_commit("payouts.drain")
    return results


def _call_execute_many(
    quotes: Sequence[tuple[UUID, str]], *, partner_id: UUID, livemode: bool, door: str
) -> list[tuple[str, int, Any, UUID]]:
    if not quotes:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            EXECUTE_MANY,
            [
                [key for key, _ in quotes],
                [signature for _, signature in quotes],
                partner_id,
                livemode,
                json.dumps(rails_by_network()),
                door,
            ],
        )
        return [(outcome, *rest) for _, outcome, *rest in cursor.fetchall()]


def _result(
    outcome: str, status: int, body: Any, payout_id: UUID, *, livemode: bool
) -> Execution | RequestRefused:
    try:
        return execution_of(outcome, status, body, payout_id, livemode=livemode)
    except RequestRefused as refusal:
        return refusal
