"""What it was measured on and of what: no names of hosts, no paths."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zopay_site.embedded.home import ROOT

if TYPE_CHECKING:
    from bench.house import House

SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


def commit() -> str:
    """The commit of the working copy, with a plus when something was changed since."""
    named = _git("rev-parse", "--short=12", "HEAD")
    return named + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def describe(house: House) -> dict[str, Any]:
    """Processor, memory, and the versions and settings that decide."""
    with house.connect() as connection:
        settings = {
            name: str(connection.execute(f"SHOW {name}").fetchall()[0][0]) for name in SHOWN
        }
    return {
        "processor": _first(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "memory_gib": round(int(_first(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo"))) / 2**20),
        "system": platform.system(),
        "python": platform.python_version(),
        "postgres": settings,
        "load_before": round(os.getloadavg()[0], 2),
    }


def _git(*words: str) -> str:
    answer = subprocess.run(  # noqa: S603 - our own words
        ["git", *words],  # noqa: S607 - whichever git made this clone
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip()


def _first(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE)
    return found[1] if found else "0"
