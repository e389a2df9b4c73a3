"""Delivering what is owed. Two workers never have one delivery in hand at once.

A worker takes an endpoint for itself, sends with at most two requests at a time, and
writes each outcome down before it takes the next. Messages with URLs of their own are taken
one by one, no more at a time than `next_own_delivery.sql` admits. Killed between any two
lines, the lease runs out and somebody else goes on, with the same id and the same bytes.
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
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from engine.common.http import AddressRefused, NoAnswer, Reply, post
from engine.common.secrets import unseal
from engine.webhooks.dialects.base import dialect_named
from engine.webhooks.models import REPLY_BYTES_MAX, Delivery, Endpoint, EndpointState
from engine.webhooks.outcomes import InHand, Outcome, record
from engine.webhooks.services import TOKEN_PURPOSE, secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

logger = structlog.get_logger(__name__)

SQL = Path(__file__).parent / "sql"
LEASE_ENDPOINTS = (SQL / "lease_endpoints.sql").read_text()
NEXT_DELIVERY = (SQL / "next_delivery.sql").read_text()
NEXT_OWN_DELIVERY = (SQL / "next_own_delivery.sql").read_text()

AT_ONCE_PER_ENDPOINT = 2
ENDPOINTS_AT_ONCE = 8
THREADS = ENDPOINTS_AT_ONCE * AT_ONCE_PER_ENDPOINT
# Of one partner's messages with URLs of their own: a slow URL leaves room to others at its
# host, a slow host to other hosts, and a partner with nothing but slow ones to other partners.
OWN_AT_ONCE = {"per_url": 2, "per_host": 3, "in_all": 4}
# When these bounds let nothing go, one look in so many seconds is enough.
OWN_REST_SECONDS = 1.0
TIMEOUT_SECONDS = 15.0
# A run hands its endpoint back after this long, so that the lease outlives every run.
RUN_SECONDS_MAX = 20.0
LEASE_SECONDS = RUN_SECONDS_MAX + 2 * TIMEOUT_SECONDS
# A turn is shorter than a run: a long outbox gives way to whoever has waited for longest.
TURN_SECONDS = 2.0
# Two runs share one endpoint; each keeps its own thread and its own connection.
_pool = ThreadPoolExecutor(THREADS, "webhooks")
PAUSE_SECONDS = 0.2
# What we could not even send, such as a secret whose seal is broken, waits for a person.
BROKEN_PAUSE = timedelta(minutes=5)
# Some receivers refuse whoever does not say who is calling.
ALWAYS = {"Content-Type": "application/json", "User-Agent": "Zopay-Webhooks/1.0"}
RETRY_AFTER = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Turn:
    """An endpoint that is this worker's, for as long as the row still says so."""

    endpoint_id: UUID
    leased_until: datetime
    is_for_own_urls: bool


