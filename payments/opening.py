"""Whether a payment's form may be filled in, by the database's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.partners.models import Partner
from engine.payouts.errors import PayoutsFrozen
from engine.payouts.models import Payout
from payments.models import PaymentStatus

if TYPE_CHECKING:
    from datetime import datetime

    from payments.models import Payment


def is_open(payment: Payment, now: datetime) -> bool:
    """Whether the form may be filled in: pending, no payout under way, time left."""
    return (
        payment.status == PaymentStatus.PENDING
        and now < payment.expires_at
        and not has_live_payout(payment)
    )


def has_live_payout(payment: Payment) -> bool:
    """Whether a payout of it is under way. Lock the payment first where it matters."""
    return (
        payment.payout_id is not None
        and Payout.objects.filter(pk=payment.payout_id, finished_at__isnull=True).exists()
    )


def refuse_unapproved(payment: Payment) -> None:
    """Raises PayoutsFrozen for a live payment of a partner whose approval was taken away.

    Its forms stay where they are, so that it can be given back.
    """
    if (
        payment.livemode
        and not Partner.objects.filter(pk=payment.partner_id, is_approved=True).exists()
    ):
        raise PayoutsFrozen
