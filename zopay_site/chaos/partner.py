"""Partners who pay over HTTP, ask again when no answer comes, and write down what they hear."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zopay_site.chaos.plan import Wish

BASE = "/connect/v1"
PATIENCE_SECONDS = 15
AGAIN_SECONDS = 0.2
LOOK_SECONDS = 0.03
# So many may be on their way, by how many there are in all: what breaks early would
# otherwise meet everything, and what breaks late nothing.
ON_THE_WAY = (16, 200)
ON_THE_WAY_PART = 5
CREATED, CONFLICT, GONE, TOO_MANY, BROKEN = 201, 409, 410, 429, 500


@dataclass
class Asked:
    """One wish and all that was heard of it. `payout` is what accepted it answered."""

    wish: Wish
    payout: dict[str, Any] | None = None
    refusals: list[str] = field(default_factory=list)
    tries: int = 0

    @property
    def payout_id(self) -> str:
        return str(self.payout["id"]) if self.payout else ""


class Door:
    """The public API at `port`, for one key."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Status and document; (0, {}) when no answer came. Always a new connection."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            with closing(line):
                line.request(method, BASE + path, body and json.dumps(body), headers)
                with line.getresponse() as response:
                    return response.status, json.loads(response.read())
        except (OSError, ValueError, http.client.HTTPException):
            return 0, {}

    def insist(self, path: str, *, tries: int = 100) -> dict[str, Any]:
        """A document that is there, read until it is answered. Raises OSError."""
        for _ in range(tries):
            status, document = self.ask("GET", path)
            if status == http.client.OK:
                return document
            time.sleep(AGAIN_SECONDS)
        raise OSError(f"{path} is not answered: {status} {document}")


class Partners:
    """Some threads that execute all wishes, in order; `asked` are those that were begun."""

    def __init__(self, door: Door, wishes: Sequence[Wish], *, size: int) -> None:
        self.door = door
        self.asked: list[Asked] = []
        # Somebody else counts; partners wait when too many are on their way.
        self.final = 0
        least, most = ON_THE_WAY
        self._most = max(least, min(most, len(wishes) // ON_THE_WAY_PART))
        self._wishes: SimpleQueue[Wish] = SimpleQueue()
        for wish in wishes:
            self._wishes.put(wish)
        self._enough = Event()
        self._threads = [Thread(target=self._run, daemon=True) for _ in range(size)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop asking, even for what was not answered yet."""
        self._enough.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    @property
    def is_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def accepted(self) -> int:
        return sum(asked.payout is not None for asked in list(self.asked))

    def _run(self) -> None:
        while not self._enough.is_set():
            try:
                asked = Asked(self._wishes.get_nowait())
            except Empty:
                return
            self.asked.append(asked)
            while self.accepted - self.final >= self._most and not self._enough.is_set():
                time.sleep(LOOK_SECONDS)
            self._pay(asked)

    def _pay(self, asked: Asked) -> None:
        """Until it is accepted, refused for good, or time is up."""
        while not self._enough.is_set():
            status, answer = self._quote_and_execute(asked)
            if status == CREATED:
                asked.payout = answer
            elif status:
                asked.refusals.append(f"{status} {answer.get('code')}")
            # Too slow: nothing has moved, and the price is another one now.
            if status != GONE:
                return

    def _quote_and_execute(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        wish, name = asked.wish, f"{asked.wish.number}-{len(asked.refusals)}"
        order = {
            "external_ref": wish.user,
            "destination": wish.destination,
            "asset": wish.asset,
            "amount": wish.amount,
            "network_hint": wish.network,
        }
        status, quote = self._until_answered(asked, "/payouts/quote", order, f"quote-{name}")
        if status != CREATED:
            return status, quote
        order = {"quote_id": quote["quote_id"]}
        return self._until_answered(asked, "/payouts", order, f"pay-{name}")

    def _until_answered(
        self, asked: Asked, path: str, body: Any, key: str
    ) -> tuple[int, dict[str, Any]]:
        """Ask again under the same key while nothing, or nothing useful, comes back."""
        while not self._enough.is_set():
            asked.tries += 1
            status, document = self.door.ask("POST", path, body, key=key)
            in_progress = status == CONFLICT and "progress" in str(document.get("code"))
            if status and status < BROKEN and status != TOO_MANY and not in_progress:
                return status, document
            time.sleep(AGAIN_SECONDS)
        return 0, {}
