"""A small load generator: keep-alive connections, one request at a time on each.

One thread and one epoll. It costs some 20 µs a call, which the table shows (`generator`)
beside what it measures, and it reads every answer to its end: a status that was not
expected is a failure, whatever the rate.
"""

from __future__ import annotations

import re
import select
import socket
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOOPBACK = "127.0.0.1"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"
SHOWN_BYTES = 300
# Nobody is that slow: the server has lost the call.
SECONDS_MAX = 60.0


@dataclass(slots=True)
class Driven:
    """What came of driving: latencies in seconds, failures by what they looked like."""

    seconds: float = 0.0
    generator_seconds: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    failures: Counter[str] = field(default_factory=Counter)
    answers: list[bytes] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return len(self.latencies)

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds if self.seconds else 0.0

    def milliseconds(self, share: float) -> float:
        """The latency below which `share` of the calls were."""
        ordered = sorted(self.latencies)
        return ordered[int(share * (len(ordered) - 1))] * 1000 if ordered else 0.0


class _Client:
    __slots__ = ("began", "seen", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self.seen = b""

    def send(self, request: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(request)


def drive(
    port: int,
    requests: Iterable[bytes],
    *,
    clients: int = 16,
    seconds: float = SECONDS_MAX,
    per_second: float = 0.0,
    is_kept: bool = False,
) -> Driven:
    """Send `requests` in turn until they or the `seconds` are over.

    `per_second` paces them; 0 sends as fast as answers come. `is_kept` keeps the answers.
    """
    driver = _Driver(port, iter(requests), clients, is_kept=is_kept)
    used, began = time.thread_time(), time.perf_counter()
    driver.run(until=began + seconds, step=1 / per_second if per_second else 0.0)
    driver.driven.seconds = driver.last - began
    driver.driven.generator_seconds = time.thread_time() - used
    return driver.driven


class _Driver:
    def __init__(
        self, port: int, requests: Iterator[bytes], clients: int, *, is_kept: bool
    ) -> None:
        self.requests, self.is_kept = requests, is_kept
        self.driven, self.last = Driven(), time.perf_counter()
        self.poll = select.epoll()
        self.clients = {}
        for _ in range(clients):
            client = _Client(port)
            self.clients[client.socket.fileno()] = client
            self.poll.register(client.socket, select.EPOLLIN)
        self.idle = list(self.clients.values())

    def run(self, *, until: float, step: float) -> None:
        busy, due = 0, time.perf_counter()
        try:
            while True:
                now = time.perf_counter()
                while self.idle and now < until and (not step or now >= due):
                    request = next(self.requests, None)
                    if request is None:
                        until = now
                        break
                    self.idle.pop().send(request)
                    busy, due = busy + 1, due + step
                if not busy and now >= until:
                    return
                patience = max(due - now, 0.0) if step and self.idle else SECONDS_MAX
                ready = self.poll.poll(min(patience, SECONDS_MAX))
                if not ready and patience >= SECONDS_MAX:
                    raise TimeoutError(f"no answer in {SECONDS_MAX} s")
                busy -= sum(self._read(self.clients[number]) for number, _ in ready)
        finally:
            self.poll.close()
            for client in self.clients.values():
                client.socket.close()

    def _read(self, client: _Client) -> bool:
        """Whether the answer is whole; then it is counted, and the client free again."""
        piece = client.socket.recv(262_144)
        if not piece:
            raise ConnectionError(f"the server hung up: {client.seen[:SHOWN_BYTES]!r}")
        answer = client.seen + piece if client.seen else piece
        if not is_whole(answer):
            client.seen = answer
            return False
        self.last = time.perf_counter()
        self.driven.latencies.append(self.last - client.began)
        if not answer.startswith(b"HTTP/1.1 2"):
            self.driven.failures[answer.partition(b"\r\n")[0].decode()] += 1
            self.driven.answers.append(answer[-SHOWN_BYTES:])
        elif self.is_kept:
            self.driven.answers.append(answer)
        client.seen = b""
        self.idle.append(client)
        return True


def is_whole(answer: bytes) -> bool:
    """Whether these bytes are an HTTP answer to its end."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = LENGTH.search(head + b"\r\n")
    if length is not None:
        return len(body) >= int(length[1])
    return CHUNKED.search(head + b"\r\n") is None or body.endswith(LAST_CHUNK)


def request(
    method: str,
    path: str,
    *,
    key: str = "",
    body: bytes = b"",
    kind: str = "application/json",
    headers: str = "",
) -> bytes:
    """One HTTP/1.1 request, written down once; `key` is an API key, `kind` the body's."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += [headers] if headers else []
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
