"""Asking a node of our own one question at a time. Standard library only.

The engine has a client of its own, with batches and doubts; this one serves bin/up, which
started the node it asks.
"""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

WORDS_MAX = 300


class Refused(Exception):
    """The node understood and said no."""


def ask(url: str, method: str, *params: Any, seconds: float = 10.0) -> Any:
    """The `result` of one JSON-RPC call. Raises Refused, OSError or ValueError."""
    node = urlsplit(url)
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    # No proxy of this machine has any business here, and http.client heeds none.
    secure = node.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    line = kind(node.hostname or "", node.port, timeout=seconds)
    try:
        target = (node.path or "/") + (f"?{node.query}" if node.query else "")
        line.request("POST", target, asked, {"Content-Type": "application/json"})
        answer = json.loads(line.getresponse().read())
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        line.close()
    if not isinstance(answer, dict) or "result" not in answer:
        raise Refused(str(answer)[:WORDS_MAX])
    return answer["result"]
