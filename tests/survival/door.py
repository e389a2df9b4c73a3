"""A partner who pays over HTTP, and writes down what she was told."""

import http.client
import json
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from time import monotonic
from uuid import UUID, uuid4

from tests.cast import BASE, EVM

PATIENCE_SECONDS = 10
CREATED = 201
_amounts = count(100)


@dataclass
class Answer:
    """What came back for one request; `status` 0 when nothing did."""

    status: int
    body: dict
    began: float
    seconds: float


@dataclass
class Execute:
    """One quote that was executed, perhaps again and again under its key."""

    quote_id: str
    key: str
    answers: list = field(default_factory=list)

    @property
    def quote_key(self):
        return UUID(self.quote_id.removeprefix("qt_")[:32])

    @property
    def is_accepted(self):
        return any(answer.status == CREATED for answer in self.answers)

    @property
    def payout_id(self):
        """Of an accepted one; every answer must have named the same payout."""
        (name,) = {a.body["id"] for a in self.answers if a.status == CREATED}
        return UUID(name.removeprefix("pay_"))


class Door:
    """The public API at `port`, for one key."""

    def __init__(self, port, key):
        self.port, self.key = port, key

    def pay(self, **wish):
        """Quote and execute; both must be answered well. Returns the Execute."""
        asked = self.execute(self.quote(**wish))
        assert asked.is_accepted, asked.answers
        return asked

    def quote(self, *, cents="00", network="ethereum"):
        """A quote_id for an amount that no other quote has; None when refused."""
        answer = self.ask(
            "/payouts/quote",
            {
                "external_ref": "user-1",
                "destination": EVM,
                "asset": "USDT",
                "amount": f"{next(_amounts)}.{cents}",
                "network_hint": network,
            },
            key=str(uuid4()),
        )
        return answer.body["quote_id"] if answer.status == CREATED else None

    def execute(self, quote_id):
        asked = Execute(quote_id, str(uuid4()))
        return self.repeat(asked)

    def repeat(self, asked):
        """Ask once more, as partners do who got no answer."""
        body = {"quote_id": asked.quote_id}
        asked.answers.append(self.ask("/payouts", body, key=asked.key))
        return asked

    def ask(self, path, body, *, key):
        began = monotonic()
        try:
            status, words = self._talk(path, body, key)
        except (OSError, http.client.HTTPException):
            status, words = 0, b"{}"
        return Answer(status, json.loads(words), began, monotonic() - began)

    def _talk(self, path, body, key):
        """On a new connection each time: a kept one may have died with a server."""
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with closing(line):
            line.request("POST", BASE + path, json.dumps(body), headers)
            with line.getresponse() as response:
                return response.status, response.read()


class Caller:
    """One execute on a thread of its own, so that something can happen meanwhile."""

    def __init__(self, door, quote_id):
        self.asked = None
        self.door, self.quote_id = door, quote_id
        self.thread = Thread(target=self._call, daemon=True)
        self.thread.start()

    def wait(self):
        self.thread.join(2 * PATIENCE_SECONDS)
        assert not self.thread.is_alive()
        return self.asked

    def _call(self):
        self.asked = self.door.execute(self.quote_id)


class Crowd:
    """Partners who pay without a pause, each on a line of her own, until told to stop."""

    def __init__(self, port, key, *, size):
        self.executes, self.enough = [], Event()
        self.threads = [
            Thread(target=self._pay_on, args=(Door(port, key), number), daemon=True)
            for number in range(size)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        for thread in self.threads:
            thread.join(3 * PATIENCE_SECONDS)
            assert not thread.is_alive()

    @property
    def accepted(self):
        return [asked for asked in list(self.executes) if asked.is_accepted]

    def _pay_on(self, door, number):
        network = "polygon" if number % 2 else "ethereum"
        while not self.enough.wait(0.03):
            quote_id = door.quote(network=network)
            if quote_id is not None:
                self.executes.append(door.execute(quote_id))
