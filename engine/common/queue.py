"""The only way to Celery for code that moves money: a nudge, by name, after commit.

A nudge carries nothing and may be lost or doubled. Tasks are named, not imported, so that
services never import tasks (tests/test_wiring.py checks that each name exists).

Publishing happens on a thread of its own: it costs more than the SQL of an execute, and a
broker that does not answer must not make a partner wait.
"""

from __future__ import annotations

import os
from functools import partial
from threading import Event, Lock, Thread
from time import sleep

import structlog
from celery import current_app
from django.db import transaction

logger = structlog.get_logger(__name__)

# One drain serves every row that is due, so one nudge in 5 ms is as good as a thousand.
NUDGE_SECONDS_MIN = 0.005
# While the broker is away the sweep carries on alone.
BROKER_PAUSE_SECONDS = 2.0


def after_commit(task_name: str) -> None:
    """Nudge a worker once the current database transaction has committed.

    Outside a transaction the nudge goes out at once. Never raises and never waits: losing
    a nudge costs one sweep interval.
    """
    transaction.on_commit(partial(_nudger.nudge, task_name))


class _Nudger:
    """Publishes wanted nudges, many wishes for one task as one message."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wake = Event()
        self._wanted: set[str] = set()
        self._pid = 0

    def nudge(self, task_name: str) -> None:
        with self._lock:
            self._wanted.add(task_name)
            # A forked child has its parent's memory but not its threads.
            if self._pid != os.getpid():
                self._pid = os.getpid()
                Thread(target=self._publish_forever, name="nudges", daemon=True).start()
        self._wake.set()

    def _publish_forever(self) -> None:
        while True:
            self._wake.wait()
            # Cleared before the wishes are read: one that arrives now wakes us again.
            self._wake.clear()
            with self._lock:
                wanted, self._wanted = self._wanted, set()
            sleep(NUDGE_SECONDS_MIN if _publish(wanted) else BROKER_PAUSE_SECONDS)


def _publish(task_names: set[str]) -> bool:
    try:
        for task_name in task_names:
            current_app.send_task(task_name, retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 - whatever the broker does, money has moved
        logger.warning("nudge_lost", tasks=sorted(task_names), error=type(error).__name__)
        return False
    return True


_nudger = _Nudger()
