"""Paying a file: one payout for each of its rows, however often a worker dies.

When a batch is begun, all that its rows cost is set aside in the books, or it is refused.
A batch is claimed by its row lock; some rows become quotes, payouts and holds, and are
noted as made, in one database transaction. What was not committed was not made, so the
next worker goes on with the row after the last one noted. A batch that cannot go on says
why; it is tried again at every sweep, until an operator gives up what is left of it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import sha256
from time import monotonic
from typing import Any
from uuid import UUID, uuid5

import structlog
from django.db import Error, IntegrityError, connection, transaction

from disbursements.amounts import write_amount
from disbursements.errors import BatchNotFound, FileNotFound, FloatTooSmall
from disbursements.models import Batch, BatchRow, BatchStatus, PayoutFile
from disbursements.rest import RowsInDoubt, end, set_aside_rest
from disbursements.rows import places_of, terms_of
from engine.common.errors import RequestRefused
from engine.common.ids import parse_public_id
from engine.common.queue import after_commit
from engine.partners.errors import IdempotencyConflict
from engine.payouts import float_batches
from engine.payouts.float_reserves import FloatShort

logger = structlog.get_logger(__name__)

# Single payouts of the same partner wait for the float as long as these take.
ROWS_AT_ONCE = 100
# The workers have other things to do; the next sweep goes on.
SECONDS_MAX = 10.0
ERROR_LENGTH_MAX = 200
# Why a batch does not go on, where it is no refusal of the engine's.
SHORT = (
    "The float has {held} {currency}, and the rest of this batch needs {needed}."
    " It goes on by itself when the float covers it."
)
IN_DOUBT = "Rows of it may have been paid already. We are looking at them; nothing is sent."
BROKE = "Something of ours breaks at this batch. It is tried again; nothing is sent meanwhile."
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
            float_batches.set_aside(terms_of(batch), places_of(file.rows, first=0))
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
    """The same, and a batch that breaks holds up no other, and says so."""
    try:
        return _pay_some(batch_id)
    except Exception:
        logger.exception("batch_broke", batch=batch_id.hex)
        # Whoever breaks because the database is away cannot write it down.
        with suppress(Error), transaction.atomic():
            open_batches().filter(pk=batch_id).exclude(waits_for=BROKE).update(waits_for=BROKE)
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
        done, waits_for = _pay_next(batch)
        if not done and batch.waits_for == waits_for:
            return 0
        BatchRow.objects.bulk_create(done)
        batch.made_payouts += len(done)
        batch.waits_for = waits_for
        if batch.made_payouts == batch.total_payouts:
            end(batch)
        else:
            batch.save(update_fields=["made_payouts", "waits_for"])
    return len(done)


def _pay_next(batch: Batch) -> tuple[list[BatchRow], str]:
    """Make the next rows' payouts; or none, and why, where it goes on by itself later."""
    try:
        if not batch.fees:
            set_aside_rest(batch)
        return _make(batch), ""
    except FloatShort as short:
        return [], SHORT.format(
            currency=short.currency,
            held=write_amount(short.held, currency=short.currency),
            needed=write_amount(short.needed, currency=short.currency),
        )
    except RowsInDoubt:
        return [], IN_DOUBT
    except RequestRefused as refusal:
        if refusal.retryable:
            return [], refusal.message
        raise


def _make(batch: Batch) -> list[BatchRow]:
    rows = _next_rows(batch)
    with transaction.atomic():
        made = float_batches.pay_rows(
            terms_of(batch), places_of(rows, first=batch.made_payouts)
        )
    return [
        BatchRow(
            batch=batch,
            line=row["line"],
            currency=row["currency"],
            units=one.units,
            is_from_reserve=one.is_from_reserve,
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
