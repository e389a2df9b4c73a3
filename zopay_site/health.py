"""Two questions of whoever runs the house: is it alive, and may it be sent work.

Both are public, so they say how much and how long, never who or why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import JsonResponse
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from django.http import HttpRequest

TIMEOUT_SECONDS = 1.0
LAG_AND_FREEZES = """
SELECT coalesce((
           SELECT extract(epoch FROM clock_timestamp() - min(due_at))::float8
           FROM payouts_payout WHERE due_at <= clock_timestamp()
       ), 0),
       (SELECT coalesce(array_agg(network ORDER BY network), '{}')
        FROM payouts_freeze WHERE lifted_at IS NULL),
       EXISTS (SELECT FROM payouts_fence WHERE is_up),
       (SELECT coalesce(array_agg(network ORDER BY network), '{}')
        FROM rails_depositwatch WHERE halted_at IS NOT NULL)
"""


@require_safe
def alive(_request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers at all."""
    return _json({"status": "alive"})


@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when payouts can be taken and will be carried out, else 503; either says why.

    A freeze is somebody's decision, not a fault, so it is shown and stays 200; so is a
    network whose deposits wait for a person, since payouts do not.
    """
    database = _ask_database()
    checks: dict[str, Any] = {
        "database": database is not None,
        "broker": _is_broker_there(),
        "oldest_due_seconds": None,
        "oldest_due_seconds_max": settings.READY_LAG_SECONDS_MAX,
        "frozen": None,
        # The database is older than what was sent: see docs/restoring.md.
        "restored": None,
        # Networks that are searched for deposits no more: see docs/evm.md.
        "deposits_halted": None,
    }
    is_on_time = False
    if database is not None:
        lag, frozen, checks["restored"], checks["deposits_halted"] = database
        is_on_time = lag <= settings.READY_LAG_SECONDS_MAX
        checks["oldest_due_seconds"] = round(lag, 1)
        checks["frozen"] = [network or "everything" for network in frozen]
    is_ready = checks["database"] and checks["broker"] and is_on_time
    word = "ready" if is_ready else "not ready"
    return _json({"status": word} | checks, status=200 if is_ready else 503)


def _ask_database() -> tuple[float, list[str], bool, list[str]] | None:
    """How long the oldest due payout has waited, what is frozen, whether a restore fence is
    up, and where deposits are not searched for; None if unanswered.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '1s'")
            cursor.execute(LAG_AND_FREEZES)
            row: tuple[float, list[str], bool, list[str]] = cursor.fetchone()
    except DatabaseError:
        # A connection that broke would answer the next question the same way.
        connection.close_if_unusable_or_obsolete()
        return None
    return row


def _is_broker_there() -> bool:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        # The client's own patience would hold this answer back for seconds.
        retry=Retry(NoBackoff(), 0),
    )
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _json(body: dict[str, Any], status: int = 200) -> JsonResponse:
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})
