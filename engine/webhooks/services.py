"""What is owed, and to whom: the one writer of endpoints, messages and deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from engine.common.http import AddressRefused, check_url
from engine.common.ids import new_id
from engine.common.queue import after_commit
from engine.common.secrets import seal, unseal
from engine.common.times import format_time, now_in_books
from engine.partners.models import Partner
from engine.webhooks.dialects.base import new_secret
from engine.webhooks.errors import (
    EndpointDisabled,
    EndpointNotFound,
    EndpointUrlRefused,
    TooManyEndpoints,
)
from engine.webhooks.models import (
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    Message,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

PURPOSE = "webhook endpoint"
TOKEN_PURPOSE = "payments token"  # noqa: S105 - what for, and no token
ROLL_HOURS = 24
ENDPOINTS_MAX = 20
# PostgreSQL takes 65,535 values with one statement.
DELIVERIES_PER_STATEMENT = 2000
TEST_TYPE = "webhook.test"
DELETED = "The partner deleted it."


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
    # Where this one goes in place of the partner's endpoints: https, or '' for them.
    url: str = ""
    # The API token that signs it, sealed under TOKEN_PURPOSE.
    sealed_token: bytes | None = None


def owe_messages(drafts: Sequence[Draft]) -> list[Message]:
    """Write down what partners are owed, in the caller's database transaction.

    A message is kept whether or not an endpoint listens: the list of events is the same
    for who polls and who is pushed to.
    """
    if not drafts:
        return []
    # With it one short statement does for any number; with the column's default, none does.
    now = now_in_books()
    messages = Message.objects.bulk_create(
        Message(
            partner_id=draft.partner_id,
            livemode=draft.livemode,
            door=draft.door,
            dialect=draft.dialect,
            type=draft.type,
            reference=draft.reference,
            subject=draft.subject,
            sequence=draft.sequence,
            body=draft.body,
            url=draft.url,
            sealed_token=draft.sealed_token,
            created_at=now,
        )
        for draft in drafts
    )
    _see_rows_for_own_urls(drafts)
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


def _wants(endpoint: Endpoint, told: Draft | Message) -> bool:
    return (
        (endpoint.partner_id, endpoint.livemode, endpoint.dialect, endpoint.is_for_own_urls)
        == (told.partner_id, told.livemode, told.dialect, bool(told.url))
    ) and (not endpoint.types or told.type in endpoint.types)


def _see_rows_for_own_urls(drafts: Sequence[Draft]) -> None:
    """Make the row in which a partner's messages with URLs of their own queue, once."""
    wanted = {
        (draft.partner_id, draft.livemode, draft.dialect) for draft in drafts if draft.url
    }
    if not wanted:
        return
    known = Endpoint.objects.filter(url="", partner_id__in={key[0] for key in wanted})
    wanted -= set(known.values_list("partner_id", "livemode", "dialect"))
    Endpoint.objects.bulk_create(
        [
            Endpoint(partner_id=partner, livemode=livemode, dialect=dialect, url="", secret=b"")
            # In one order for everybody: who inserts the same rows waits, in no ring.
            for partner, livemode, dialect in sorted(wanted)
        ],
        ignore_conflicts=True,
    )


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
            # In one order for everybody: two resends of one range must not wait in a ring.
            for message, endpoint in sorted(pairs, key=lambda pair: (pair[0].pk, pair[1].pk))
        ],
        update_conflicts=True,
        # Not leased_until: what a worker has in hand is sent again when that hand is empty.
        update_fields=["state", "tries", "due_at", "is_replay"],
        unique_fields=["message", "endpoint"],
        batch_size=DELIVERIES_PER_STATEMENT,
    )
    if deliveries:
        after_commit("webhooks.deliver")
    return len(deliveries)


def sequences_of(subjects: Iterable[str]) -> dict[str, int]:
    """The last sequence of each subject that has one; the caller holds their lock."""
    return dict(
        Message.objects.filter(subject__in=list(subjects))
        .values_list("subject")
        .annotate(last=Max("sequence"))
    )


@transaction.atomic
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
    # Of two at once the second one counts the first.
    Partner.objects.select_for_update(no_key=True).get(pk=partner_id)
    mine = Endpoint.objects.filter(
        partner_id=partner_id, livemode=livemode, deleted_at__isnull=True
    ).exclude(url="")
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


@transaction.atomic
def change_endpoint(
    *,
    endpoint_id: UUID,
    url: str | None = None,
    types: Sequence[str] | None = None,
    description: str | None = None,
) -> None:
    """Change what is given of an endpoint. Raises EndpointUrlRefused and EndpointNotFound.

    What is owed to it goes to the new address, which starts without the old one's failures.
    """
    if url is not None:
        refuse_url(url)
    endpoint = _lock(endpoint_id)
    if url is not None and url != endpoint.url:
        endpoint.url = url
        endpoint.failing_since, endpoint.failures, endpoint.paused_until = None, 0, None
    if types is not None:
        endpoint.types = list(types)
    if description is not None:
        endpoint.description = description
    endpoint.save(
        update_fields=[
            *("url", "types", "description"),
            *("failing_since", "failures", "paused_until"),
        ]
    )


