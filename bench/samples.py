"""One measurement, and what several of them come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.cpu import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.load import Driven

MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class Sample:
    """One row in one round. `cpu` is microseconds of an operation by part."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu: Mapping[str, float]
    calls: int
    failures: Mapping[str, int]
    words: tuple[str, ...] = ()


@dataclass(slots=True)
class Row:
    """A row of the table. `of` names the limit that it is set against."""

    name: str
    of: str = "L"
    samples: list[Sample] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """The middle one; 0 where anything failed, since errors are answered faster."""
        return 0.0 if self.failures else median(one.per_second for one in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        rates = [sample.per_second for sample in self.samples]
        return min(rates), max(rates)

    @property
    def failures(self) -> Counter[str]:
        return sum((Counter(sample.failures) for sample in self.samples), Counter())

    def median(self, name: str) -> float:
        """Of `p50_ms` or `p99_ms`."""
        figure: float = median(getattr(sample, name) for sample in self.samples)
        return figure

    def cpu(self, part: str) -> float:
        """Microseconds of an operation in that part; 0 where it had none."""
        return median(sample.cpu.get(part, 0.0) for sample in self.samples)

    def as_json(self) -> dict[str, Any]:
        """What bench/results keeps of it."""
        low, high = self.spread
        return {
            "per_second": round(self.per_second, 1),
            "spread": [round(low, 1), round(high, 1)],
            "p50_ms": round(self.median("p50_ms"), 2),
            "p99_ms": round(self.median("p99_ms"), 2),
            "cpu_microseconds": {
                part: round(self.cpu(part))
                for part in sorted({part for sample in self.samples for part in sample.cpu})
            },
            "calls": sum(sample.calls for sample in self.samples),
            "failures": dict(self.failures),
        }


def measure(run: Callable[[], Driven], *, each: int = 1, **leaders: int) -> Sample:
    """Run it while the clocks of `leaders` (programs by name) are watched."""
    meter = Meter(**leaders)
    driven = run()
    spent = meter.spent()
    operations = driven.calls * each
    if driven.generator_seconds:
        spent["generator"] = driven.generator_seconds
    return Sample(
        per_second=driven.per_second * each,
        p50_ms=driven.milliseconds(0.50),
        p99_ms=driven.milliseconds(0.99),
        cpu={part: used / max(operations, 1) * MICROSECONDS for part, used in spent.items()},
        calls=driven.calls,
        failures=dict(driven.failures),
        words=tuple(answer.decode(errors="replace") for answer in driven.answers[:3]),
    )
