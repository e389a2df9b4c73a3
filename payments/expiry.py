"""Payments whose recipient never said how to be paid: the money goes back."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from engine.common.times import now_in_books
from engine.ledger.services import move_many
from engine.payouts import fence
from payments.endings import give_back
from payments.models import Payment, PaymentStatus
from payments.opening import has_live_payout

if TYPE_CHECKING:
    from uuid import UUID

EXPIRED = "expired"
# A sweep ends before Celery's time limit does it; the next one goes on from there.
SWEEP_SECONDS_MAX = 20.0
# What is being paid out does not run out of time: it ends when its payout does. A row that
# another worker or a recipient holds is left for the next sweep.
DUE = """
SELECT p.id FROM payments_payment p
WHERE p.status = 'pending' AND p.expires_at <= statement_timestamp()
  AND p.id <> ALL(%s::uuid[])
  AND NOT EXISTS (
      SELECT FROM payouts_payout o WHERE o.id = p.payout_id AND o.finished_at IS NULL
  )
ORDER BY p.expires_at LIMIT 1
FOR NO KEY UPDATE OF p SKIP LOCKED
"""

logger = structlog.get_logger(__name__)


def expire_now(payment_id: UUID) -> bool:
    """Give a payment's money back at once; False where it is final or being paid out.

    Nor in a house that was restored: its money may be out, and only the journal knows.
    """
    if fence.may_have_forgotten():
        return False
    with transaction.atomic():
        payment = _lock(payment_id)
        return payment is not None and _expire(payment)


def expire_due() -> int:
    """Give back what nobody has asked for in time; how many payments that were.

    Each in a database transaction of its own; one that breaks stops no other, and is left
    as it is for a person to see in the log. None in a house that was restored, until it
    is reconciled.
    """
    if fence.may_have_forgotten():
        return 0
    began, expired = monotonic(), 0
    broken: list[UUID] = []
    while monotonic() - began < SWEEP_SECONDS_MAX:
        payment_id = None
        try:
            with transaction.atomic():
                payment_id = _next_due(broken)
                if payment_id is None:
                    return expired
                payment = _lock(payment_id)
                expired += payment is not None and _expire(payment)
        except (OperationalError, InterfaceError):
            # The database is away: nobody's row is to blame.
            raise
        except Exception:
            if payment_id is None:
                raise
            logger.exception("payment_not_expired", payment=str(payment_id))
            broken.append(payment_id)
    return expired


def _next_due(broken: list[UUID]) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(DUE, [broken])
        row = cursor.fetchone()
        return None if row is None else row[0]


def _lock(payment_id: UUID) -> Payment | None:
    return (
        Payment.objects.select_for_update(no_key=True, of=("self",))
        .select_related("token")
        .filter(pk=payment_id)
        .first()
    )


def _expire(payment: Payment) -> bool:
    """End a locked payment, unless it has ended, or a payout of it is under way."""
    if payment.status != PaymentStatus.PENDING or has_live_payout(payment):
        return False
    move_many(give_back(payment, EXPIRED, at=now_in_books()))
    return True
