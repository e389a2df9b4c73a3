"""Payments' words: pending, succeeded, failed; and what a payout of a payment leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.common.times import now_in_books
from engine.payouts.doors import Door
from engine.payouts.states import Status
from payments.describing import DIALECT, NAME, describe, describe_failure, payment_url
from payments.endings import follow
from payments.models import PaymentPayout
from payments.opening import is_open
from payments.recalling import PaymentsMemory

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from engine.payouts.models import Payout

__all__ = ["NAME", "PAYMENTS", "describe", "describe_failure", "mend_url", "payment_url"]


def accept(payout: Payout) -> dict[str, Any]:
    """Kept with the quote; nobody is shown it, since a payment is what is shown."""
    return {"payout_id": payout.public_id}


def describe_payout(payout: Payout) -> dict[str, Any]:
    return accept(payout) | {"status": PAYMENTS.word(payout.status)}


def announce(payout: Payout, at: datetime, sequence: int) -> None:
    """Nothing: the one message is owed when the payment is final, with that very step."""


def mend_url(payout_id: UUID) -> str:
    """Where the recipient of a failed payout may say anew how to be paid; "" if nowhere."""
    owner = PaymentPayout.objects.filter(payout_id=payout_id).select_related("payment").first()
    if owner is None or not is_open(owner.payment, now_in_books()):
        return ""
    return payment_url(owner.payment)


PAYMENTS = Door(
    name=NAME,
    words={
        Status.PENDING: "pending",
        Status.SENDING: "pending",
        Status.BROADCAST: "pending",
        Status.DELIVERED: "succeeded",
        Status.FAILED: "failed",
        Status.CANCELLED: "failed",
    },
    edges={
        "pending": frozenset({"succeeded", "failed"}),
        "succeeded": frozenset(),
        "failed": frozenset(),
    },
    accept=accept,
    describe=describe_payout,
    announce=announce,
    dialect=DIALECT,
    mend_url=mend_url,
    follow=follow,
    memory=PaymentsMemory(),
)
