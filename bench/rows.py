"""What is asked of the web server: each row makes requests for so many seconds."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bench.load import LOOPBACK, Driven, drive, request
from bench.supply import DESTINATION, TOKENS, USERS, tracking_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.house import House
    from bench.supply import Supply

BASE = "/connect/v1"
CLIENTS = 16
PAGES = 20
BATCH = 100


class Asking:
    """The partner who asks. `history` are quotes that were executed before."""

    def __init__(
        self, house: House, supply: Supply, history: range, *, clients: int = CLIENTS
    ) -> None:
        self.house, self.supply, self.history = house, supply, history
        self.clients = clients

    def execute(self, *, seconds: float, per_second: int) -> Driven:
        """POST /payouts, each with a quote and an Idempotency-Key of its own."""
        numbers = self.supply.take(int(per_second * seconds))
        return self._drive(self.executes(numbers), seconds=seconds)

    def executes(self, numbers: range) -> Iterator[bytes]:
        """The requests that execute these quotes."""
        for quote_id in self.supply.quote_ids(numbers):
            body = json.dumps({"quote_id": quote_id}).encode()
            yield self._post(f"{BASE}/payouts", body)

    def batch(self, *, seconds: float, per_second: int) -> Driven:
        """POST /payouts/batch, BATCH quotes each; `per_second` counts requests."""
        numbers = self.supply.take(int(per_second * seconds) * BATCH)
        quote_ids = self.supply.quote_ids(numbers)
        bodies = iter(lambda: list(islice(quote_ids, BATCH)), [])
        requests = (
            self._post(f"{BASE}/payouts/batch", json.dumps({"quote_ids": body}).encode())
            for body in bodies
        )
        return self._drive(requests, seconds=seconds)

    def quote(self, *, seconds: float, per_second: int) -> Driven:
        """POST /payouts/quote for one user after the other."""
        bodies = [
            json.dumps(
                {
                    "external_ref": f"user-{number}",
                    "destination": DESTINATION,
                    "asset": "USDT",
                    "amount": "100",
                    "network_hint": "ethereum",
                }
            ).encode()
            for number in range(USERS)
        ]
        bodies_needed = islice(cycle(bodies), int(per_second * seconds))
        requests = (self._post(f"{BASE}/payouts/quote", body) for body in bodies_needed)
        return self._drive(requests, seconds=seconds)

    def get(self, *, seconds: float, per_second: int) -> Driven:  # noqa: ARG002 - as others
        """GET /payouts/{id} of one payout after the other."""
        ids = self.supply.payout_ids(self.history)
        return self._repeat([f"{BASE}/payouts/{one}" for one in ids], seconds)

    def list_newest(self, *, seconds: float, per_second: int) -> Driven:  # noqa: ARG002
        """GET /payouts: the first page of 50."""
        return self._repeat([f"{BASE}/payouts"], seconds)

    def list_by_cursor(self, *, seconds: float, per_second: int) -> Driven:  # noqa: ARG002
        """GET /payouts?cursor=…: pages further down."""
        return self._repeat(
            [f"{BASE}/payouts?cursor={one}" for one in self._cursors()], seconds
        )

    def tracking(self, *, seconds: float, per_second: int) -> Driven:  # noqa: ARG002
        """GET /t/{token}: the page that recipients look at."""
        return self._repeat(tracking_paths(self.history[:TOKENS]), seconds, key="")

    def _cursors(self) -> list[str]:
        """The cursors of the first PAGES pages, each asked for with the one before."""
        found: list[str] = []
        while len(found) < PAGES:
            query = f"?cursor={found[-1]}" if found else ""
            cursor = self._get_json(f"{BASE}/payouts{query}")["cursor"]
            if cursor is None:
                break
            found.append(cursor)
        return found

    def _get_json(self, path: str) -> dict[str, Any]:
        connection = HTTPConnection(LOOPBACK, self.house.port)
        connection.request(
            "GET", path, headers={"Authorization": f"Bearer {self.supply.cast.key}"}
        )
        body: dict[str, Any] = json.load(connection.getresponse())
        connection.close()
        return body

    def _repeat(self, paths: list[str], seconds: float, *, key: str | None = None) -> Driven:
        key = self.supply.cast.key if key is None else key
        requests = [request("GET", path, key=key) for path in paths]
        return self._drive(cycle(requests), seconds=seconds)

    def _post(self, path: str, body: bytes) -> bytes:
        headers = f"Idempotency-Key: {uuid4()}"
        return request("POST", path, key=self.supply.cast.key, body=body, headers=headers)

    def _drive(self, requests: Iterable[bytes], *, seconds: float) -> Driven:
        # Written before the clock runs, unless they are endless.
        ready = requests if isinstance(requests, cycle) else list(requests)
        return drive(self.house.port, ready, clients=self.clients, seconds=seconds)
