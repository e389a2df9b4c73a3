"""Whose a payout is: a payment's, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Max

from payments.models import PaymentPayout

if TYPE_CHECKING:
    from uuid import UUID

    from payments.models import FormSession, Payment


def own(payment: Payment, payout_id: UUID, session: FormSession) -> None:
    """Make a payout the payment's own, and its last. The caller has locked the payment."""
    last = payment.payouts.aggregate(last=Max("number"))["last"] or 0
    PaymentPayout.objects.create(
        payment=payment, number=last + 1, payout_id=payout_id, session=session
    )
    payment.payout_id = payout_id
    payment.save(update_fields=["payout_id"])
