"""Payments' words: pending, succeeded, failed; and what a payout of a payment leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings

from engine.common.times import format_time
from engine.payouts.doors import Door
from engine.payouts.failures import failure_of
from engine.payouts.states import Status
from payments.amounts import write_amount
from payments.models import Payment, PaymentStatus

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from engine.payouts.models import Payout

NAME = "payments"
# What becomes of a payment without a payout, or for somebody's decision.
ENDS = {
    "expired": "Nobody said in time how to be paid. The funds are back.",
    "cancelled": "The payout was cancelled before it was sent. The funds are back.",
}


def payment_url(payment: Payment) -> str:
    """Where the recipient fills in how to be paid, and later watches it arrive."""
    return f"{settings.ZOPAY_PUBLIC_URL}/checkin/{payment.public_id}"


def describe(payment: Payment) -> dict[str, Any]:
    """A payment as POST, GET and the webhook show it."""
    told: dict[str, Any] = {
        "id": payment.public_id,
        "status": payment.status,
        "url": payment_url(payment),
        "externalId": payment.external_id or None,
        "amount": write_amount(payment.units, currency=payment.currency),
        "currency": payment.currency,
        "description": payment.description,
        "metadata": payment.metadata,
        "createdAt": format_time(payment.created_at),
    }
    if payment.status == PaymentStatus.FAILED:
        told["failure"] = describe_failure(payment.failure_code)
    return told


def describe_failure(code: str) -> dict[str, Any]:
    """Why a payment failed. `retryable`: a new payment may well succeed."""
    if code in ENDS:
        return {"code": code, "message": ENDS[code], "retryable": True}
    failure = failure_of(code)
    return {"code": code, "message": failure.message, "retryable": failure.is_retryable}


def accept(payout: Payout) -> dict[str, Any]:
    """Kept with the quote; nobody is shown it, since a payment is what is shown."""
    return {"payout_id": payout.public_id}


def describe_payout(payout: Payout) -> dict[str, Any]:
    return accept(payout) | {"status": PAYMENTS.word(payout.status)}


def announce(
    payout: Payout,  # noqa: ARG001 - a payout's steps are no news here
    at: datetime,  # noqa: ARG001 - as above
    sequence: int,  # noqa: ARG001 - as above
) -> None:
    """Nothing: the one message is owed when the payment is final, with that very step."""


def mend_url(payout_id: UUID) -> str:
    """Where the recipient of a failed payout may say anew how to be paid; "" if nowhere."""
    # Here, since services need this module's words.
    from payments.services import is_open, now_in_books

    payment = Payment.objects.filter(payout_id=payout_id).first()
    if payment is None or not is_open(payment, now_in_books()):
        return ""
    return payment_url(payment)


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
    dialect="signature",
)
