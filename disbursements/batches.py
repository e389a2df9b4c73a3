"""Paying a file: one payout for each of its rows, however often a worker dies.

A batch is claimed by its row lock; some rows become quotes, payouts and holds, and are
noted as made, in one database transaction. What was not committed was not made, so the
next worker goes on with the row after the last one noted.
"""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog
from django.db import IntegrityError, connection, transaction

from disbursements.door import DISBURSEMENTS
from disbursements.errors import BatchNotFound, FileNotFound, FloatTooSmall
from disbursements.models import Batch, BatchRow, BatchStatus, PayoutFile
from engine.common.errors import RequestRefused
from engine.common.ids import parse_public_id
from engine.common.queue import after_commit
from engine.partners.errors import IdempotencyConflict
from engine.payouts.float_quotes import (
    FloatQuoteRequest,
    gateway_fees,
    make_float_quote,
    total_cost,
)
from engine.payouts.floats import lock_floats, read_float
from engine.payouts.services import execute_quote
from engine.rails.operators import Msisdn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

logger = structlog.get_logger(__name__)

# Single payouts of the same partner wait for the float as long as these take.
ROWS_AT_ONCE = 25
# The workers have other things to do; the next sweep goes on.
SECONDS_MAX = 10.0
# Cut out by PostgreSQL: a worker need not read ten thousand rows to pay twenty-five.
ROWS = """
SELECT jsonb_path_query_array(rows, %s::jsonpath)::text
FROM disbursements_payoutfile WHERE id = %s
"""


def begin_batch(*, partner_id: UUID, file_id: str, key: str) -> Batch:
    """Begin to pay a file, once, whatever the key; the same call again gives the same batch.

    Raises FileNotFound, IdempotencyConflict, and FloatTooSmall, with what is missing, when
    the float does not cover all of it: then nothing of it is paid.
    """
    file_key = parse_public_id(PayoutFile.prefix, file_id)
    file = file_key and PayoutFile.objects.filter(pk=file_key, partner_id=partner_id).first()
    if not file:
        raise FileNotFound("There is no file with this id.")
    known = Batch.objects.filter(file=file).first()
    if known is None:
        try:
            known = _begin(file, key)
        except IntegrityError:
            # Another call was faster, with this file or with this key.
            known = Batch.objects.filter(file=file).first()
    if known is None or known.key != key:
        raise IdempotencyConflict
    return known


def _begin(file: PayoutFile, key: str) -> Batch:
    with transaction.atomic():
        # Two batches at once must not both count on the same float.
        lock_floats(partner_id=file.partner_id)
        batch = Batch.objects.create(
            partner_id=file.partner_id, file=file, total_payouts=file.row_count, key=key
        )
        _refuse_if_short(batch, file.rows)
        after_commit("disbursements.pay_batches")
    return batch


def _refuse_if_short(batch: Batch, rows: list[dict[str, Any]]) -> None:
    """Raise FloatTooSmall unless the float covers every row, after what was begun before."""
    asked = _costs(rows)
    begun: dict[str, int] = {}
    for other in open_batches().filter(partner_id=batch.partner_id).exclude(pk=batch.pk):
        for currency, units in _costs(other.file.rows[other.made_payouts :]).items():
            begun[currency] = begun.get(currency, 0) + units
    for currency, units in asked.items():
        held = read_float(
            partner_id=batch.partner_id, livemode=True, currency=currency
        ).units - begun.get(currency, 0)
        if held < units:
            raise FloatTooSmall(currency=currency, needed=units, held=max(held, 0))


