"""How payments end, and what their payouts' ends mean to them.

Everything here runs inside a database transaction of somebody else's who holds what comes
before: payouts, then payments, then accounts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
from django.conf import settings

from engine.ledger.services import Move
from engine.payouts import fence
from engine.payouts.conversions import undoing_of
from engine.payouts.failures import failure_of
from engine.payouts.floats import open_float
from engine.payouts.models import Payout
from engine.payouts.states import GIVEN_UP, Status
from engine.webhooks.services import Draft, owe_messages
from payments.describing import DIALECT, NAME, describe
from payments.models import Payment, PaymentStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID


# Why a payout is cancelled when its house was restored, and another one turns out to have
# been sent already: the payment lives on.
SUPERSEDED = "superseded"


def follow(end: Status, payout_ids: Sequence[UUID]) -> list[Move]:
    """What the end of payouts means to their payments; the movements that belong to it.

    Delivered, the payment has succeeded. Failed for a reason that the recipient can mend,
    it stays pending and its form opens again, with its own currency in it. Otherwise it
    has failed as well, and the money goes back to the partner's float.

    Locks the payments, in the order of their ids. The caller has locked the payouts.
    """
    payments = list(
        Payment.objects.select_for_update(no_key=True, of=("self",))
        .select_related("token")
        .filter(payout_id__in=payout_ids, status=PaymentStatus.PENDING)
        .order_by("id")
    )
    payouts = Payout.objects.select_related("quote__conversion").in_bulk(
        [payment.payout_id for payment in payments if payment.payout_id is not None]
    )
    moves: list[Move] = []
    for payment in payments:
        payout = payouts[payment.payout_id]
        if end in GIVEN_UP and hasattr(payout.quote, "conversion"):
            moves += undoing_of(payout.quote.conversion)
        ended_at = payout.finished_at
        if ended_at is None:
            raise ValueError(f"{payout} has not ended")
        if end == Status.DELIVERED:
            finish(payment, PaymentStatus.SUCCEEDED, at=ended_at)
        elif _may_be_mended(end, payout.failure_code):
            reopen(payment, at=ended_at)
        else:
            moves += give_back(payment, payout.failure_code, at=ended_at)
    return moves


def _may_be_mended(end: Status, failure_code: str) -> bool:
    """Whether the money stays where it is; what somebody has cancelled is not to be paid.

    But for a house that was restored, whose journals may still bring back another payout
    of the payment, one that was sent.
    """
    if end == Status.CANCELLED:
        return failure_code == SUPERSEDED or fence.is_up()
    return failure_of(failure_code).is_mendable


def reopen(payment: Payment, *, at: datetime) -> None:
    """Let the recipient say anew how to be paid, for as long as the first time."""
    payment.expires_at = at + timedelta(hours=settings.PAYMENT_HOURS)
    payment.save(update_fields=["expires_at"])


def give_back(payment: Payment, failure_code: str, *, at: datetime) -> list[Move]:
    """Let a payment fail; the movement that takes what it holds back to the float."""
    finish(payment, PaymentStatus.FAILED, failure_code, at=at)
    funds = open_float(
        partner_id=payment.partner_id, livemode=payment.livemode, currency=payment.currency
    )
    return [
        Move(
            f"payment:{payment.pk.hex}:return",
            payment.available_account_id,
            funds.available_account_id,
            payment.units,
        )
    ]


def finish(
    payment: Payment, status: PaymentStatus, failure_code: str = "", *, at: datetime
) -> None:
    """Make a payment final, and owe the one message that says so."""
    payment.status, payment.failure_code, payment.finished_at = status, failure_code, at
    payment.save(update_fields=["status", "failure_code", "finished_at"])
    owe_messages(
        [
            Draft(
                partner_id=payment.partner_id,
                livemode=payment.livemode,
                door=NAME,
                dialect=DIALECT,
                type=f"payment.{status.value}",
                reference=f"payment:{payment.pk.hex}:final",
                subject=payment.public_id,
                sequence=1,
                body=orjson.dumps(describe(payment)),
                url=payment.webhook_url,
                sealed_token=bytes(payment.token.sealed_text),
            )
        ]
    )
