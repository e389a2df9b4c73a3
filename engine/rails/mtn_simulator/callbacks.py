"""Calling back, once and never again, as MTN does (its documentation, Callback).

Only to this machine: a simulator has no business anywhere else.
"""

from __future__ import annotations

import heapq
from itertools import count
from threading import Condition, Thread
from time import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from engine.rails.mtn_simulator.state import State, Transfer

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SECONDS_MAX = 5.0
# A little after the end, so that who asks on being called finds it.
AFTER_SECONDS = 0.01


class Callbacks:
    """One thread that calls back when transfers end."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.made: list[str] = []
        self._due: list[tuple[float, int, Transfer]] = []
        self._number = count()
        self._news = Condition()
        self._stopped = False
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def due(self, transfer: Transfer) -> None:
        """Call back when this transfer ends, unless that callback is one to be lost."""
        if self.state.behaviour.strikes("lost_callback", transfer.reference, 1):
            return
        with self._news:
            at = (transfer.ends_at or 0.0) + AFTER_SECONDS
            heapq.heappush(self._due, (at, next(self._number), transfer))
            self._news.notify()

    def stop(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify()
        self._thread.join(SECONDS_MAX)

    def _run(self) -> None:
        session = requests.Session()
        session.trust_env = False
        while (transfer := self._next()) is not None:
            self._call(session, transfer)

    def _next(self) -> Transfer | None:
        with self._news:
            while not self._stopped:
                wait = self._due[0][0] - time() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._news.wait(wait)
        return None

    def _call(self, session: requests.Session, transfer: Transfer) -> None:
        if urlsplit(transfer.callback_url).hostname not in LOOPBACK:
            return
        how = self.state.behaviour
        body = transfer.shown(time(), reason_is_object=how.reason_is_object)
        try:
            session.request(
                how.callback_method,
                transfer.callback_url,
                json=body,
                timeout=SECONDS_MAX,
                allow_redirects=False,
            )
        except requests.RequestException:
            return
        with self.state.lock:
            self.made.append(transfer.reference)
