"""A delivery and its attempts as people read them: requests, replies, the curl again.

What came back is a stranger's text: what cannot be seen in it is spelt out. Signatures were
never kept, so none can be shown.
"""

from __future__ import annotations

import json
import shlex
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Prefetch
from django.utils.timezone import localtime

from engine.partners.validation import INVISIBLE_CATEGORIES
from engine.webhooks.models import REPLY_BYTES_MAX, Attempt, Delivery, DeliveryState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from engine.webhooks.models import Endpoint, Message

ATTEMPTS_SHOWN_MAX = 30
NOT_KEPT = "…"
CONTENT_TYPE = {"Content-Type": "application/json"}
CURL_NOTE = (
    "# The signature was not kept, and would be too old by now: a receiver that verifies"
    " refuses this.\n"
)
COLOURS = {
    DeliveryState.DELIVERED: "success",
    DeliveryState.PENDING: "warning",
    DeliveryState.DEAD: "danger",
}


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One request and what came back, ready for the page."""

    key: int
    at: datetime
    headers: list[tuple[str, str]]
    what: str
    outcome: str
    colour: str
    milliseconds: int
    reply: str
    is_cut: bool
    curl: str


@dataclass(frozen=True, slots=True)
class ShownDelivery:
    """One endpoint, and the attempts there, the newest first."""

    endpoint: Endpoint
    url: str
    state: str
    colour: str
    tries: int
    due_at: datetime | None
    is_replay: bool
    attempts: list[ShownAttempt]
    are_more: bool


def shown_deliveries(message: Message) -> list[ShownDelivery]:
    """Every delivery of a message with its newest attempts, in three statements."""
    deliveries = message.deliveries.select_related("endpoint").order_by("pk")
    newest = Attempt.objects.order_by("-pk")[: ATTEMPTS_SHOWN_MAX + 1]
    body = bytes(message.body)
    return [
        _delivery(delivery, message.url or delivery.endpoint.url, body)
        for delivery in deliveries.prefetch_related(Prefetch("attempts", newest, "newest"))
    ]


def _delivery(delivery: Delivery, url: str, body: bytes) -> ShownDelivery:
    attempts: list[Attempt] = delivery.newest  # type: ignore[attr-defined] # prefetched
    state = DeliveryState(delivery.state)
    return ShownDelivery(
        endpoint=delivery.endpoint,
        url=url,
        state=str(state.label),
        colour=COLOURS[state],
        tries=delivery.tries,
        due_at=delivery.due_at,
        is_replay=delivery.is_replay,
        attempts=[_attempt(attempt, url, body) for attempt in attempts[:ATTEMPTS_SHOWN_MAX]],
        are_more=len(attempts) > ATTEMPTS_SHOWN_MAX,
    )


def _attempt(attempt: Attempt, url: str, body: bytes) -> ShownAttempt:
    reply = bytes(attempt.reply)
    is_success = attempt.status is not None and attempt.status // 100 == 2  # noqa: PLR2004 - 2xx
    headers = CONTENT_TYPE | attempt.request_headers
    return ShownAttempt(
        key=attempt.pk,
        at=attempt.at,
        headers=list(headers.items()),
        what="Status" if attempt.status else "No answer",
        outcome=str(attempt.status or attempt.error.replace("_", " ")),
        colour="success" if is_success else "danger",
        milliseconds=attempt.milliseconds,
        reply=shown_json(reply),
        is_cut=len(reply) >= REPLY_BYTES_MAX,
        curl=curl(url, headers, body),
    )


def curl(url: str, headers: Mapping[str, str], body: bytes) -> str:
    """The command that sends the same bytes again, without a signature."""
    parts = [f"curl --url {shlex.quote(url)}"]
    parts += [
        f"-H {shlex.quote(f'{name}: {value}')}"
        for name, value in headers.items()
        if value != NOT_KEPT
    ]
    parts.append(f"--data-raw {shlex.quote(body.decode())}")
    return CURL_NOTE + " \\\n  ".join(parts)


def shown_moment(at: datetime | None) -> str | None:
    """A moment to the second, as short as it can be said."""
    return None if at is None else f"{localtime(at):%d %b %Y %H:%M:%S}"


def shown_json(content: bytes) -> str:
    """JSON indented; anything else as it is, its invisible characters spelt out."""
    text = content.decode("utf-8", "replace")
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        text = text.replace("\r\n", "\n")
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in INVISIBLE_CATEGORIES:
        return character
    return f"\\u{ord(character):04x}"
