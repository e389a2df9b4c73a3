"""bin/check: everything that can be said about the code without running the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from zopay_site.embedded import home, locks, say
from zopay_site.embedded.environment import manage

if TYPE_CHECKING:
    from collections.abc import Callable

PYTHON = [sys.executable, "-m"]
# Nobody listens on port 1: these checks look at the code, and need no server.
NOWHERE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
# The deploy check must pass as an operator would run it: https, no demo, long secrets.
PRODUCTION = NOWHERE | {
    "DEBUG": "false",
    "ZOPAY_DEMO": "false",
    "ZOPAY_PUBLIC_URL": "https://pay.example.com",
    "SECRET_KEY": "only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ",
    "KEY_PEPPER": "only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz",
    "SIGNING_KEYS": "only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz",
    "SEALING_KEYS": "only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DJANGO_SETTINGS_MODULE": "zopay_site.settings",
}
STEPS: dict[str, list[str]] = {
    "Format": [*PYTHON, "ruff", "format", "--check", "."],
    "Lint": [*PYTHON, "ruff", "check", "."],
    "Types": [*PYTHON, "mypy"],
    "Floors": [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as c; c()",
    ],
    # That the history cannot be read without a database is a warning we expect.
    "Migrations": [
        sys.executable,
        "-W",
        "ignore::RuntimeWarning",
        *manage("makemigrations", "--check", "--dry-run")[1:],
    ],
    "Deploy check": manage("check", "--deploy", "--fail-level", "WARNING"),
}


def main(arguments: list[str]) -> int:
    """Run every step, even after one failed; the status is 0 when all passed."""
    if arguments:
        print("bin/check takes no arguments.", file=sys.stderr)
        return 2
    failed = [name for name, line in STEPS.items() if not _show(name, lambda: _run(line))]  # noqa: B023
    if not _show("Locks", lambda: "\n".join(locks.complaints(home.ROOT))):
        failed.append("Locks")
    print(f"Failed: {', '.join(failed)}." if failed else "All good.")
    return 1 if failed else 0


def _run(line: list[str]) -> str:
    """What `line` complains about; empty when it is content."""
    environment = {n: v for n, v in os.environ.items() if n not in {"DEBUG", "ALLOWED_HOSTS"}}
    answer = subprocess.run(
        line,
        cwd=home.ROOT,
        env=environment | PRODUCTION,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = answer.stdout + answer.stderr
    return said.strip() or f"status {answer.returncode}" if answer.returncode else ""


def _show(name: str, look: Callable[[], str]) -> bool:
    """One line for a step, and what it found when it found something."""
    began = time.monotonic()
    complaint = look()
    seconds = f"{time.monotonic() - began:.1f} s"
    print(f"  {name:<{say.WIDTH}}{'FAILED' if complaint else 'ok':<8}{seconds:>8}", flush=True)
    if complaint:
        print(complaint, flush=True)
    return not complaint


if __name__ == "__main__":
    say.run(main, sys.argv[1:])
