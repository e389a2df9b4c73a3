"""Ports on 127.0.0.1: asking for a free one, keeping it, and saying which one is taken."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_WEB_PORT = 8000
LAST_PORT = 65535
LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Nobody listens on `port` and we may."""
    with socket.socket() as asking:
        asking.settimeout(1)
        if asking.connect_ex((LOOPBACK, port)) == 0:
            return False
    with socket.socket() as trying:
        # Connections of a server that just ended linger; they do not stand in the way.
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def pick() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as asking:
        asking.bind((LOOPBACK, 0))
        port: int = asking.getsockname()[1]
    return port


def remembered(home: Path, name: str) -> int:
    """The port `name` had last time when it is still free, else a new one, kept for later."""
    port = recall(home, name)
    if port is None or not is_free(port):
        port = pick()
        remember(home, name, port)
    return port


def recall(home: Path, name: str) -> int | None:
    port = _read(home).get(name)
    return port if isinstance(port, int) else None


def remember(home: Path, name: str, port: int) -> None:
    ports = _read(home) | {name: port}
    (home / "ports.json").write_text(json.dumps(ports))


def web_port() -> int:
    """ZOPAY_PORT, or 8000."""
    text = os.environ.get("ZOPAY_PORT") or str(DEFAULT_WEB_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LAST_PORT):
        raise Stop(
            f"ZOPAY_PORT is {text!r}, which is not a port.",
            then="ZOPAY_PORT=8001 bin/up",
        )
    return int(text)


def refuse_if_taken(port: int) -> None:
    """Stop with a sentence when somebody else listens where the web server should."""
    if is_free(port):
        return
    another = next((p for p in range(port + 1, LAST_PORT) if is_free(p)), 8001)
    raise Stop(
        f"Port {port} on {LOOPBACK} is taken by another program or not ours to use.",
        then=f"ZOPAY_PORT={another} bin/up",
    )


def _read(home: Path) -> dict[str, object]:
    try:
        ports = json.loads((home / "ports.json").read_text())
    except (OSError, ValueError):
        return {}
    return ports if isinstance(ports, dict) else {}
