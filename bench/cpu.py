"""Processor time by group of programs, out of /proc.

It is the figure to compare between commits: other load on the machine changes how many
operations there are in a second, but hardly what one of them costs.
"""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# /proc/<pid>/stat from its third field on: state, parent, …; utime, stime, cutime, cstime.
PARENT, TIMES = 1, slice(11, 15)


def seconds_of(leader: int) -> float:
    """What a program has used so far with all that it has started, alive or ended.

    An ended child's time is its parent's from the moment when it was waited for, so the
    sum never falls.
    """
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for pid in (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()):
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[pid] = int(fields[PARENT])
        ticks[pid] = sum(int(field) for field in fields[TIMES])
    ours = {leader}
    grows = True
    while grows:
        children = {pid for pid, parent in parents.items() if parent in ours} - ours
        ours |= children
        grows = bool(children)
    return sum(ticks.get(pid, 0) for pid in ours) / TICKS_PER_SECOND


class Meter:
    """Reads the clock of each named program, twice."""

    def __init__(self, **leaders: int) -> None:
        self._leaders = leaders
        self._began = self._read()

    def spent(self) -> dict[str, float]:
        """Seconds of each since it was made."""
        return {name: now - self._began[name] for name, now in self._read().items()}

    def _read(self) -> dict[str, float]:
        return {name: seconds_of(pid) for name, pid in self._leaders.items()}
