"""A node that cannot be relied on: stands before an honest one and loses words.

    python -m zopay_site.chaos.proxy --port 1 --upstream 2 --seed 3

`POST /chaos` with {"rates": {…}} sets how often it does what. The answer lists every signed
transaction that it ever saw, and how often what has happened. Standard library only; it
knows nothing of the product.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

SEND = "eth_sendRawTransaction"
CONTROL = "/chaos"
BODY_BYTES_MAX = 64 * 1024 * 1024
# Of every hundred requests that send something, in the order of settlement's prototype.
RATES = {
    "drop-reply": {"reply": 0.26, "garbage": 0.04, "word": 0.05, "delay": 0.05},
    "drop-request": {"request": 0.07, "refusal": 0.03, "part": 0.05, "delay": 0.05},
}
NAMES = {
    "reply": "reply lost",
    "garbage": "reply garbled",
    "word": "reply denied",
    "request": "request lost",
    "refusal": "request refused",
    "part": "part lost",
    "delay": "delayed",
}
# What befalls the first send that gets so far.
FIRST = "reply"
# Requests that only ask are lost less often, or nothing would ever be seen.
ASKING = 0.15
# Of what is lost, as much is not even hung up: the caller has to notice by herself.
SILENT = 0.1
SILENT_SECONDS = 5.0
DELAY_SECONDS = 0.7
REFUSED = {"code": -32603, "message": "internal error"}


@dataclass
class Fates:
    """What shall happen to each request, drawn from one stream."""

    dice: Random
    rates: dict[str, float] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    has_begun: bool = False

    def happens(self, what: str, *, is_send: bool) -> bool:
        rate = self.rates.get(what, 0.0)
        does = rate > 0 and self.dice.random() < (rate if is_send else rate * ASKING)
        if what == FIRST and is_send and rate > 0 and not self.has_begun:
            # Even the shortest run has one of these.
            does = self.has_begun = True
        self.happened[what] += does
        return does


@dataclass
class Proxy:
    """`seen` are the signed bytes it was sent, in order, each once."""

    upstream: int
    fates: Fates
    seen: dict[str, None] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a caller, and the one to the node that goes with it."""
        line = Line(self.upstream)
        try:
            while (request := await _read(reader)) is not None:
                answer = await self._answer(*request, line)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ValueError):
            return
        finally:
            line.close()
            writer.close()

    async def _answer(self, path: str, body: bytes, line: Line) -> bytes | None:
        """What to write back; None hangs up."""
        document = json.loads(body)
        if path == CONTROL:
            return _whole(json.dumps(self._control(document)).encode())
        calls = document if isinstance(document, list) else [document]
        raws = [call["params"][0] for call in calls if call.get("method") == SEND]
        self.seen.update(dict.fromkeys(raws))
        fates, is_send = self.fates, bool(raws)
        if fates.happens("delay", is_send=is_send):
            await asyncio.sleep(fates.dice.random() * DELAY_SECONDS)
        if fates.happens("request", is_send=is_send):
            await self._hang()
            return None
        if fates.happens("refusal", is_send=is_send):
            return _whole(b"try again later", status="502 Bad Gateway")
        answers = await self._forward(calls, line)
        if fates.happens("reply", is_send=is_send):
            await self._hang()
            return None
        if fates.happens("garbage", is_send=is_send):
            return _whole(b"<html><body>502 Bad Gateway</body></html>")
        whole = answers if isinstance(document, list) else answers[0]
        return _whole(json.dumps(whole).encode())

    async def _forward(self, calls: list[Any], line: Line) -> list[Any]:
        """The node's answers; some calls never get there, some answers are made up."""
        fates = self.fates
        lost = {
            number
            for number, call in enumerate(calls)
            if fates.happens("part", is_send=call.get("method") == SEND)
        }
        there = [call for number, call in enumerate(calls) if number not in lost]
        answers = json.loads(await line.ask(json.dumps(there).encode())) if there else []
        by_id = {answer.get("id"): answer for answer in answers}
        told = []
        for call in calls:
            answer = by_id.get(call.get("id"))
            if answer is None or fates.happens("word", is_send=call.get("method") == SEND):
                answer = {"jsonrpc": "2.0", "id": call.get("id"), "error": REFUSED}
            told.append(answer)
        return told

    async def _hang(self) -> None:
        if self.fates.dice.random() < SILENT:
            await asyncio.sleep(SILENT_SECONDS)

    def _control(self, wish: dict[str, Any]) -> dict[str, Any]:
        self.fates.rates = wish.get("rates", self.fates.rates)
        return {"seen": list(self.seen), "happened": self.fates.happened}


class Line:
    """A kept connection to the node."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, body: bytes) -> bytes:
        """What the node answers to `body`. Raises OSError."""
        if self._ends is None:
            self._ends = await asyncio.open_connection(
                "127.0.0.1", self.port, limit=BODY_BYTES_MAX
            )
        reader, writer = self._ends
        head = (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        answer = await _read(reader)
        if answer is None:
            raise ConnectionError("the node hung up")
        return answer[1]

    def close(self) -> None:
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None


async def _read(reader: asyncio.StreamReader) -> tuple[str, bytes] | None:
    """The second word of the first line, and the body; None at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    length = int(headers.get("content-length", "0"))
    return first.split(" ")[1], await reader.readexactly(length)


def _whole(body: bytes, *, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def run(port: int, upstream: int, seed: int) -> None:
    """Serve until ended."""
    proxy = Proxy(upstream, Fates(Random(f"proxy {seed}")))
    server = await asyncio.start_server(
        proxy.serve, "127.0.0.1", port, limit=BODY_BYTES_MAX, backlog=200
    )
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--port", "--upstream", "--seed"):
        parser.add_argument(name, type=int, required=True)
    given = parser.parse_args()
    asyncio.run(run(given.port, given.upstream, given.seed))


if __name__ == "__main__":
    main()
