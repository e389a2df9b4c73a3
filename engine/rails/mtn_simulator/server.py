"""HTTP in front of the simulated operator, on 127.0.0.1 and nowhere else."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING

from engine.rails.mtn_simulator.behaviour import Behaviour
from engine.rails.mtn_simulator.callbacks import Callbacks
from engine.rails.mtn_simulator.calls import Calls, Request
from engine.rails.mtn_simulator.state import State

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

HOST = "127.0.0.1"
BODY_BYTES_MAX = 64 * 1024


class Wire(BaseHTTPRequestHandler):
    """One connection. What is lost is lost by closing it without a word."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mtn-simulator", ""
    disable_nagle_algorithm = True
    # Headers and body leave together.
    wbufsize = 65_536
    server: Server

    def answer(self) -> None:
        """Read one request and answer it, or do not."""
        length = min(int(self.headers.get("Content-Length") or 0), BODY_BYTES_MAX)
        request = Request(
            method=self.command,
            path=self.path.partition("?")[0],
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        sleep(self.server.calls.state.behaviour.latency_seconds)
        reply = self.server.calls.answer(request)
        if reply.is_lost:
            self.server.hang(reply.hang_seconds)
            self.close_connection = True
            return
        body = b"" if reply.body is None else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing: headers hold keys."""


class Server(ThreadingHTTPServer):
    """The simulator. A context manager that serves in a thread, for tests."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, *, port: int = 0, behaviour: Behaviour | None = None, journal: Path | None = None
    ) -> None:
        super().__init__((HOST, port), Wire)
        self.state = State(behaviour or Behaviour(), journal)
        self.callbacks = Callbacks(self.state)
        self.calls = Calls(self.state, self.callbacks)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def hang(self, seconds: float) -> None:
        """Keep a connection waiting for an answer that will not come."""
        sleep(seconds)

    def handle_error(self, *_: object) -> None:
        """A caller that hung up is nobody's error."""

    def __enter__(self) -> Self:
        self._thread = Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.callbacks.stop()
        self.server_close()
