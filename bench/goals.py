"""The ratios that the house has promised itself, and whether a run met them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.samples import Row

GROWTH = "L at {} payouts"


@dataclass(frozen=True, slots=True)
class Goal:
    """`figure` is what was measured, None where this run did not; `is_met` says the rest."""

    name: str
    goal: str
    figure: float | None
    is_met: bool | None
    unit: str = ""


def judge(rows: Mapping[str, Row]) -> list[Goal]:
    """Hold every goal against the rows of one run."""
    found = []
    for name, at_least in (
        ("POST /payouts", 0.25),
        ("gathered, 16 clients", 1.0),
        ("gathered, 64 clients", 1.5),
        ("POST /payouts/batch", 2.5),
        ("end to end", 0.20),
    ):
        if name in rows or not name.startswith("gathered"):
            figure = _ratio(rows, name, "L")
            found.append(_least(f"{name} / L", at_least, figure))
    for name, at_most in (("end to end, paced", 10.0), ("end to end", 50.0)):
        lag = rows[name].median("p99_ms") if name in rows else None
        found.append(_most(f"lag p99, {name}", at_most, lag, "ms"))
    p99 = rows["POST /payouts"].median("p99_ms") if "POST /payouts" in rows else None
    found.append(_most("POST /payouts p99", 25.0, p99, "ms"))
    told = rows["webhook deliveries"].per_second if "webhook deliveries" in rows else None
    found.append(_least("webhook deliveries", 500.0, told, "a second"))
    found.append(_most("PostgreSQL CPU of an execute, aged / young", 1.2, _age(rows)))
    for peer, at_least in (("django-hordak behind DRF", 3.0), ("localstripe", 10.0)):
        found.append(
            _least(f"POST /payouts / {peer}", at_least, _ratio(rows, "POST /payouts", peer))
        )
    return found


def _ratio(rows: Mapping[str, Row], name: str, limit: str) -> float | None:
    if name not in rows or limit not in rows or not rows[limit].per_second:
        return None
    return rows[name].per_second / rows[limit].per_second


def _age(rows: Mapping[str, Row]) -> float | None:
    """The most payouts that were measured, against the fewest."""
    aged = [row for name, row in rows.items() if name.startswith(GROWTH.partition("{}")[0])]
    return aged[-1].cpu("postgres") / aged[0].cpu("postgres") if len(aged) > 1 else None


def _least(name: str, bound: float, figure: float | None, unit: str = "") -> Goal:
    is_met = None if figure is None else figure >= bound
    return Goal(name, f"≥ {bound:g}", figure, is_met, unit)


def _most(name: str, bound: float, figure: float | None, unit: str = "") -> Goal:
    is_met = None if figure is None else figure <= bound
    return Goal(name, f"≤ {bound:g}", figure, is_met, unit)
