"""The folder that holds all state: whose it is, who uses it now, how it is emptied."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from zopay_site.embedded.say import Stop

ROOT = Path(__file__).resolve().parents[2]
MARK = "ZOPAY_HOME"
MARK_TEXT = (
    "bin/up made this folder and keeps everything in it: databases, secrets, logs.\n"
    "bin/up --fresh empties it.\n"
)


@dataclass
class Lock:
    """Held for as long as its file is open; the kernel lets go of it when we die."""

    descriptor: int

    def release(self) -> None:
        os.close(self.descriptor)


def place() -> Path:
    """ZOPAY_HOME, or .zopay beside manage.py; relative to where manage.py is."""
    return ROOT / (os.environ.get("ZOPAY_HOME") or ".zopay")


def make(home: Path) -> Path:
    """Create `home`, private to us, or recognise it. Refuses folders that are not ours."""
    mark = home / MARK
    try:
        if home.is_dir() and any(home.iterdir()) and not mark.is_file():
            raise Stop(
                f"{home} has something in it and was not made by Zopay.",
                then="ZOPAY_HOME=<another folder> bin/up",
            )
        home.mkdir(parents=True, exist_ok=True)
        if home.stat().st_uid != os.geteuid():
            raise Stop(
                f"{home} belongs to another user.",
                then="run it as that user, or ZOPAY_HOME=<another folder> bin/up",
            )
        home.chmod(0o700)
        mark.write_text(MARK_TEXT)
        (home / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise Stop(
            f"{home} cannot be used: {error.strerror}.",
            then="ZOPAY_HOME=<a folder you may write to> bin/up",
        ) from None
    return home


def take(home: Path, *, who: str) -> Lock | None:
    """The right to use `home`, or None when somebody has it."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, who.encode())
    return Lock(descriptor)


def holder(home: Path) -> str | None:
    """Who uses `home` now: "bin/up", "bin/manage", or None for nobody."""
    lock = home / "lock"
    if not lock.exists():
        return None
    descriptor = os.open(lock, os.O_RDWR)
    try:
        # Shared: two that only ask do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.read(descriptor, 100).decode(errors="replace") or "another command"
    finally:
        os.close(descriptor)
    return None


def take_for_up(home: Path) -> Lock:
    """The right to use `home` for bin/up, or a sentence about who has it."""
    # bin/manage holds it for a moment; a second bin/up holds it for good.
    for _ in range(50):
        lock = take(home, who="bin/up")
        if lock is not None:
            return lock
        if holder(home) == "bin/up":
            break
        time.sleep(0.2)
    refuse_if_running(home)
    raise Stop(f"{home} is in use.", then="run bin/up again in a moment")


def refuse_if_running(home: Path) -> None:
    """Stop with a sentence when a bin/up already uses `home`."""
    who = holder(home)
    if who == "bin/up":
        raise Stop(
            "bin/up is already running.",
            then="look at its terminal, or end it with Ctrl-C there first",
        )


def empty(home: Path) -> None:
    """Forget everything, the tests' servers apart: they may be running."""
    if not (home / MARK).is_file():
        raise Stop(
            f"{home} was not made by Zopay, so it stays as it is.",
            then="remove it yourself if you are sure",
        )
    for part in home.iterdir():
        if part.name in {"lock", "test", MARK}:
            continue
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink()
    (home / "logs").mkdir(exist_ok=True)