@transaction.atomic
def delete_endpoint(*, endpoint_id: UUID) -> None:
    """Never send to an endpoint again, and give up what it was owed.

    The row stays, since its attempts do. What a worker has in hand at this moment may
    still arrive. Raises EndpointNotFound.
    """
    endpoint = _lock(endpoint_id)
    # Workers lock a delivery before its endpoint, so we wait for none: who holds one now
    # sees that the endpoint is deleted as soon as we let go of it.
    owed = Delivery.objects.select_for_update(no_key=True, skip_locked=True).filter(
        endpoint_id=endpoint_id, state=DeliveryState.PENDING
    )
    Delivery.objects.filter(pk__in=owed.values("pk")).update(
        state=DeliveryState.DEAD, due_at=None
    )
    endpoint.state, endpoint.disabled_reason = EndpointState.DISABLED, DELETED
    endpoint.deleted_at = timezone.now()
    endpoint.save(update_fields=["state", "disabled_reason", "deleted_at"])


def _lock(endpoint_id: UUID) -> Endpoint:
    """The endpoint, locked against all but new deliveries. Raises EndpointNotFound."""
    endpoint = (
        Endpoint.objects.select_for_update(no_key=True)
        .filter(pk=endpoint_id, deleted_at__isnull=True)
        .first()
    )
    if endpoint is None:
        raise EndpointNotFound
    return endpoint


def refuse_url(url: str) -> None:
    """Raise EndpointUrlRefused unless webhooks may be sent to `url`."""
    try:
        check_url(url, allow_loopback=settings.WEBHOOK_ALLOW_LOOPBACK)
    except AddressRefused as refusal:
        raise EndpointUrlRefused(refusal.message, reason=refusal.reason) from None


@transaction.atomic
def roll_secret(*, endpoint_id: UUID) -> str:
    """Give an endpoint a new secret; the old one signs beside it for 24 hours.

    Raises EndpointNotFound.
    """
    endpoint = _lock(endpoint_id)
    secret = new_secret()
    endpoint.old_secret = endpoint.secret
    endpoint.old_secret_until = timezone.now() + timedelta(hours=ROLL_HOURS)
    endpoint.secret = seal(PURPOSE, secret.encode())
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return secret


def secrets_of(endpoint: Endpoint, *, now: datetime) -> list[str]:
    """The secrets that sign at `now`, the newest first.

    What goes to a URL of its own is signed as at the partner's first endpoint of that mode
    and dialect, disabled or not, since the partner knows no other secret: none without one.
    """
    if endpoint.is_for_own_urls:
        first = (
            Endpoint.objects.filter(
                partner_id=endpoint.partner_id,
                livemode=endpoint.livemode,
                dialect=endpoint.dialect,
                deleted_at__isnull=True,
            )
            .exclude(url="")
            .order_by("created_at", "id")
            .first()
        )
        return [] if first is None else secrets_of(first, now=now)
    sealed = [endpoint.secret]
    old, until = endpoint.old_secret, endpoint.old_secret_until
    if old is not None and until is not None and now < until:
        sealed.append(old)
    return [unseal(PURPOSE, bytes(one)).decode() for one in sealed]


@transaction.atomic
def enable(*, endpoint_id: UUID) -> None:
    """Send to an endpoint again; what waited for it, for up to a day, is due now."""
    Endpoint.objects.filter(pk=endpoint_id, deleted_at__isnull=True).update(
        state=EndpointState.ENABLED,
        disabled_reason="",
        failing_since=None,
        failures=0,
        paused_until=None,
    )
    now = timezone.now()
    waiting = Delivery.objects.filter(endpoint_id=endpoint_id, due_at__gt=now)
    Delivery.objects.filter(
        pk__in=waiting.order_by("pk").select_for_update(skip_locked=True).values("pk")
    ).update(due_at=now)
    after_commit("webhooks.deliver")


def disable(*, endpoint_id: UUID, reason: str) -> None:
    """Stop sending to an endpoint; what is owed to it waits for `enable`."""
    Endpoint.objects.filter(pk=endpoint_id, deleted_at__isnull=True).update(
        state=EndpointState.DISABLED, disabled_reason=reason
    )


@transaction.atomic
def resend(messages: Iterable[Message], *, endpoint_id: UUID | None = None) -> int:
    """Send messages again, same ids and same bytes. Returns how many deliveries.

    To every enabled endpoint that would get them now and every one that got them before,
    or to one of those alone; a test goes only where it went. Raises EndpointDisabled when
    that one is.
    """
    chosen = list(messages)
    endpoints = Endpoint.objects.filter(
        partner_id__in={message.partner_id for message in chosen}, deleted_at__isnull=True
    ).order_by("pk")
    if endpoint_id is not None:
        endpoints = endpoints.filter(pk=endpoint_id)
        if endpoints.filter(state=EndpointState.DISABLED).exists():
            raise EndpointDisabled
    went_to = set(
        Delivery.objects.filter(message__in=chosen).values_list("message_id", "endpoint_id")
    )
    return _send_to(
        (
            (message, endpoint)
            for endpoint in endpoints.filter(state=EndpointState.ENABLED)
            for message in chosen
            if (message.pk, endpoint.pk) in went_to
            or (message.type != TEST_TYPE and _wants(endpoint, message))
        ),
        is_replay=True,
    )


@transaction.atomic
def send_test(*, endpoint: Endpoint) -> Message:
    """Owe one endpoint a message that tells of nothing, to see that it arrives.

    Raises EndpointNotFound and EndpointDisabled.
    """
    if _lock(endpoint.pk).state == EndpointState.DISABLED:
        raise EndpointDisabled
    now = timezone.now()
    message = Message.objects.create(
        partner_id=endpoint.partner_id,
        livemode=endpoint.livemode,
        door="",
        dialect=endpoint.dialect,
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
