"""Takes webhooks and says yes, as fast as it can. Run as a file: receiver.py PORT."""

from __future__ import annotations

import asyncio
import sys

LOOPBACK = "127.0.0.1"
YES = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver(asyncio.Protocol):
    """Answers each request once its body has come."""

    def __init__(self) -> None:
        self.seen = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # TCP gives both ways

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, separator, body = self.seen.partition(b"\r\n\r\n")
        if not separator:
            return
        names = (line.partition(b":") for line in head.lower().split(b"\r\n"))
        length = sum(int(value) for name, _, value in names if name == b"content-length")
        if len(body) >= length and self.transport is not None:
            self.seen = body[length:]
            self.transport.write(YES)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(
        Receiver, LOOPBACK, port, backlog=512
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