def deliver() -> int:
    """Send everything that is due. Returns how many attempts were made.

    New endpoints are taken up as soon as any thread is free, so that a slow receiver
    holds up nobody but itself.
    """
    began, attempts = monotonic(), 0
    running: dict[Future[int], Turn] = {}
    while True:
        until = min(began + RUN_SECONDS_MAX, monotonic() + TURN_SECONDS)
        if monotonic() < until:
            for turn in _lease_endpoints((THREADS - len(running)) // AT_ONCE_PER_ENDPOINT):
                run = _run_own if turn.is_for_own_urls else _run
                for _ in range(AT_ONCE_PER_ENDPOINT):
                    running[_pool.submit(run, turn, until)] = turn
        if not running:
            return attempts
        done, _ = wait(running, timeout=PAUSE_SECONDS, return_when=FIRST_COMPLETED)
        finished = {run: running.pop(run) for run in done}
        attempts += sum(run.result() for run in finished)
        _release(set(finished.values()) - set(running.values()))


def _lease_endpoints(count: int) -> list[Turn]:
    if count <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(LEASE_ENDPOINTS, {"count": count, "lease_seconds": LEASE_SECONDS})
        return [Turn(*row) for row in cursor.fetchall()]


def _release(turns: Iterable[Turn]) -> None:
    """Hand endpoints back, to the end of the line; what somebody else took stays theirs."""
    for turn in turns:
        Endpoint.objects.filter(pk=turn.endpoint_id, leased_until=turn.leased_until).update(
            leased_until=Now()
        )


def _run_own(turn: Turn, until: float) -> int:  # noqa: ARG001 - as _run
    """Send one message to a URL of its own; if it breaks us, only it waits."""
    close_old_connections()
    try:
        endpoint, in_hand = _take_own(turn.endpoint_id)
        if in_hand is None:
            return 0
        _attempt_or_put_off(endpoint, in_hand)
        # There is room for one more: a queue at rest is looked at again.
        Endpoint.objects.filter(pk=endpoint.pk, leased_until__gt=Now()).update(
            leased_until=Now()
        )
    except (OperationalError, InterfaceError) as error:
        logger.warning("webhooks_database_away", error=type(error).__name__)
    except Exception:
        logger.exception("webhooks_broke", endpoint=turn.endpoint_id.hex)
    else:
        return 1
    return 0


@transaction.atomic
def _take_own(endpoint_id: UUID) -> tuple[Endpoint, InHand | None]:
    """Take a message with a URL of its own, and hand its queue back at once.

    Those in hand are counted in the database, so whoever looks next takes no more than the
    bounds leave, and nothing waits for a slow one to end.
    """
    # Looks at one queue follow each other, so that each counts what the last one took.
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
    in_hand = _next_delivery(endpoint)
    is_full = in_hand is None and _is_due(endpoint)
    rest = timedelta(seconds=OWN_REST_SECONDS if is_full else 0)
    Endpoint.objects.filter(pk=endpoint_id).update(leased_until=Now() + rest)
    return endpoint, in_hand


def _is_due(endpoint: Endpoint) -> bool:
    due = Delivery.objects.filter(endpoint=endpoint, due_at__lte=Now())
    return due.filter(Q(leased_until=None) | Q(leased_until__lte=Now())).exists()


def _run(turn: Turn, until: float) -> int:
    """Send an endpoint's due deliveries; one that breaks us breaks nobody else's."""
    close_old_connections()
    try:
        return _send_due(turn, until)
    except (OperationalError, InterfaceError) as error:
        # The database is away: no endpoint is to blame, and the leases run out.
        logger.warning("webhooks_database_away", error=type(error).__name__)
    except Exception:
        logger.exception("webhooks_broke", endpoint=turn.endpoint_id.hex)
        Endpoint.objects.filter(pk=turn.endpoint_id).update(
            paused_until=timezone.now() + BROKEN_PAUSE
        )
    return 0


def _send_due(turn: Turn, until: float) -> int:
    """One delivery after the other, until none is left or the time is up."""
    attempts = 0
    while monotonic() < until:
        endpoint = Endpoint.objects.get(pk=turn.endpoint_id)
        if endpoint.leased_until != turn.leased_until:
            # We stood still for so long that somebody else has it by now.
            break
        in_hand = _next_delivery(endpoint)
        if in_hand is None:
            break
        attempts += 1
        if not _attempt_or_put_off(endpoint, in_hand):
            # Whatever else is due here would meet the same trouble now.
            break
    return attempts


def _attempt_or_put_off(endpoint: Endpoint, in_hand: InHand) -> bool:
    try:
        return _attempt(endpoint, in_hand)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # Behind what is due by then: the message may be what is broken.
        Delivery.objects.filter(
            pk=in_hand.delivery_id, due_at=in_hand.due_at, leased_until=in_hand.leased_until
        ).update(due_at=timezone.now() + BROKEN_PAUSE, leased_until=None)
        raise


def _next_delivery(endpoint: Endpoint) -> InHand | None:
    if endpoint.state != EndpointState.ENABLED:
        return None
    if endpoint.paused_until is not None and endpoint.paused_until > timezone.now():
        return None
    named: dict[str, Any] = {"endpoint": endpoint.pk, "lease_seconds": 2 * TIMEOUT_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(
            NEXT_OWN_DELIVERY if endpoint.is_for_own_urls else NEXT_DELIVERY,
            named | OWN_AT_ONCE,
        )
        row = cursor.fetchone()
    if row is None:
        return None
    delivery_id, tries, is_replay, due_at, leased_until, message_id, type_ = row[:7]
    body, url, sealed_token = row[7:]
    return InHand(
        delivery_id=delivery_id,
        tries=tries,
        is_replay=is_replay,
        due_at=due_at,
        leased_until=leased_until,
        message_id=message_id,
        type=type_,
        body=bytes(body),
        url=url,
        sealed_token=sealed_token and bytes(sealed_token),
    )


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
        token=_token(in_hand),
    )
    outcome = _ask(in_hand.url or endpoint.url, in_hand.body, headers)
    return record(endpoint, in_hand, outcome=outcome, dialect=dialect)


def _token(in_hand: InHand) -> str | None:
    if in_hand.sealed_token is None:
        return None
    return unseal(TOKEN_PURPOSE, in_hand.sealed_token).decode()


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
