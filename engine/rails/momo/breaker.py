"""Whether an operator works, judged by how our own calls to it go.

A call is good when it was answered in time, bad when it was not answered, answered with
5xx, or slowly. A payout that the operator failed for its own trouble is bad too. When
three quarters of enough calls within five minutes are bad, the operator counts as down:
new sends wait, and every half minute a few go ahead to find out. When those go well it
is up again, and what waited goes on by itself.

The state is a row, since several workers call: what one of them learns, all of them know.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.utils import timezone

from engine.rails.models import OperatorHealth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

logger = structlog.get_logger(__name__)

WINDOW = timedelta(minutes=5)
CALLS_MIN = 20
BAD_SHARE = 0.75
SLOW_SECONDS = 15.0
TRY_SECONDS = 30.0
TRIES = 3
WHY_LENGTH_MAX = 200
# Whoever moves try_at has the tries; the others wait for the next ones.
TRY = """
UPDATE rails_operatorhealth
SET try_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE network = %(network)s AND country = %(country)s
  AND down_at IS NOT NULL AND try_at <= clock_timestamp()
RETURNING id
"""


def is_down(*, network: str, country: str) -> bool:
    """Whether new sends wait for this operator."""
    return OperatorHealth.objects.filter(
        network=network, country=country, down_at__isnull=False
    ).exists()


def admit(*, network: str, country: str, wanted: int) -> int:
    """How many of `wanted` new sends may go to this operator now."""
    if not is_down(network=network, country=country):
        return wanted
    with connection.cursor() as cursor:
        cursor.execute(TRY, {"network": network, "country": country, "seconds": TRY_SECONDS})
        return min(wanted, TRIES) if cursor.fetchone() else 0


def note_calls(
    *,
    network: str,
    country: str,
    good: int,
    bad: int,
    why: str = "",
    seconds: Sequence[float] = (),
) -> None:
    """Count calls that hand something over.

    `why` is what went wrong with the last bad one, and `seconds` how long each took that
    was answered.
    """
    if good + bad:
        _note(network, country, good, bad, why, seconds, are_tries=True)


def note_ends(*, network: str, country: str, good: int, bad: int) -> None:
    """Count payouts that have ended. They were sent before, so they end no outage."""
    if good + bad:
        why = "it failed payouts for trouble of its own" if bad else ""
        _note(network, country, good, bad, why, (), are_tries=False)


def _note(
    network: str,
    country: str,
    good: int,
    bad: int,
    why: str,
    seconds: Sequence[float],
    *,
    are_tries: bool,
) -> None:
    now = timezone.now()
    with transaction.atomic(durable=True):
        OperatorHealth.objects.get_or_create(network=network, country=country)
        health = OperatorHealth.objects.select_for_update().get(
            network=network, country=country
        )
        if health.down_at is not None and not are_tries:
            return
        if now - health.since > WINDOW:
            _begin_anew(health, now)
        health.asked += good + bad
        health.failed += bad
        health.answered += len(seconds)
        health.answer_seconds += sum(seconds)
        health.why = why[:WHY_LENGTH_MAX] or health.why
        if health.down_at is None:
            _judge_up(health, now)
        else:
            _judge_down(health, now)
        health.save()


def _begin_anew(health: OperatorHealth, now: datetime) -> None:
    """Count from now on; while it is down, why it went down stays."""
    health.since, health.asked, health.failed = now, 0, 0
    health.answered, health.answer_seconds = 0, 0.0
    if health.down_at is None:
        health.why = ""


def _judge_up(health: OperatorHealth, now: datetime) -> None:
    if health.asked >= CALLS_MIN and health.failed >= BAD_SHARE * health.asked:
        logger.error("operator_down", operator=str(health), asked=health.asked)
        health.down_at, health.try_at = now, now + timedelta(seconds=TRY_SECONDS)
        _begin_anew(health, now)


def _judge_down(health: OperatorHealth, now: datetime) -> None:
    if health.failed:
        health.try_at = now + timedelta(seconds=TRY_SECONDS)
        _begin_anew(health, now)
    elif health.asked >= TRIES:
        logger.warning("operator_up", operator=str(health), down_since=str(health.down_at))
        health.down_at = health.try_at = None
        _begin_anew(health, now)
