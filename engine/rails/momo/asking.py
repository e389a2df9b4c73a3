"""Many questions to an operator at once, each at its turn and within a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar

from engine.rails.momo.client import Answer, Client, Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Key = TypeVar("Key")
Ask = tuple["Client", "Callable[[Client], Answer]"]
THREADS = 16
# Nothing is asked later than this after the first: workers have leases and time limits.
SECONDS_MAX = 12.0


def ask_together(
    questions: Mapping[Key, Ask], delays: Sequence[float] = ()
) -> dict[Key, Answer | Silence]:
    """Ask all of them on a few threads, each no sooner than its delay in seconds.

    The threads touch no database. What does not answer has its Silence in its place.
    """
    began = monotonic()
    starts = list(delays) or [0.0] * len(questions)

    def one(question: Ask, start: float) -> Answer | Silence:
        if monotonic() - began > SECONDS_MAX:
            return Silence("was not asked, for want of time", left=False)
        sleep(max(0.0, began + start - monotonic()))
        client, ask = question
        try:
            return ask(client)
        except Silence as silence:
            return silence

    with ThreadPoolExecutor(min(THREADS, len(questions)) or 1) as pool:
        return dict(zip(questions, pool.map(one, questions.values(), starts), strict=True))