def _costs(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """What these rows take from the floats, fees included, by currency."""
    fees = gateway_fees()
    costs: dict[str, int] = {}
    for row in rows:
        currency = row["currency"]
        costs[currency] = costs.get(currency, 0) + total_cost(
            fees, gateway=row["gateway"], currency=currency, units=row["units"]
        )
    return costs


def open_batches() -> Any:
    return (
        Batch.objects.filter(status=BatchStatus.PROCESSING)
        .select_related("file")
        .order_by("created_at")
    )


def pay_batches() -> int:
    """Make payouts of the open batches, in turns. Returns how many rows were done.

    Ends long before Celery's time limit would end it; the next sweep goes on from there.
    """
    ends_at, done, last = monotonic() + SECONDS_MAX, 0, 1
    while last and monotonic() < ends_at:
        last = sum(_pay_some_safely(key) for key in open_batches().values_list("pk", flat=True))
        done += last
    return done


def _pay_some_safely(batch_id: UUID) -> int:
    """The same, and a batch that breaks holds up no other."""
    try:
        return _pay_some(batch_id)
    except Exception:
        logger.exception("batch_broke", batch=batch_id.hex)
        return 0


def _pay_some(batch_id: UUID) -> int:
    """Do the next rows of a batch; 0 when it is over, another's, or has to wait."""
    with transaction.atomic():
        batch = (
            Batch.objects.select_for_update(skip_locked=True)
            .filter(pk=batch_id, status=BatchStatus.PROCESSING)
            .first()
        )
        if batch is None:
            return 0
        done: list[BatchRow] = []
        for row in _next_rows(batch):
            paid = _pay_row(batch, row)
            if paid is None:
                break
            done.append(paid)
        BatchRow.objects.bulk_create(done)
        batch.made_payouts += len(done)
        if batch.made_payouts == batch.total_payouts:
            is_paid = BatchRow.objects.filter(batch=batch, payout_id__isnull=False).exists()
            batch.status = BatchStatus.COMPLETED if is_paid else BatchStatus.FAILED
        batch.save(update_fields=["made_payouts", "status"])
    return len(done)


def _next_rows(batch: Batch) -> list[dict[str, Any]]:
    first = batch.made_payouts
    with connection.cursor() as cursor:
        cursor.execute(ROWS, [f"$[{first} to {first + ROWS_AT_ONCE - 1}]", batch.file_id])
        rows: list[dict[str, Any]] = json.loads(cursor.fetchone()[0])
    return rows


def _pay_row(batch: Batch, row: dict[str, Any]) -> BatchRow | None:
    """Quote and execute one row. What is refused is noted and moves nothing.

    None where it is refused only for now: the batch goes on with this row later.
    """
    try:
        with transaction.atomic():
            quote = make_float_quote(
                FloatQuoteRequest(
                    partner_id=batch.partner_id,
                    livemode=True,
                    door=DISBURSEMENTS.name,
                    gateway=row["gateway"],
                    currency=row["currency"],
                    units=row["units"],
                    recipient=Msisdn(row["phone"], row["country"]),
                )
            )
            execute_quote(
                quote_id=quote.public_id,
                partner_id=batch.partner_id,
                livemode=True,
                door=DISBURSEMENTS.name,
                over_gateways=True,
            )
    except RequestRefused as refusal:
        if refusal.retryable:
            return None
        return BatchRow(batch=batch, line=row["line"], error=refusal.message[:200])
    return BatchRow(batch=batch, line=row["line"], payout_id=quote.payout_id)


def batch_of(partner_id: UUID, batch_id: str) -> Batch:
    """A merchant's batch. Raises BatchNotFound, for a stranger's too."""
    key = parse_public_id(Batch.prefix, batch_id)
    batch = key and Batch.objects.filter(pk=key, partner_id=partner_id).first()
    if not batch:
        raise BatchNotFound("There is no batch with this id.")
    return batch


def payouts_of_batch(partner_id: UUID, batch_id: str) -> list[UUID]:
    """The payouts that a merchant's batch has become so far; none for a stranger's."""
    key = parse_public_id(Batch.prefix, batch_id)
    if key is None:
        return []
    made = BatchRow.objects.filter(batch_id=key, batch__partner_id=partner_id)
    return [payout for payout in made.values_list("payout_id", flat=True) if payout]
