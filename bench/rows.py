"""What is asked of the web server. Requests are written down before the clock runs."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bench.load import LOOPBACK, Driven, drive, request
from bench.supply import DESTINATION, USERS, tracking_paths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.house import House
    from bench.supply import Supply

BASE = "/connect/v1"
CLIENTS = 16
PAGES = 20
# Different payouts that are asked for, one after the other.
ASKED_FOR = 1_000
BATCH = 100


class Asking:
    """The partner who asks. `history` are quotes that were executed before."""

    def __init__(
        self, house: House, supply: Supply, history: range, *, clients: int = CLIENTS
    ) -> None:
        self.house, self.supply, self.history = house, supply, history
        self.clients = clients

    def execute(self, count: int) -> list[bytes]:
        """POST /payouts, each with a quote and an Idempotency-Key of its own."""
        return [
            self._post(f"{BASE}/payouts", json.dumps({"quote_id": quote_id}).encode())
            for quote_id in self.supply.quote_ids(self.supply.take(count))
        ]

    def batch(self, count: int) -> list[bytes]:
        """POST /payouts/batch, BATCH quotes each."""
        quote_ids = self.supply.quote_ids(self.supply.take(count * BATCH))
        bodies = iter(lambda: list(islice(quote_ids, BATCH)), [])
        return [
            self._post(f"{BASE}/payouts/batch", json.dumps({"quote_ids": body}).encode())
            for body in bodies
        ]

    def quote(self, count: int) -> list[bytes]:
        """POST /payouts/quote for one user after the other."""
        terms = {
            "destination": DESTINATION,
            "asset": "USDT",
            "amount": "100",
            "network_hint": "ethereum",
        }
        bodies = [
            json.dumps({"external_ref": f"user-{number}"} | terms).encode()
            for number in range(USERS)
        ]
        return [
            self._post(f"{BASE}/payouts/quote", body) for body in islice(cycle(bodies), count)
        ]

    def get(self, _count: int) -> Iterable[bytes]:
        """GET /payouts/{id} of one payout after the other."""
        ids = self.supply.payout_ids(self.history[:ASKED_FOR])
        return self._repeat([f"{BASE}/payouts/{one}" for one in ids])

    def list_newest(self, _count: int) -> Iterable[bytes]:
        """GET /payouts: the first page of 50."""
        return self._repeat([f"{BASE}/payouts"])

    def list_by_cursor(self, _count: int) -> Iterable[bytes]:
        """GET /payouts?cursor=…: pages further down."""
        return self._repeat([f"{BASE}/payouts?cursor={one}" for one in self._cursors()])

    def tracking(self, _count: int) -> Iterable[bytes]:
        """GET /t/{token}: the page that recipients look at."""
        return self._repeat(tracking_paths(self.history[:ASKED_FOR]), key="")

    def drive(self, requests: Iterable[bytes], *, seconds: float) -> Driven:
        """Send them for so long."""
        return drive(self.house.port, requests, clients=self.clients, seconds=seconds)

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

    def _repeat(self, paths: list[str], *, key: str | None = None) -> Iterable[bytes]:
        key = self.supply.cast.key if key is None else key
        return cycle([request("GET", path, key=key) for path in paths])

    def _post(self, path: str, body: bytes) -> bytes:
        headers = f"Idempotency-Key: {uuid4()}"
        return request("POST", path, key=self.supply.cast.key, body=body, headers=headers)
