"""What a person at the terminal reads, and what a program reads with --json."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zopay_site.embedded import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zopay_site.chaos.counting import Count
    from zopay_site.chaos.options import Options

BAR = 24
REMIND_SECONDS = 5.0
FINDINGS_SHOWN = 5
LABEL = 22


@dataclass
class Progress:
    """One line that changes where somebody watches, and a line now and then elsewhere."""

    payouts: int
    strikes: int
    told: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)

    def begin(self, note: str) -> None:
        """A word on what is being started."""
        if say.VOICE.is_watched:
            say.VOICE.rewrite(f"  {note} …")

    def tell(self, *, accepted: int, final: int, struck: int, note: str = "") -> None:
        seconds = time.monotonic() - self.began
        words = (
            f"{accepted:>5} accepted  {final:>5} final  {struck:>4}/{self.strikes} faults"
            f"  {seconds:>4.0f} s  {note}"
        )
        if say.VOICE.is_watched:
            full = BAR * (accepted + final) // (2 * self.payouts)
            say.VOICE.rewrite(f"  {'█' * full}{'░' * (BAR - full)} {words}")
        elif time.monotonic() - self.told >= REMIND_SECONDS:
            self.told = time.monotonic()
            say.VOICE.line(f"  {words}")

    def end(self) -> None:
        if say.VOICE.is_watched:
            say.VOICE.rewrite("")


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run has to say. `final_seconds` is None when some never became final."""

    options: Options
    count: Count
    happened: Mapping[str, int]
    late: int
    final_seconds: float | None
    seconds: float
    home: str

    @property
    def is_right(self) -> bool:
        return self.count.is_right and self.final_seconds is not None

    def as_json(self) -> dict[str, Any]:
        """Counts by name; `findings` says of each wrong what it is."""
        count = self.count
        return {
            "right": self.is_right,
            "seed": self.options.seed,
            "mutation": self.options.mutation or None,
            "payouts": count.payouts,
            "transfers": count.transfers,
            "delivered": count.delivered,
            "failed": count.failed,
            **{name: len(getattr(count, name)) for name in count.WRONGS[:5]},
            "nonces_contiguous": not count.gaps,
            "ledger_clean": not count.books,
            "balances_right": not count.balances,
            "happened": dict(self.happened),
            "late": self.late,
            "all_final_seconds": self.final_seconds,
            "seconds": round(self.seconds, 1),
            "findings": {
                name: found for name in count.WRONGS if (found := getattr(count, name))
            },
            "home": self.home or None,
        }

    def text(self) -> str:
        """The table for people."""
        count = self.count
        after = (
            f"{self.late} were not, {self.options.patience:g} s after the last fault"
            if self.final_seconds is None
            else f"{self.final_seconds:.1f} s after the last fault"
        )
        rows = [
            ("payouts", str(count.payouts)),
            ("transfers on chain", str(count.transfers)),
            ("lost", str(len(count.lost))),
            ("paid twice", str(len(count.twice))),
            ("lied about", str(len(count.lied))),
            *([("astray", str(len(count.astray)))] if count.astray else []),
            *([("refused", str(len(count.refused)))] if count.refused else []),
            ("failed, money back", str(count.failed)),
            ("ledger clean", _yes(count.books)),
            ("balances add up", _yes(count.balances)),
            ("nonces contiguous", _yes(count.gaps)),
            ("all final", after),
            ("duration", f"{self.seconds:.0f} s"),
            *((f"  {name}", str(number)) for name, number in self.happened.items()),
        ]
        lines = [f"  {name:<{LABEL}}{value}" for name, value in rows]
        for name in count.WRONGS:
            found = getattr(count, name)
            lines += [f"\n  {name}:"] if found else []
            lines += [f"    {each}" for each in found[:FINDINGS_SHOWN]]
            if len(found) > FINDINGS_SHOWN:
                lines.append(f"    and {len(found) - FINDINGS_SHOWN} more")
        return "\n".join(lines)


def announce(options: Options) -> None:
    """What will be done, with what it takes to do the same again."""
    wrong = f", paid in a wrong way: {options.mutation}" if options.mutation else ""
    say.VOICE.line(
        f"{options.payouts} payouts, {options.kills} kills, seed {options.seed}{wrong}."
    )


def conclude(report: Report) -> None:
    """The table, or the object; and where to look when something was wrong."""
    if report.options.as_json:
        print(json.dumps(report.as_json()), flush=True)
    else:
        say.VOICE.line(report.text())
    if report.home:
        say.VOICE.line(f"\nSomething was wrong. Logs are in {report.home}/logs.")


def _yes(found: list[str]) -> str:
    return "no" if found else "yes"
