"""What is owed, and to whom: the one writer of endpoints, messages and deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from engine.common.http import AddressRefused, check_url
from engine.common.ids import new_id
from engine.common.queue import after_commit
from engine.common.secrets import seal, unseal
from engine.common.times import format_time
from engine.webhooks.dialects.base import new_secret
from engine.webhooks.errors import EndpointUrlRefused, TooManyEndpoints
from engine.webhooks.models import (
    Delivery,
    Endpoint,
    EndpointState,
    Message,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

PURPOSE = "webhook endpoint"
DELIVER = "webhooks.deliver"
ROLL_HOURS = 24
ENDPOINTS_MAX = 20
TEST_TYPE = "webhook.test"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be: `body` is frozen from here on; `reference` names the step."""

    partner_id: UUID
    livemode: bool
    door: str
    dialect: str
    type: str
    reference: str
    subject: str
    sequence: int
    body: bytes


def owe_messages(drafts: Sequence[Draft]) -> list[Message]:
    """Write down what partners are owed, in the caller's database transaction.

    A message is kept whether or not an endpoint listens: the list of events is the same
    for who polls and who is pushed to.
    """
    if not drafts:
        return []
    messages = Message.objects.bulk_create(
        Message(
            partner_id=draft.partner_id,
            livemode=draft.livemode,
            door=draft.door,
            type=draft.type,
            reference=draft.reference,
            subject=draft.subject,
            sequence=draft.sequence,
            body=draft.body,
        )
        for draft in drafts
    )
    listening = Endpoint.objects.filter(
        partner_id__in={draft.partner_id for draft in drafts}, state=EndpointState.ENABLED
    )
    _send_to(
        (message, endpoint)
        for endpoint in listening
        for draft, message in zip(drafts, messages, strict=True)
        if _wants(endpoint, draft)
    )
    return messages


def _wants(endpoint: Endpoint, draft: Draft) -> bool:
    return (
        (endpoint.partner_id, endpoint.livemode, endpoint.dialect)
        == (draft.partner_id, draft.livemode, draft.dialect)
    ) and (not endpoint.types or draft.type in endpoint.types)


def _send_to(pairs: Iterable[tuple[Message, Endpoint]], *, is_replay: bool = False) -> int:
    """Set deliveries going; one that was sent before starts again with a new count."""
    deliveries = Delivery.objects.bulk_create(
        [
            Delivery(
                message=message,
                endpoint=endpoint,
                due_at=timezone.now(),
                is_replay=is_replay,
            )
            for message, endpoint in pairs
        ],
        update_conflicts=True,
        unique_fields=["message", "endpoint"],
        update_fields=["state", "tries", "due_at", "is_replay"],
    )
    if deliveries:
        after_commit(DELIVER)
    return len(deliveries)


def sequences_of(subjects: Iterable[str]) -> dict[str, int]:
    """The last sequence of each subject that has one; the caller holds their lock."""
    return dict(
        Message.objects.filter(subject__in=list(subjects))
        .values_list("subject")
        .annotate(last=Max("sequence"))
    )


def create_endpoint(
    *,
    partner_id: UUID,
    livemode: bool,
    url: str,
    types: Sequence[str] = (),
    dialect: str = "standard",
    description: str = "",
) -> tuple[Endpoint, str]:
    """Register an address. Returns the row and, for the only time, its secret.

    Raises EndpointUrlRefused and TooManyEndpoints.
    """
    refuse_url(url)
    mine = Endpoint.objects.filter(partner_id=partner_id, livemode=livemode)
    if mine.count() >= ENDPOINTS_MAX:
        raise TooManyEndpoints(most=ENDPOINTS_MAX)
    secret = new_secret()
    endpoint = Endpoint.objects.create(
        partner_id=partner_id,
        livemode=livemode,
        url=url,
        types=list(types),
        dialect=dialect,
        description=description,
        secret=seal(PURPOSE, secret.encode()),
    )
    return endpoint, secret


def refuse_url(url: str) -> None:
    """Raise EndpointUrlRefused unless webhooks may be sent to `url`."""
    try:
        check_url(url, allow_loopback=settings.WEBHOOK_ALLOW_LOOPBACK)
    except AddressRefused as refusal:
        raise EndpointUrlRefused(refusal.message, reason=refusal.reason) from None


@transaction.atomic
def roll_secret(*, endpoint_id: UUID) -> str:
    """Give an endpoint a new secret; the old one signs beside it for 24 hours."""
    endpoint = Endpoint.objects.select_for_update().get(pk=endpoint_id)
    secret = new_secret()
    endpoint.old_secret = endpoint.secret
    endpoint.old_secret_until = timezone.now() + timedelta(hours=ROLL_HOURS)
    endpoint.secret = seal(PURPOSE, secret.encode())
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return secret


def secrets_of(endpoint: Endpoint, *, now: datetime) -> list[str]:
    """The secrets that sign at `now`, the newest first."""
    sealed = [endpoint.secret]
    old, until = endpoint.old_secret, endpoint.old_secret_until
    if old is not None and until is not None and now < until:
        sealed.append(old)
    return [unseal(PURPOSE, bytes(one)).decode() for one in sealed]


def enable(*, endpoint_id: UUID) -> None:
    """Send to an endpoint again; what waited for it goes out now."""
    Endpoint.objects.filter(pk=endpoint_id).update(
        state=EndpointState.ENABLED,
        disabled_reason="",
        failing_since=None,
        failures=0,
        paused_until=None,
    )
    after_commit(DELIVER)


def disable(*, endpoint_id: UUID, reason: str) -> None:
    """Stop sending to an endpoint; what is owed to it waits for `enable`."""
    Endpoint.objects.filter(pk=endpoint_id).update(
        state=EndpointState.DISABLED, disabled_reason=reason
    )


@transaction.atomic
def resend(messages: Iterable[Message], *, endpoint_id: UUID | None = None) -> int:
    """Send messages again, same ids and same bytes. Returns how many deliveries.

    To every enabled endpoint that would get them now and every one that got them before,
    or to one of those alone.
    """
    pairs: dict[tuple[UUID, UUID], tuple[Message, Endpoint]] = {}
    for message in messages:
        fitting = Endpoint.objects.filter(
            Q(types=[]) | Q(types__contains=[message.type]) | Q(deliveries__message=message),
            partner_id=message.partner_id,
            livemode=message.livemode,
            state=EndpointState.ENABLED,
        ).distinct()
        for endpoint in fitting:
            if endpoint_id in (None, endpoint.pk):
                pairs[message.pk, endpoint.pk] = (message, endpoint)
    return _send_to(pairs.values(), is_replay=True)


@transaction.atomic
def send_test(*, endpoint: Endpoint) -> Message:
    """Owe one endpoint a message that tells of nothing, to see that it arrives."""
    now = timezone.now()
    message = Message.objects.create(
        partner_id=endpoint.partner_id,
        livemode=endpoint.livemode,
        door="",
        type=TEST_TYPE,
        reference=f"test:{new_id().hex}",
        subject=endpoint.public_id,
        sequence=sequences_of([endpoint.public_id]).get(endpoint.public_id, 0) + 1,
        body=orjson.dumps(
            {
                "type": TEST_TYPE,
                "timestamp": format_time(now),
                "livemode": endpoint.livemode,
                "data": {"endpoint": endpoint.public_id},
            }
        ),
    )
    _send_to([(message, endpoint)])
    return message
