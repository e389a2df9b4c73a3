"""The workers of one house: forked, killed, and forked again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from zopay_site.embedded import children, home, say
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Mapping

END_SECONDS = 10


class Nursery:
    """The program of nursery.py; it ends when we do, and all workers with it."""

    def __init__(self, place: Path, environment: Mapping[str, str]) -> None:
        self.place = place
        self._numbers = count(1)
        self._log = place / "logs" / "nursery.log"
        with self._log.open("ab") as log:
            self._program = subprocess.Popen(
                [sys.executable, "-m", "zopay_site.chaos.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=home.ROOT,
                text=True,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it can fork. Raises Stop when it never will."""
        self._answer("ready")

    def bear(self) -> Worker:
        """A new worker, under a name that no other had."""
        name = f"worker{next(self._numbers)}"
        log = self.place / "logs" / f"{name.rstrip('0123456789')}.log"
        stdin = self._program.stdin
        if stdin is None:
            raise AssertionError
        stdin.write(json.dumps({"name": name, "log": str(log)}) + "\n")
        stdin.flush()
        return Worker(int(self._answer()))

    def stop(self) -> None:
        """End it, and with it every worker."""
        for pipe in (self._program.stdin, self._program.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._program.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            children.kill_session(self._program.pid)
            self._program.wait()

    def _answer(self, wanted: str = "") -> str:
        stdout = self._program.stdout
        line = "" if stdout is None else stdout.readline().strip()
        if not line or (wanted and line != wanted):
            raise Stop(
                f"The workers do not start:{say.last_lines(self._log)}",
                then=f"see {self._log}",
            )
        return line


class Worker:
    """One Celery worker with all its programs: the session that `pid` leads."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._began = children.began(pid)

    @property
    def is_alive(self) -> bool:
        return self._began is not None and children.began(self.pid) == self._began

    def kill(self) -> None:
        """kill -9 to all of its programs at once."""
        if self.is_alive:
            children.kill_session(self.pid)
        while self.is_alive:
            time.sleep(0.001)

    def kill_children(self) -> None:
        """kill -9 to those of it that run tasks; the worker replaces them by itself."""
        for pid in children_of(self.pid) if self.is_alive else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """Pids of the programs that `pid` has started; none when it has died."""
    line = ["ps", "-o", "pid=", "--ppid", str(pid)]
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        words = listed.read_text() if listed.parent.is_dir() else _output(line)
    except OSError:
        return []
    return [int(word) for word in words.split()]


def _output(line: list[str]) -> str:
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout
