"""The search for work. The database is asked; a nudge only makes it asked sooner."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from engine.common.ids import public_id
from engine.payouts import fence, sending, services, watching

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

LEASE = (Path(__file__).parent / "sql" / "lease.sql").read_text()
# A drain ends before Celery's time limit does it; the next sweep goes on from there.
DRAIN_SECONDS_MAX = 20.0
# Soon enough to notice that the cause is gone, seldom enough not to fill the log.
BROKEN_SECONDS = 60.0

logger = structlog.get_logger(__name__)


def drain() -> int:
    """Take every due payout a step further. Returns how many rows were leased.

    Any number of workers may drain at once, and any of them may die at any line: a lease
    runs out, every step is conditional, every reference was kept before it was used.
    """
    began, rows = monotonic(), 0
    while monotonic() - began < DRAIN_SECONDS_MAX:
        payout_ids = lease()
        # Puts up a freeze when this is an older database than what was sent came from.
        fence.check()
        take_steps(payout_ids)
        rows += len(payout_ids)
        if len(payout_ids) < settings.LEASE_ROWS:
            break
    return rows


def lease() -> list[UUID]:
    """Take due payouts for this worker, for LEASE_SECONDS; others skip them."""
    with connection.cursor() as cursor:
        cursor.execute(
            LEASE, {"rows": settings.LEASE_ROWS, "lease_seconds": settings.LEASE_SECONDS}
        )
        return [row[0] for row in cursor.fetchall()]


def take_steps(payout_ids: Sequence[UUID]) -> None:
    """Take each payout a step further, together; one that breaks stops no other.

    Together is a few statements for all of them. When that breaks, each goes by itself,
    and the one that breaks again is left for a person, its funds held. Every step is
    conditional, so going twice is safe.
    """
    try:
        _take_steps(payout_ids)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        # The database is away, or the time is up: nobody's row is to blame.
        raise
    except Exception as error:
        if len(payout_ids) > 1:
            logger.warning("batch_broke", rows=len(payout_ids), error=repr(error))
            for payout_id in payout_ids:
                take_steps([payout_id])
            return
        [payout_id] = payout_ids
        logger.exception("payout_broke", payout=public_id("pay", payout_id))
        services.reschedule(
            [services.Step(payout_id, due_seconds=BROKEN_SECONDS, needs_review=True)]
        )


def _take_steps(payout_ids: Sequence[UUID]) -> None:
    """Prepare what has no attempt, hand over what is due, look at everything."""
    if not payout_ids:
        return
    sending.prepare_due(payout_ids)
    sent = sending.live_attempts(payout_ids)
    sending.submit_due(sent)
    watching.watch(sent)
