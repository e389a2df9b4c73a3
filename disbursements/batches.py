"""Paying a file: one payout for each of its rows, however often a worker dies.

When a batch is begun, all that its rows cost is set aside in the books, or it is refused.
A batch is claimed by its row lock; some rows become quotes, payouts and holds, and are
noted as made, in one database transaction. What was not committed was not made, so the
next worker goes on with the row after the last one noted.
"""

from __future__ import annotations

import json
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import structlog
from django.db import IntegrityError, connection, transaction

from disbursements.door import DISBURSEMENTS
from disbursements.errors import BatchNotFound, FileNotFound, FloatTooSmall
from disbursements.models import Batch, BatchRow, BatchStatus, PayoutFile
from engine.common.errors import RequestRefused
from engine.common.ids import parse_public_id
from engine.common.queue import after_commit
from engine.partners.errors import IdempotencyConflict
from engine.payouts import float_batches
from engine.payouts.float_reserves import FloatShort
from engine.rails.operators import Msisdn

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = structlog.get_logger(__name__)

# Single payouts of the same partner wait for the float as long as these take.
ROWS_AT_ONCE = 100
# The workers have other things to do; the next sweep goes on.
SECONDS_MAX = 10.0
ERROR_LENGTH_MAX = 200
# Cut out by PostgreSQL: a worker need not read ten thousand rows to pay a hundred.
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
    try:
        with transaction.atomic():
            batch = Batch.objects.create(
                id=_id_of(file, key),
                partner_id=file.partner_id,
                file=file,
                total_payouts=file.row_count,
                key=key,
                fees=float_batches.fees_now(),
            )
            float_batches.set_aside(_terms(batch), _rows(file.rows, first=0))
            after_commit("disbursements.pay_batches")
    except FloatShort as short:
        raise FloatTooSmall(
            currency=short.currency, needed=short.needed, held=short.held
        ) from None
    return batch


def _id_of(file: PayoutFile, key: str) -> UUID:
    """The same for the same rows under the same key.

    So a batch that a restored database has forgotten is the same one when it is begun
    again, and the payouts that the journals have brought back are those of its rows.
    """
    told = json.dumps([key, file.rows], sort_keys=True)
    return uuid5(file.partner_id, sha256(told.encode()).hexdigest())


def _terms(batch: Batch) -> float_batches.Batch:
    return float_batches.Batch(
        id=batch.pk,
        partner_id=batch.partner_id,
        livemode=True,
        door=DISBURSEMENTS.name,
        fees=float_batches.fees_of(batch.fees),
    )


def _rows(rows: Sequence[dict[str, Any]], *, first: int) -> list[float_batches.Row]:
    """Rows of a file, of which the first one is at the place `first`."""
    return [
        float_batches.Row(
            place=place,
            gateway=row["gateway"],
            currency=row["currency"],
            units=row["units"],
            recipient=Msisdn(row["phone"], row["country"]),
        )
        for place, row in enumerate(rows, start=first)
    ]


def open_batches() -> Any:
    return Batch.objects.filter(status=BatchStatus.PROCESSING).order_by("created_at")


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
        done = [] if batch is None else _pay_next(batch)
        if batch is None or not done:
            return 0
        BatchRow.objects.bulk_create(done)
        batch.made_payouts += len(done)
        if batch.made_payouts == batch.total_payouts:
            is_paid = BatchRow.objects.filter(batch=batch, payout_id__isnull=False).exists()
            batch.status = BatchStatus.COMPLETED if is_paid else BatchStatus.FAILED
        batch.save(update_fields=["made_payouts", "status"])
    return len(done)


def _pay_next(batch: Batch) -> list[BatchRow]:
    """Make the next rows' payouts; none while one of them is refused only for now."""
    rows = _next_rows(batch)
    try:
        with transaction.atomic():
            made = float_batches.pay_rows(_terms(batch), _rows(rows, first=batch.made_payouts))
    except RequestRefused as refusal:
        if refusal.retryable:
            return []
        raise
    return [
        BatchRow(
            batch=batch,
            line=row["line"],
            currency=row["currency"],
            units=one.units,
            payout_id=one.payout_id,
            error=one.refused[:ERROR_LENGTH_MAX],
        )
        for row, one in zip(rows, made, strict=True)
    ]


def _next_rows(batch: Batch) -> list[dict[str, Any]]:
    first = batch.made_payouts
    with connection.cursor() as cursor:
        cursor.execute(ROWS, [f"$[{first} to {first + ROWS_AT_ONCE - 1}]", batch.file_id])
        rows: list[dict[str, Any]] = json.loads(cursor.fetchone()[0])
    return rows


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
