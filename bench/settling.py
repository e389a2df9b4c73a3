"""From execute to delivered on the simulated rail, with workers as in production."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bench.cpu import Meter
from bench.load import drive
from bench.samples import MICROSECONDS, Sample

if TYPE_CHECKING:
    from bench.house import House
    from bench.rows import Asking

SECONDS_MAX = 900.0
WARM_UP = 500
POLL_SECONDS = 0.05
# Keys count upwards, so a span of them is a span of numbers.
RESULT = """
SELECT count(*) FILTER (WHERE status = 'delivered'), count(*),
       extract(epoch FROM max(finished_at) - min(created_at)),
       percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
           ORDER BY extract(epoch FROM finished_at - created_at) * 1000)
FROM payouts_payout WHERE created_at >= %s
"""


def settle(house: House, asking: Asking, count: int, *, per_second: float = 0.0) -> Sample:
    """Execute `count` payouts, paced if asked, and wait until all are delivered.

    Latencies are the lags, from a payout's creation to its end by the database's clock.
    """
    web, worker = house.children["web"].pid, house.children["worker"].pid
    ready = asking.execute(count)
    began = _now(house)
    meter = Meter(web=web, worker=worker, postgres=house.postgres_pid)
    driven = drive(
        house.port,
        ready,
        clients=asking.clients,
        seconds=SECONDS_MAX,
        per_second=per_second,
    )
    _wait(house)
    spent = meter.spent() | {"generator": driven.generator_seconds}
    with house.connect() as connection:
        row: Any = connection.execute(RESULT, [began]).fetchone()
    delivered, executed, seconds, lags = row
    failures = dict(driven.failures)
    if delivered != executed or executed != count:
        failures["not delivered"] = count - delivered
    return Sample(
        per_second=delivered / float(seconds),
        p50_ms=float(lags[0]),
        p99_ms=float(lags[1]),
        cpu={part: used / max(delivered, 1) * MICROSECONDS for part, used in spent.items()},
        calls=executed,
        failures=failures,
    )


def warm_up(house: House, asking: Asking) -> None:
    """Let web and workers load what they load with the first payouts."""
    for _ in range(2):
        asking.drive(asking.execute(WARM_UP), seconds=SECONDS_MAX)
        _wait(house)


def broken_books() -> list[str]:
    """The invariants of the books that do not hold; any makes the figures worthless."""
    from engine.ledger.checks import check, listed_invariants

    findings = check(listed_invariants()).findings
    return [finding.invariant.name for finding in findings if not finding.clean]


def _now(house: House) -> Any:
    with house.connect() as connection:
        row: Any = connection.execute("SELECT clock_timestamp()").fetchone()
        return row[0]


def _wait(house: House) -> None:
    """Until nothing is due any more."""
    deadline = time.monotonic() + SECONDS_MAX
    with house.connect() as connection:
        while connection.execute(
            "SELECT FROM payouts_payout WHERE due_at IS NOT NULL LIMIT 1"
        ).rowcount:
            if time.monotonic() > deadline:
                raise TimeoutError("the workers did not get through")
            time.sleep(POLL_SECONDS)
