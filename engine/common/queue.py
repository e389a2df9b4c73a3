"""The only way to Celery for code that moves money: a nudge, by name, after commit.

A nudge carries nothing and may be lost or doubled. Tasks are named, not imported, so that
services never import tasks (tests/test_wiring.py checks that each name exists).
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from time import monotonic

import structlog
from celery import current_app
from django.db import transaction

logger = structlog.get_logger(__name__)

# One drain serves every row that is due, so one nudge in 5 ms is as good as a thousand.
NUDGE_SECONDS_MIN = 0.005
# While the broker is away, the sweep carries on alone; asking again each time would make
# every partner wait for the same refusal.
BROKER_PAUSE_SECONDS = 2.0

_lock = Lock()
_not_before: dict[str, float] = {}


def after_commit(task_name: str) -> None:
    """Nudge a worker once the current database transaction has committed.

    Outside a transaction the nudge goes out at once.
    """
    transaction.on_commit(partial(nudge, task_name))


def nudge(task_name: str) -> None:
    """Wake a worker. Never raises: losing a nudge costs one sweep interval."""
    now = monotonic()
    with _lock:
        if now < _not_before.get(task_name, 0.0):
            return
        _not_before[task_name] = now + NUDGE_SECONDS_MIN
    try:
        current_app.send_task(task_name, retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 - whatever the broker does, money has moved
        _not_before[task_name] = monotonic() + BROKER_PAUSE_SECONDS
        logger.warning("nudge_lost", task=task_name, error=type(error).__name__)
