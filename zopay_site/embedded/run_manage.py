"""bin/manage: manage.py against the state of bin/up, whether it runs or not."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from zopay_site.embedded import children, environment, home, ports, say
from zopay_site.embedded.environment import Servers
from zopay_site.embedded.run_tests import run_in_front
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from pathlib import Path

    from zopay_site.embedded.home import Lock

PATIENCE_SECONDS = 90.0


def main(arguments: list[str]) -> int:
    """Borrow the servers of a running bin/up, or start them for as long as it takes."""
    # What the command prints may be read by a program; our own words stay out of it.
    say.VOICE.stream = sys.stderr
    place = home.make(home.place())
    line = environment.manage(*arguments)
    found = _borrow_or_take(place)
    if isinstance(found, dict):
        return run_in_front(line, found)
    servers = Servers(place)
    try:
        children.stop_leftovers(place)
        servers.start()
        port = ports.recall(place, "web") or ports.web_port()
        return run_in_front(line, environment.for_children(servers, web_port=port))
    finally:
        servers.stop()
        found.release()


def _borrow_or_take(place: Path) -> Lock | dict[str, str]:
    """The environment of the bin/up that runs, or the right to start the servers ourselves."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    who = None
    while time.monotonic() < deadline:
        who = home.holder(place)
        running = environment.running(place)
        if who == "bin/up" and running is not None:
            return running
        lock = home.take(place, who="bin/manage") if who is None else None
        if lock is not None:
            return lock
        # bin/up is just starting, or another bin/manage has the servers for a moment.
        time.sleep(0.1)
    raise Stop(
        f"{who or 'Another command'} is busy with {os.fspath(place)}.",
        then="run bin/manage again in a moment",
    )


if __name__ == "__main__":
    say.run(main, sys.argv[1:])
