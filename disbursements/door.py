"""Disbursements' words: PENDING, PROCESSING, SUCCESS, FAILED, CANCELLED."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from disbursements.amounts import write_amount
from engine.common.times import format_time
from engine.payouts.doors import Door
from engine.payouts.failures import failure_of
from engine.payouts.float_reads import FloatPayoutRow
from engine.payouts.states import GIVEN_UP, Status
from engine.rails.momo.references import reference_of_payout

if TYPE_CHECKING:
    from datetime import datetime

    from engine.payouts.models import Payout

NAME = "disbursements"
WAITING = {
    "operator_down": "The operator does not work just now. It is sent when they do.",
    "liquidity": "Our account with the operator is being topped up. It is sent after that.",
}
WAITING_OTHERWISE = "It cannot be sent just now. It is sent by itself as soon as it can."


def accept(payout: Payout) -> dict[str, Any]:
    """The answer to an execute, written when the quote is made."""
    return {
        "payout_id": payout.public_id,
        "status": DISBURSEMENTS.word(Status.PENDING),
        "gateway_reference": str(reference_of_payout(payout.id)),
        "correlation_id": str(payout.id),
    }


def describe(payout: Payout | FloatPayoutRow) -> dict[str, Any]:
    """A payout as GET shows it. Here `totalAmount` is the amount plus the fees."""
    row = payout if isinstance(payout, FloatPayoutRow) else row_of(payout)
    currency = row.currency
    return {
        "id": row.public_id,
        "merchantId": str(row.partner_id),
        "gateway": row.gateway.upper(),
        "amount": write_amount(row.units, currency=currency),
        "currency": currency,
        "status": DISBURSEMENTS.word(row.status),
        "recipient": {"msisdn": row.destination},
        "gatewayReference": str(reference_of_payout(row.id)),
        "gatewayFee": write_amount(row.units_gateway_fee, currency=currency),
        "platformFee": write_amount(row.units_fee - row.units_gateway_fee, currency=currency),
        "totalAmount": write_amount(row.units_sent, currency=currency),
        "createdAt": format_time(row.created_at),
        "completedAt": None if row.finished_at is None else format_time(row.finished_at),
        "error": describe_error(row),
    }


def describe_error(row: FloatPayoutRow) -> dict[str, Any] | None:
    """Why it failed, or why it waits; None when all is well."""
    if row.status in GIVEN_UP:
        failure = failure_of(row.failure_code)
        return {
            "code": failure.code.upper(),
            "message": failure.message,
            "retryable": failure.is_retryable,
        }
    if row.waiting_for:
        return {
            "code": row.waiting_for.upper(),
            "message": WAITING.get(row.waiting_for, WAITING_OTHERWISE),
            "retryable": False,
        }
    return None


def row_of(payout: Payout) -> FloatPayoutRow:
    """A payout with its quote as lists read it."""
    return FloatPayoutRow(
        id=payout.id,
        status=payout.status,
        failure_code=payout.failure_code,
        waiting_for=payout.waiting_for,
        gateway=payout.to_network,
        currency=payout.asset,
        units=payout.units_received,
        units_sent=payout.units_sent,
        units_fee=payout.quote.units_fee,
        units_gateway_fee=payout.quote.units_gateway_fee,
        destination=payout.destination,
        created_at=payout.created_at,
        finished_at=payout.finished_at,
        partner_id=payout.partner_id,
    )


def announce(
    payout: Payout,
    at: datetime,
    sequence: int,  # noqa: ARG001 - this API counts nothing
) -> tuple[str, dict[str, Any]] | None:
    """A webhook's event and body; None for steps that this API does not announce."""
    if payout.status not in {Status.DELIVERED, Status.FAILED}:
        return None
    row = row_of(payout)
    event = "payout.completed" if payout.status == Status.DELIVERED else "payout.failed"
    told: dict[str, Any] = {
        "payout_id": row.public_id,
        "merchant_id": str(payout.partner_id),
        "amount": write_amount(row.units, currency=row.currency),
        "currency": row.currency,
        "gateway": row.gateway.upper(),
        "recipient_msisdn": row.destination.removeprefix("+"),
        "status": DISBURSEMENTS.word(row.status),
        "created_at": format_time(row.created_at),
    }
    if payout.status == Status.DELIVERED:
        told |= {
            "gateway_fee": write_amount(row.units_gateway_fee, currency=row.currency),
            "platform_fee": write_amount(
                row.units_fee - row.units_gateway_fee, currency=row.currency
            ),
            "total_deducted": write_amount(row.units_sent, currency=row.currency),
        }
    else:
        told["failure_reason"] = failure_of(row.failure_code).message
    return event, {"event": event, "data": told, "timestamp": format_time(at)}


DISBURSEMENTS = Door(
    name=NAME,
    words={
        Status.PENDING: "PENDING",
        Status.SENDING: "PROCESSING",
        Status.BROADCAST: "PROCESSING",
        Status.DELIVERED: "SUCCESS",
        Status.FAILED: "FAILED",
        Status.CANCELLED: "CANCELLED",
    },
    edges={
        "PENDING": frozenset({"PROCESSING", "FAILED", "CANCELLED"}),
        "PROCESSING": frozenset({"SUCCESS", "FAILED"}),
        "SUCCESS": frozenset(),
        "FAILED": frozenset(),
        "CANCELLED": frozenset(),
    },
    accept=accept,
    describe=describe,
    announce=announce,
    dialect="x_zo",
    has_fees_on_top=True,
)
