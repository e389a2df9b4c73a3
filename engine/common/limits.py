"""How often somebody may call, counted in this process.

A shared counter would cost a round trip on every call (performance.md); each process
counts for itself instead, so a house of n processes lets n times the limit through at
worst. It is there against floods, not as a tariff.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from engine.common.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

WINDOW_SECONDS = 60
CALLERS_MAX = 10_000


@dataclass(slots=True)
class _Window:
    ends_at: float
    calls: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a caller: `remaining` calls for the next `reset_seconds`."""

    per_minute: int
    remaining: int
    reset_seconds: int
    is_exceeded: bool

    def check(self) -> None:
        """Raise RateLimited if this call was one too many."""
        if self.is_exceeded:
            raise RateLimited(retry_after_seconds=self.reset_seconds)

    @property
    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers writes them."""
        return {
            "RateLimit-Policy": f'"default";q={self.per_minute};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_seconds}',
        }


class RateLimit:
    """Counts calls by caller in windows of a minute, each from the caller's first call.

    Remembers the CALLERS_MAX that began last, so that a flood from many addresses costs
    a bounded amount of memory.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._windows: OrderedDict[Hashable, _Window] = OrderedDict()

    def take(self, caller: Hashable, *, per_minute: int) -> Allowance:
        """Count one call. Raises RateLimited when it is one too many."""
        allowance = self.count(caller, per_minute=per_minute)
        allowance.check()
        return allowance

    def count(self, caller: Hashable, *, per_minute: int) -> Allowance:
        """Count one call, and say what is left; the caller decides what follows."""
        now = self._clock()
        with self._lock:
            window = self._windows.get(caller)
            if window is None or window.ends_at <= now:
                window = self._begin(caller, now)
            window.calls += 1
            calls, rest = window.calls, max(ceil(window.ends_at - now), 1)
        return Allowance(per_minute, max(per_minute - calls, 0), rest, calls > per_minute)

    def forget(self) -> None:
        """Begin anew with everybody."""
        with self._lock:
            self._windows.clear()

    def _begin(self, caller: Hashable, now: float) -> _Window:
        # Out and in again: the order of the dict is the order of the beginnings.
        self._windows.pop(caller, None)
        window = self._windows[caller] = _Window(now + WINDOW_SECONDS, 0)
        if len(self._windows) > CALLERS_MAX:
            self._windows.popitem(last=False)
        return window
