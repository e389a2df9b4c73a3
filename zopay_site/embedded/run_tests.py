"""bin/test: the tests on a PostgreSQL and a Valkey of their own. Arguments go to pytest."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from zopay_site.embedded import children, home, say
from zopay_site.embedded.environment import Servers, for_children
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from pathlib import Path

    from zopay_site.embedded.home import Lock

# Asked for by one of these, pytest gets the tests in one program, as a debugger needs.
ALONE = ("-n", "--numprocesses", "--pdb", "--trace", "--collect-only", "--co", "-h", "--help")
AT_ONCE_MAX = 8


def main(arguments: list[str]) -> int:
    """Start the servers, run pytest, stop the servers; the status is pytest's."""
    say.VOICE.stream = sys.stderr
    place, lock = take_slot(home.make(home.place()) / "test")
    servers = Servers(place, durable=False)
    try:
        children.stop_leftovers(place)
        # Without fsync a power cut may spoil the files, so they are made anew: 0.5 s.
        for part in ("pgdata", "pgdata.new", "valkey"):
            shutil.rmtree(place / part, ignore_errors=True)
        servers.start()
        line = [sys.executable, "-m", "pytest", *_at_once(arguments), *arguments]
        # No test's chain is real unless the test has started it.
        return run_in_front(line, for_children(servers) | {"PAYOUT_RAIL": "simulated"})
    finally:
        servers.stop()
        lock.release()


def take_slot(parent: Path) -> tuple[Path, Lock]:
    """The first free folder under `parent`: two bin/test at once do not meet."""
    for number in range(1, AT_ONCE_MAX + 1):
        place = parent / str(number)
        place.mkdir(parents=True, exist_ok=True)
        lock = home.take(place, who="bin/test")
        if lock is not None:
            return place, lock
    raise Stop(
        f"{AT_ONCE_MAX} bin/test already run at once.", then="wait until one of them ends"
    )


def run_in_front(line: list[str], environment: dict[str, str]) -> int:
    """Run `line` with our terminal; a Ctrl-C is its own to answer, and we clean up after it."""
    ours = {
        number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        child = subprocess.Popen(line, cwd=home.ROOT, env=environment)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        status = child.wait()
    finally:
        for number, previous in ours.items():
            signal.signal(number, previous)
    return 128 - status if status < 0 else status


def _ignore(*_: object) -> None:
    """Not SIG_IGN, which the child would inherit."""


def _at_once(arguments: list[str]) -> list[str]:
    alone = any(a.startswith(ALONE) or "::" in a for a in arguments)
    cores = min(os.cpu_count() or 1, 4)
    return [] if alone or cores == 1 else ["-n", str(cores)]


if __name__ == "__main__":
    say.run(main, sys.argv[1:])
