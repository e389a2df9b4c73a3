"""A payment's payouts and messages as its admin page shows them: masked, newest last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.common.secrets import SealBroken
from engine.payouts.links import tracking_url
from engine.payouts.models import Payout
from engine.rails.places import mask, place_of
from engine.webhooks.inspecting import COLOURS
from engine.webhooks.models import Message
from payments.page_words import amount_of, masked_name
from payments.sessions import review_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from payments.models import FormSession, Payment

STATES = {"delivered": "success", "failed": "danger", "cancelled": "danger"}


@dataclass(frozen=True, slots=True)
class ShownPayout:
    """One try: by which way, to whom, and what became of it."""

    key: UUID
    number: int
    method: str
    place: str
    destination: str
    holder: str
    arrives: str
    status: str
    colour: str
    failure_code: str
    created_at: datetime
    tracking_url: str


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One message to the partner, and whether it has arrived."""

    key: UUID
    type: str
    told_at: datetime
    where: str
    states: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Story:
    payouts: list[ShownPayout]
    messages: list[ShownMessage]


def story_of(payment: Payment) -> Story:
    """What has happened to a payment, in a handful of statements."""
    tries = list(
        payment.payouts.select_related("session__quote__conversion", "session__payment")
    )
    payouts = Payout.objects.in_bulk([one.payout_id for one in tries])
    told = Message.objects.filter(subject=payment.public_id).order_by("id")
    return Story(
        payouts=[
            _payout(one.number, one.session, payouts[one.payout_id])
            for one in tries
            if one.payout_id in payouts
        ],
        messages=[
            _message(message)
            for message in told.defer("body").prefetch_related("deliveries__endpoint")
        ],
    )


def _payout(number: int, session: FormSession, payout: Payout) -> ShownPayout:
    return ShownPayout(
        key=payout.pk,
        number=number,
        method=session.method.replace("_", " "),
        place=place_of(payout.to_network).name,
        destination=mask(payout.destination, network=payout.to_network),
        holder=_holder(session),
        arrives=f"{amount_of(payout.units_received, payout.asset)} {payout.asset}",
        status=payout.status,
        colour=STATES.get(payout.status, "warning"),
        failure_code=payout.failure_code,
        created_at=payout.created_at,
        tracking_url=tracking_url(payout.pk),
    )


def _holder(session: FormSession) -> str:
    try:
        return masked_name(review_of(session).holder)
    except SealBroken:
        return ""


def _message(message: Message) -> ShownMessage:
    deliveries = list(message.deliveries.all())
    return ShownMessage(
        key=message.pk,
        type=message.type,
        told_at=message.created_at,
        where=message.url or ", ".join(str(one.endpoint) for one in deliveries) or "nobody",
        states=[(COLOURS[one.state], one.get_state_display()) for one in deliveries],  # type: ignore[index]
    )
