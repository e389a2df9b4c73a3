"""What is still to be paid of a batch: set aside later than at its beginning, or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from disbursements.door import DISBURSEMENTS
from disbursements.models import Batch, BatchRow, BatchStatus
from disbursements.rows import places_of, terms_of
from engine.common.errors import Conflict
from engine.payouts import float_batches
from engine.payouts.errors import PayoutsFrozen
from engine.payouts.fence import may_have_forgotten
from engine.payouts.float_reserves import give_back_rest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

# By the index of payouts from floats; few are as young as an open batch.
IN_NO_BATCH = """
SELECT p.destination, p.to_network, p.asset, p.units_received
FROM payouts_payout p JOIN payouts_quote q ON q.id = p.quote_id
WHERE p.partner_id = %s AND p.livemode AND p.end_user_id IS NULL AND p.created_at >= %s
  AND q.door = %s
  AND NOT EXISTS (SELECT FROM disbursements_batchrow w WHERE w.payout_id = p.id)
"""


class RowsInDoubt(Exception):
    """Payouts that no batch knows are to the letter what rows to come would be."""


class BatchIsOver(Conflict):
    code = "batch_is_over"
    title = "Every row of the batch is a payout or refused"

    def __init__(self) -> None:
        super().__init__("Every row of the batch is a payout or refused already.")


def set_aside_rest(batch: Batch) -> None:
    """Set aside, at the fees of now, what the rest of a locked batch costs.

    For one that was begun before batches were set aside. Its payouts have ids that do not
    follow from its rows, so that one which a journal has brought back is known by what it
    paid alone: where there is any, a person must look. Raises FloatShort, RowsInDoubt,
    RouteUnavailable, and PayoutsFrozen while this house may have forgotten payouts.
    """
    if may_have_forgotten():
        raise PayoutsFrozen
    rows = batch.file.rows[batch.made_payouts :]
    _refuse_what_may_be_paid(batch, rows)
    batch.fees = float_batches.fees_now()
    with transaction.atomic():
        float_batches.set_aside(terms_of(batch), places_of(rows, first=batch.made_payouts))
        batch.save(update_fields=["fees"])


def _refuse_what_may_be_paid(batch: Batch, rows: Sequence[dict[str, Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(IN_NO_BATCH, [batch.partner_id, batch.created_at, DISBURSEMENTS.name])
        made = {(*known, int(units)) for *known, units in cursor.fetchall()}
    if any((r["phone"], r["gateway"], r["currency"], r["units"]) in made for r in rows):
        raise RowsInDoubt


def give_up(*, batch_id: UUID, reason: str) -> int:
    """Refuse, with `reason`, the rows of a batch that are no payouts yet; how many.

    What was set aside for them is the float's again. Rows whose payout a journal has
    brought back are noted with it. Waits for a worker who is at its rows, and holds the
    next one up until it is over: a row is paid or refused, never both. Raises BatchIsOver,
    and PayoutsFrozen while this house may have forgotten payouts.
    """
    if may_have_forgotten():
        raise PayoutsFrozen
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.status != BatchStatus.PROCESSING:
            raise BatchIsOver
        rows = batch.file.rows[batch.made_payouts :]
        places = places_of(rows, first=batch.made_payouts)
        known = float_batches.known_rows(batch.pk, places)
        BatchRow.objects.bulk_create(
            _ended(batch, row, known.get(place.place), reason)
            for row, place in zip(rows, places, strict=True)
        )
        give_back_rest(batch.pk)
        end(batch)
    return len(rows) - len(known)


def _ended(
    batch: Batch, row: dict[str, Any], known: float_batches.Made | None, reason: str
) -> BatchRow:
    if known is None:
        return BatchRow(
            batch=batch, line=row["line"], currency=row["currency"], units=0, error=reason
        )
    return BatchRow(
        batch=batch,
        line=row["line"],
        currency=row["currency"],
        units=known.units,
        is_from_reserve=known.is_from_reserve,
        payout_id=known.payout_id,
    )


def end(batch: Batch) -> None:
    """Note that all rows of a locked batch are payouts or refused."""
    is_paid = BatchRow.objects.filter(batch=batch, payout_id__isnull=False).exists()
    batch.status = BatchStatus.COMPLETED if is_paid else BatchStatus.FAILED
    batch.made_payouts, batch.waits_for = batch.total_payouts, ""
    batch.save(update_fields=["made_payouts", "status", "waits_for"])
