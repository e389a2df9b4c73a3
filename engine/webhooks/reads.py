"""What partners look at: their endpoints, and their messages with what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from django.db.models import Model, Prefetch, Q, QuerySet

from engine.webhooks.errors import EndpointNotFound, EventNotFound, TooManyEvents
from engine.webhooks.models import Delivery, Endpoint, Message
from engine.webhooks.services import TEST_TYPE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    # A row's place in a list that is newest first.
    Place = tuple[datetime, UUID]

RESEND_MAX = 1000
AnyRow = TypeVar("AnyRow", bound=Model)


@dataclass(frozen=True, slots=True)
class Outbox:
    """Whose rows: one partner's, in one mode, as one dialect tells them."""

    partner_id: UUID
    livemode: bool
    dialect: str

    def endpoints(self, *, limit: int, after: Place | None = None) -> list[Endpoint]:
        """A page of endpoints, the newest first. `after` is the last one already seen."""
        return list(_newest(self._endpoints(), after)[:limit])

    def endpoint(self, key: UUID | None) -> Endpoint:
        """The endpoint of that id. Raises EndpointNotFound, also for a deleted one."""
        found = self._endpoints().filter(pk=key).first() if key else None
        if found is None:
            raise EndpointNotFound
        return found

    def messages(
        self,
        *,
        limit: int,
        after: Place | None = None,
        types: Sequence[str] | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Message]:
        """A page of messages with their deliveries, the newest first, in two statements.

        `since` is inclusive, `until` exclusive; None means any.
        """
        wanted = _within(self._messages(), types=types, since=since, until=until)
        if subject is not None:
            wanted = wanted.filter(subject=subject)
        return list(_with_deliveries(_newest(wanted, after))[:limit])

    def message(self, key: UUID | None) -> Message:
        """The message of that id, with its deliveries. Raises EventNotFound."""
        found = _with_deliveries(self._messages().filter(pk=key)).first() if key else None
        if found is None:
            raise EventNotFound
        return found

    def messages_to_resend(
        self, *, since: datetime, until: datetime, types: Sequence[str] | None = None
    ) -> list[Message]:
        """Everything told between two moments, the oldest first; tests are left out.

        Raises TooManyEvents above RESEND_MAX.
        """
        wanted = _within(self._messages(), types=types, since=since, until=until)
        found = list(
            wanted.exclude(type=TEST_TYPE)
            # Up to 64 KB each, and sending again needs none of it.
            .defer("body")
            .order_by("created_at", "id")[: RESEND_MAX + 1]
        )
        if len(found) > RESEND_MAX:
            raise TooManyEvents(most=RESEND_MAX)
        return found

    def _endpoints(self) -> QuerySet[Endpoint]:
        return Endpoint.objects.filter(
            partner_id=self.partner_id,
            livemode=self.livemode,
            dialect=self.dialect,
            deleted_at__isnull=True,
        ).exclude(url="")

    def _messages(self) -> QuerySet[Message]:
        return Message.objects.filter(
            partner_id=self.partner_id, livemode=self.livemode, dialect=self.dialect
        )


def _newest(rows: QuerySet[AnyRow], after: Place | None) -> QuerySet[AnyRow]:
    rows = rows.order_by("-created_at", "-id")
    if after is None:
        return rows
    at, key = after
    # Said this way round, the first half is a range of the index.
    return rows.filter(Q(created_at__lt=at) | Q(id__lt=key), created_at__lte=at)


def _within(
    messages: QuerySet[Message],
    *,
    types: Sequence[str] | None,
    since: datetime | None,
    until: datetime | None,
) -> QuerySet[Message]:
    if types is not None:
        messages = messages.filter(type__in=types)
    if since is not None:
        messages = messages.filter(created_at__gte=since)
    if until is not None:
        messages = messages.filter(created_at__lt=until)
    return messages


def _with_deliveries(messages: QuerySet[Message]) -> QuerySet[Message]:
    return messages.prefetch_related(Prefetch("deliveries", Delivery.objects.order_by("id")))
