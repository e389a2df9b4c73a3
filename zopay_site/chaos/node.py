"""Talking to a node directly, past the proxy and past everything of the product."""

from __future__ import annotations

import http.client
import json
from itertools import count
from threading import Lock
from typing import Any

TIMEOUT_SECONDS = 30.0


class NodeRefused(Exception):
    """The node answered with an error."""


class Node:
    """One node at `port` of this machine. Threads may share it; they take turns."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._line: http.client.HTTPConnection | None = None
        self._lock = Lock()
        self._numbers = count(1)

    def ask(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises NodeRefused, or OSError when nobody answers."""
        body = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method}
        answer = self.post(json.dumps(body | {"params": params}))
        if "error" in answer:
            raise NodeRefused(f"{method}: {answer['error']}")
        return answer["result"]

    def post(self, body: str, *, path: str = "/") -> Any:
        """What came back for a document, on the one connection that is kept."""
        with self._lock:
            for is_last in (False, True):
                try:
                    return json.loads(self._send(body, path))
                except (OSError, http.client.HTTPException):
                    # A kept connection may have been closed meanwhile; a new one was not.
                    self.close()
                    if is_last:
                        raise
        raise AssertionError

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _send(self, body: str, path: str) -> bytes:
        if self._line is None:
            self._line = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=TIMEOUT_SECONDS
            )
        self._line.request("POST", path, body, {"Content-Type": "application/json"})
        return self._line.getresponse().read()
