"""What an attempt means: delivered, again later, given up, an endpoint that is gone."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone

from engine.webhooks.dialects.base import Dialect, delay_before
from engine.webhooks.models import (
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

logger = structlog.get_logger(__name__)

SUCCESS = range(200, 300)
GONE = 410
MAY_ASK_FOR_TIME = {429, 503}
RETRY_AFTER_SECONDS_MAX = 3600
FAILING_DAYS_MAX = 5
# The breaker: from this many failures in a row on, an endpoint is left alone for a while
# that doubles, so that a thousand messages do not wait for fifteen seconds each.
BREAKER_FAILURES = 5
BREAKER_SECONDS = 10
BREAKER_SECONDS_MAX = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back from one request: a status, or the reason why nothing did."""

    milliseconds: int
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    reply: bytes = b""
    retry_after: int = 0
    error: str = ""

    @property
    def is_success(self) -> bool:
        return self.status in SUCCESS


@dataclass(frozen=True, slots=True)
class InHand:
    """A delivery as a worker took it, with what to send.

    `leased_until` says whose it is: who finds another there has lost it. `due_at` says
    which round it is: sending again by hand begins a new one.
    """

    delivery_id: int
    tries: int
    is_replay: bool
    due_at: datetime
    leased_until: datetime
    message_id: UUID
    type: str
    body: bytes
    # Its own URL, or '' where its endpoint's is the one.
    url: str = ""
    sealed_token: bytes | None = None


@transaction.atomic
def record(endpoint: Endpoint, in_hand: InHand, *, outcome: Outcome, dialect: Dialect) -> bool:
    """Write an attempt down and decide what follows. Returns whether it was taken.

    The attempt is history whatever happened meanwhile; what follows is decided only by
    who still has the delivery, and only for the round that was sent.
    """
    Attempt.objects.create(
        delivery_id=in_hand.delivery_id,
        request_headers=outcome.headers,
        status=outcome.status,
        reply=outcome.reply,
        error=outcome.error,
        milliseconds=outcome.milliseconds,
    )
    delivery = Delivery.objects.select_for_update(no_key=True).get(pk=in_hand.delivery_id)
    if delivery.leased_until != in_hand.leased_until:
        logger.warning("webhook_lease_lost", delivery=delivery.pk, endpoint=endpoint.public_id)
        return outcome.is_success
    now = timezone.now()
    delivery.leased_until = None
    _decide(delivery, in_hand, outcome, dialect, now)
    if endpoint.is_for_own_urls:
        # One URL says nothing of the others, so nothing is counted; who is gone is gone.
        if outcome.status == GONE and delivery.state == DeliveryState.PENDING:
            delivery.state, delivery.due_at = DeliveryState.DEAD, None
    elif outcome.is_success:
        Endpoint.objects.filter(pk=endpoint.pk, url=endpoint.url, failures__gt=0).update(
            failing_since=None, failures=0, paused_until=None
        )
    elif _count_failure(endpoint, outcome, now).deleted_at is not None:
        # Who deleted it did not wait for us, and left this one to us.
        delivery.state, delivery.due_at = DeliveryState.DEAD, None
    delivery.save(update_fields=["state", "tries", "due_at", "leased_until"])
    if delivery.state == DeliveryState.DEAD:
        logger.warning("webhook_given_up", delivery=delivery.pk, endpoint=endpoint.public_id)
    return outcome.is_success


def _decide(
    delivery: Delivery, in_hand: InHand, outcome: Outcome, dialect: Dialect, now: datetime
) -> None:
    """Set what becomes of a delivery; the caller holds its lock and saves it."""
    if delivery.state == DeliveryState.PENDING and delivery.due_at != in_hand.due_at:
        # Sent again by hand while we were sending: that round has yet to begin.
        return
    if outcome.is_success:
        delivery.state, delivery.due_at = DeliveryState.DELIVERED, None
    elif delivery.state == DeliveryState.PENDING:
        delay = delay_before(dialect, in_hand.tries + 2, random=random.random)
        if delay is None:
            delivery.state, delivery.due_at = DeliveryState.DEAD, None
        else:
            wait = max(delay, _seconds_asked_for(outcome))
            delivery.due_at = now + timedelta(seconds=wait)
    delivery.tries = in_hand.tries + 1


def _seconds_asked_for(outcome: Outcome) -> int:
    if outcome.status not in MAY_ASK_FOR_TIME:
        return 0
    return min(outcome.retry_after, RETRY_AFTER_SECONDS_MAX)


def _count_failure(asked: Endpoint, outcome: Outcome, now: datetime) -> Endpoint:
    """Open the breaker, or disable what is gone or has failed for days on end.

    Returns the endpoint as it is now, which has a new address that did nothing wrong if
    the partner changed it while the old one was asked.
    """
    # Not against its key: a payout's step that owes it a message must not wait for us.
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=asked.pk)
    if endpoint.url != asked.url:
        return endpoint
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    pause = _seconds_asked_for(outcome)
    if endpoint.failures >= BREAKER_FAILURES:
        doubled = BREAKER_SECONDS * 2 ** min(endpoint.failures - BREAKER_FAILURES, 10)
        pause = max(pause, min(doubled, BREAKER_SECONDS_MAX))
    if pause:
        until = now + timedelta(seconds=pause)
        endpoint.paused_until = max(until, endpoint.paused_until or until)
    reason = ""
    if outcome.status == GONE:
        reason = "It answered 410 Gone."
    elif now - endpoint.failing_since >= timedelta(days=FAILING_DAYS_MAX):
        reason = f"Every attempt has failed for {FAILING_DAYS_MAX} days."
    if reason and endpoint.state == EndpointState.ENABLED:
        endpoint.state, endpoint.disabled_reason = EndpointState.DISABLED, reason
        transaction.on_commit(lambda: _tell(endpoint))
    endpoint.save(
        update_fields=["failures", "failing_since", "paused_until", "state", "disabled_reason"]
    )
    return endpoint


def _tell(endpoint: Endpoint) -> None:
    """Write to the partner, and to ourselves, that an endpoint no longer gets anything."""
    recipients = [endpoint.partner.contact_email, settings.OPERATORS_EMAIL]
    send_mail(
        subject=f"Webhooks to {endpoint.url} are switched off",
        message=(
            f"{endpoint.disabled_reason}\n\nWhat is still owed to this endpoint waits: switch"
            " it on again in the API or in admin, and it is sent. What was given up after"
            " its last try, and what happens until then, is in the list of events and can"
            " be sent again from there.\n"
        ),
        from_email=None,
        recipient_list=[address for address in recipients if address],
        fail_silently=True,
    )
