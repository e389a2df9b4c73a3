"""Delivering what is owed. Two workers never have one delivery in hand at once.

A worker takes an endpoint for itself, sends with at most two requests at a time, and
writes each outcome down before it takes the next. Killed between any two lines, the lease
runs out and somebody else goes on, with the same id and the same bytes.
"""

from __future__ import annotations

import re
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from engine.common.http import AddressRefused, NoAnswer, Reply, post
from engine.webhooks.dialects.base import dialect_named
from engine.webhooks.models import REPLY_BYTES_MAX, Endpoint
from engine.webhooks.outcomes import Outcome, record
from engine.webhooks.services import secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

logger = structlog.get_logger(__name__)

SQL = Path(__file__).parent / "sql"
LEASE_ENDPOINTS = (SQL / "lease_endpoints.sql").read_text()
NEXT_DELIVERY = (SQL / "next_delivery.sql").read_text()

AT_ONCE_PER_ENDPOINT = 2
ENDPOINTS_AT_ONCE = 8
TIMEOUT_SECONDS = 15.0
# A run hands its endpoint back after this long, so that the lease outlives every run.
RUN_SECONDS_MAX = 20.0
LEASE_SECONDS = RUN_SECONDS_MAX + 2 * TIMEOUT_SECONDS
# Two runs share one endpoint; each keeps its own thread and its own connection.
_pool = ThreadPoolExecutor(ENDPOINTS_AT_ONCE * AT_ONCE_PER_ENDPOINT, "webhooks")
PAUSE_SECONDS = 0.2
# What we could not even send, such as a secret whose seal is broken, waits for a person.
BROKEN_PAUSE = timedelta(minutes=5)
# Some receivers refuse whoever does not say who is calling.
ALWAYS = {"Content-Type": "application/json", "User-Agent": "Zopay-Webhooks/1.0"}
RETRY_AFTER = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class InHand:
    """A delivery that this worker, and nobody else, is sending."""

    delivery_id: int
    tries: int
    is_replay: bool
    message_id: UUID
    type: str
    body: bytes


def deliver() -> int:
    """Send everything that is due. Returns how many attempts were made.

    New endpoints are taken up as soon as any thread is free, so that a slow receiver
    holds up nobody but itself.
    """
    began, attempts = monotonic(), 0
    running: dict[Future[int], UUID] = {}
    while True:
        if monotonic() - began < RUN_SECONDS_MAX:
            for endpoint_id in _lease_endpoints(ENDPOINTS_AT_ONCE - len(set(running.values()))):
                for _ in range(AT_ONCE_PER_ENDPOINT):
                    running[_pool.submit(_run, endpoint_id, began)] = endpoint_id
        if not running:
            return attempts
        done, _ = wait(running, timeout=PAUSE_SECONDS, return_when=FIRST_COMPLETED)
        finished = {run: running.pop(run) for run in done}
        attempts += sum(run.result() for run in finished)
        _release(set(finished.values()) - set(running.values()))


def _lease_endpoints(count: int) -> list[UUID]:
    if count <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(LEASE_ENDPOINTS, {"count": count, "lease_seconds": LEASE_SECONDS})
        return [row[0] for row in cursor.fetchall()]


def _release(endpoint_ids: Iterable[UUID]) -> None:
    Endpoint.objects.filter(pk__in=list(endpoint_ids)).update(leased_until=None)


def _run(endpoint_id: UUID, began: float) -> int:
    """Send an endpoint's due deliveries; one that breaks us breaks nobody else's."""
    close_old_connections()
    try:
        return _send_due(endpoint_id, began)
    except (OperationalError, InterfaceError):
        # The database is away: no endpoint is to blame, and the leases run out.
        raise
    except Exception:
        logger.exception("webhooks_broke", endpoint=endpoint_id.hex)
        Endpoint.objects.filter(pk=endpoint_id).update(
            paused_until=timezone.now() + BROKEN_PAUSE
        )
        return 0


def _send_due(endpoint_id: UUID, began: float) -> int:
    """One delivery after the other, until none is left or the time is up."""
    attempts = 0
    while monotonic() - began < RUN_SECONDS_MAX:
        endpoint = Endpoint.objects.get(pk=endpoint_id)
        in_hand = _next_delivery(endpoint)
        if in_hand is None:
            break
        attempts += 1
        if not _attempt(endpoint, in_hand):
            # Whatever else is due here would meet the same trouble now.
            break
    return attempts


def _next_delivery(endpoint: Endpoint) -> InHand | None:
    if endpoint.paused_until is not None and endpoint.paused_until > timezone.now():
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            NEXT_DELIVERY, {"endpoint": endpoint.pk, "lease_seconds": 2 * TIMEOUT_SECONDS}
        )
        row = cursor.fetchone()
    if row is None:
        return None
    delivery_id, tries, is_replay, message_id, type_, body = row
    return InHand(delivery_id, tries, is_replay, message_id, type_, bytes(body))


def _attempt(endpoint: Endpoint, in_hand: InHand) -> bool:
    """Make one request and write down what came of it. Returns whether it was taken."""
    now = timezone.now()
    dialect = dialect_named(endpoint.dialect)
    headers = dialect.headers(
        message_id=f"evt_{in_hand.message_id.hex}",
        event_type=in_hand.type,
        body=in_hand.body,
        secrets=secrets_of(endpoint, now=now),
        now=now,
        is_replay=in_hand.is_replay,
    )
    outcome = _ask(endpoint.url, in_hand.body, headers)
    return record(
        endpoint,
        delivery_id=in_hand.delivery_id,
        tries=in_hand.tries + 1,
        outcome=outcome,
        dialect=dialect,
    )


def _ask(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    shown = {name: _shown(name, value) for name, value in headers.items()}
    began = monotonic()
    try:
        reply: Reply = post(
            url,
            body=body,
            headers=headers | ALWAYS,
            timeout_seconds=TIMEOUT_SECONDS,
            allow_loopback=settings.WEBHOOK_ALLOW_LOOPBACK,
        )
    except (AddressRefused, NoAnswer) as failure:
        spent = round((monotonic() - began) * 1000)
        return Outcome(headers=shown, error=failure.reason, milliseconds=spent)
    return Outcome(
        headers=shown,
        status=reply.status,
        reply=reply.head[:REPLY_BYTES_MAX],
        retry_after=_retry_after(reply.headers.get("retry-after", "")),
        milliseconds=reply.milliseconds,
    )


def _shown(name: str, value: Any) -> str:
    """A header as it is kept: whoever could read a signature could replay the request."""
    return "…" if "signature" in name.lower() else str(value)


def _retry_after(text: str) -> int:
    """Seconds a receiver asks us to wait; the date form is not worth its clock."""
    return int(text) if RETRY_AFTER.fullmatch(text) else 0
