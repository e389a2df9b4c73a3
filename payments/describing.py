"""What a payment looks like from outside, wherever it is shown."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from engine.common.times import format_time
from engine.payouts.failures import failure_of
from payments.amounts import write_amount
from payments.models import Payment, PaymentStatus

NAME = "payments"
# How its messages are signed.
DIALECT = "signature"
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
