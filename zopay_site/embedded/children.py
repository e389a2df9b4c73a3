"""Programs that we start and end: each in a session of its own, each with a pid file.

A pid alone proves nothing, since pids come round again; a pid with its start time does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BECOME = Path(__file__).with_name("child.py")
PROC = Path("/proc")


@dataclass
class Child:
    """A program that runs, under `home/pids/<name>.json`."""

    name: str
    home: Path
    popen: subprocess.Popen[bytes]
    stop_signal: signal.Signals

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def is_alive(self) -> bool:
        """Still running. Does not reap, so that its group can still be named by its pid."""
        if self.popen.returncode is not None:
            return False
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self.popen.poll() is None
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, flags) is None

    def stop(self, *, patience: float = 10.0) -> None:
        """Ask it to end, wait up to `patience` seconds, then insist. Leaves no orphan."""
        if self.is_alive:
            self.popen.send_signal(self.stop_signal)
            deadline = time.monotonic() + patience
            while self.is_alive and time.monotonic() < deadline:
                time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """What `kill -9` does, to all of its session; and forget it."""
        if self.popen.returncode is None:
            kill_session(self.pid)
            self.popen.wait()
        pid_file(self.home, self.name).unlink(missing_ok=True)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        status = self.popen.wait()
        return f"status {status}" if status >= 0 else signal.Signals(-status).name


def start(
    name: str,
    command: Sequence[str],
    *,
    home: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    owned: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start `command`; its words go to `home/logs/<name>.log`.

    It ends when the thread that started it does, whatever ends that.
    `owned` is a folder that a program which refuses root needs as its own.
    """
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-I", "-S", str(BECOME), str(os.getpid()), str(int(stop_signal))]
    with (logs / f"{name}.log").open("ab") as log:
        popen = subprocess.Popen(
            [*line, str(owned or "-"), *command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C in the terminal reaches us alone, and we end the others in order.
            start_new_session=True,
        )
    pids = pid_file(home, name)
    pids.parent.mkdir(exist_ok=True)
    pids.write_text(json.dumps({"pid": popen.pid, "began": began(popen.pid)}))
    return Child(name, home, popen, stop_signal)


def stop_leftovers(home: Path, *, patience: float = 10.0) -> list[str]:
    """End what a bin/up that was killed left running; answers their names.

    Only what is provably ours: same pid and same start time, or a session without its
    leader, whose number the kernel gives to nobody else while a member lives.
    """
    stopped = []
    for path in sorted((home / "pids").glob("*.json"), reverse=True):
        try:
            kept = json.loads(path.read_text())
            pid, born = int(kept["pid"]), kept["began"]
        except (ValueError, KeyError, TypeError):
            path.unlink()
            continue
        now = began(pid)
        if now is not None and now == born:
            how = signal.SIGINT if path.stem == "postgres" else signal.SIGTERM
            os.kill(pid, how)
            deadline = time.monotonic() + patience
            while began(pid) == born and time.monotonic() < deadline:
                time.sleep(0.02)
            kill_session(pid)
            stopped.append(path.stem)
        elif now is None and kill_session(pid):
            stopped.append(path.stem)
        path.unlink()
    return stopped


def kill_session(leader: int) -> bool:
    """`kill -9` to every program in the session of `leader`; True when there was one."""
    if not PROC.is_dir():
        return _kill_group(leader)
    members = [pid for pid in _pids() if _session(pid) == leader]
    killed = False
    for pid in members:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed = True
    return killed


def began(pid: int) -> str | None:
    """When `pid` started, in words that only compare; None when it does not run."""
    if PROC.is_dir():
        fields = _stat(pid)
        # A zombie has ended; it only waits to be asked how.
        return None if fields is None or fields[0] == "Z" else fields[19]
    line = ["ps", "-o", "lstart=", "-p", str(pid)]
    return (
        subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip() or None
    )


def pid_file(home: Path, name: str) -> Path:
    return home / "pids" / f"{name}.json"


def _kill_group(leader: int) -> bool:
    """The nearest thing where there is no /proc, as on macOS."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _session(pid: int) -> int | None:
    fields = _stat(pid)
    return None if fields is None else int(fields[3])


def _stat(pid: int) -> list[str] | None:
    """/proc/<pid>/stat from its third field on: state, parent, group, session, …"""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()
