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


@transaction.atomic
def record(
    endpoint: Endpoint,
    *,
    delivery_id: int,
    tries: int,
    outcome: Outcome,
    dialect: Dialect,
) -> bool:
    """Write an attempt down and decide what follows. Returns whether it was taken."""
    Attempt.objects.create(
        delivery_id=delivery_id,
        request_headers=outcome.headers,
        status=outcome.status,
        reply=outcome.reply,
        error=outcome.error,
        milliseconds=outcome.milliseconds,
    )
    now = timezone.now()
    if outcome.is_success:
        _close(delivery_id, tries, DeliveryState.DELIVERED)
        Endpoint.objects.filter(pk=endpoint.pk, failures__gt=0).update(
            failing_since=None, failures=0, paused_until=None
        )
        return True
    delay = delay_before(dialect, tries + 1, random=random.random)
    if delay is None:
        _close(delivery_id, tries, DeliveryState.DEAD)
        logger.warning("webhook_given_up", delivery=delivery_id, endpoint=endpoint.public_id)
    else:
        if outcome.status in MAY_ASK_FOR_TIME:
            delay = max(delay, min(outcome.retry_after, RETRY_AFTER_SECONDS_MAX))
        Delivery.objects.filter(pk=delivery_id).update(
            tries=tries, due_at=now + timedelta(seconds=delay), leased_until=None
        )
    _count_failure(endpoint.pk, outcome, now)
    return False


def _close(delivery_id: int, tries: int, state: DeliveryState) -> None:
    Delivery.objects.filter(pk=delivery_id).update(
        state=state, tries=tries, due_at=None, leased_until=None
    )


def _count_failure(endpoint_id: UUID, outcome: Outcome, now: datetime) -> None:
    """Open the breaker, or disable what is gone or has failed for days on end."""
    endpoint = Endpoint.objects.select_for_update().get(pk=endpoint_id)
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    if endpoint.failures >= BREAKER_FAILURES:
        pause = BREAKER_SECONDS * 2 ** min(endpoint.failures - BREAKER_FAILURES, 10)
        endpoint.paused_until = now + timedelta(seconds=min(pause, BREAKER_SECONDS_MAX))
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


def _tell(endpoint: Endpoint) -> None:
    """Write to the partner, and to ourselves, that an endpoint no longer gets anything."""
    recipients = [endpoint.partner.contact_email, settings.OPERATORS_EMAIL]
    send_mail(
        subject=f"Webhooks to {endpoint.url} are switched off",
        message=(
            f"{endpoint.disabled_reason}\n\nNothing is lost: what is owed to this endpoint"
            " waits. Switch it on again in the API or in admin, and it is sent.\n"
        ),
        from_email=None,
        recipient_list=[address for address in recipients if address],
        fail_silently=True,
    )
