"""One table on the screen, and the same figures as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench.goals import judge
from zopay_site.embedded.home import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.samples import Row

RESULTS = ROOT / "bench" / "results"
HEAD = (
    "",
    "a second",
    "spread",
    "of its limit",
    "p50 / p99 ms",
    "CPU µs: Python",
    "PostgreSQL",
)
GOALS_HEAD = ("goal", "", "measured", "")
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: bin/bench writes them -->", "<!-- end of figures -->"
PYTHON = ("python", "web", "worker")


def tell(rows: Mapping[str, Row], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything of one run, as it is kept."""
    return {
        **about,
        "rows": {name: row.as_json() | _ratio(rows, row) for name, row in rows.items()},
        "goals": [
            {
                "name": goal.name,
                "goal": goal.goal,
                "figure": None if goal.figure is None else round(goal.figure, 2),
                "is_met": goal.is_met,
            }
            for goal in judge(rows)
        ],
    }


def _ratio(rows: Mapping[str, Row], row: Row) -> dict[str, Any]:
    limit = rows.get(row.of)
    if limit is None or limit is row or not limit.per_second:
        return {}
    return {"of": row.of, "ratio": round(row.per_second / limit.per_second, 3)}


def keep(told: Mapping[str, Any], file: Path | None) -> Path:
    """Write the figures to `file`, or under the date of today."""
    file = file or RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    return file


def table(told: Mapping[str, Any]) -> str:
    """What the screen shows: rows, goals, where it was measured."""
    lines = [HEAD, *(_line(name, row) for name, row in told["rows"].items())]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    shown = ["  ".join(_pad(line, widths)) for line in lines]
    shown.insert(1, "─" * len(shown[0]))
    goals = [GOALS_HEAD, *(_goal(goal) for goal in told["goals"])]
    widths = [max(len(line[place]) for line in goals) for place in range(4)]
    shown += ["", *("  ".join(_pad(line, widths)) for line in goals), ""]
    shown.append(_machine(told))
    return "\n".join(shown)


def write_page(told: Mapping[str, Any], page: Path = PAGE) -> None:
    """Put the figures between the marks of docs/performance.md."""
    lines = [HEAD, *(_line(name, row) for name, row in told["rows"].items())]
    goals = [GOALS_HEAD, *(_goal(goal) for goal in told["goals"])]
    shown = [
        *_markdown(lines),
        "",
        *_markdown(goals),
        "",
        _machine(told) + f" · {told['date']}",
    ]
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(shown) + f"\n{END}{after}")


def _markdown(lines: Sequence[tuple[str, ...]]) -> list[str]:
    head, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return [head, "|---" + "|--:" * (len(lines[0]) - 1) + "|", *rest]


def _machine(told: Mapping[str, Any]) -> str:
    machine, postgres = told["machine"], told["machine"]["postgres"]
    return (
        f"{told['commit']} · {machine['processor']}, {machine['cores']} cores,"
        f" {machine['memory_gib']} GiB · Python {machine['python']} · PostgreSQL"
        f" {postgres['server_version']}, fsync {postgres['fsync']}, synchronous_commit"
        f" {postgres['synchronous_commit']} · load before {machine['load_before']}"
    )


def _line(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    cpu = row["cpu_microseconds"]
    low, high = row["spread"]
    failed = sum(row["failures"].values())
    python = sum(cpu.get(part, 0) for part in PYTHON)
    return (
        name + (f"  {failed} FAILED" if failed else ""),
        f"{row['per_second']:,.0f}",
        f"{low:,.0f}-{high:,.0f}" if low != high else "",
        f"{row['ratio']:.2f} {row['of']}" if "ratio" in row else "",
        f"{row['p50_ms']:.1f} / {row['p99_ms']:.1f}" if row["p99_ms"] else "",
        f"{python:,}" if python else "",
        f"{cpu['postgres']:,}" if "postgres" in cpu else "",
    )


def _goal(goal: Mapping[str, Any]) -> tuple[str, ...]:
    if goal["figure"] is None:
        return goal["name"], goal["goal"], "not measured", ""
    return (
        goal["name"],
        goal["goal"],
        f"{goal['figure']:g}",
        "met" if goal["is_met"] else "MISSED",
    )


def _pad(line: tuple[str, ...], widths: list[int]) -> list[str]:
    """Names to the left, figures to the right."""
    first, *rest = line
    return [
        first.ljust(widths[0]),
        *(text.rjust(w) for text, w in zip(rest, widths[1:], strict=True)),
    ]
