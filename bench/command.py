"""bin/bench: measures everything in turns, three times, and prints one table."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench import history, house, limits, machine, peers, picture, report, settling, telling
from bench.goals import GROWTH
from bench.load import drive
from bench.rows import BATCH, CLIENTS, Asking
from bench.samples import Row, Sample, measure
from bench.supply import Supply
from zopay_site.embedded import ports
from zopay_site.embedded.say import step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.house import House


@dataclass(frozen=True, slots=True)
class Size:
    """How long everything is: seconds for a row in a round, counts for the rest."""

    rounds: int
    seconds: float
    settled: int
    paced: int
    messages: int
    young: int
    ages: tuple[int, ...]


QUICK = Size(2, 1.0, 1_000, 100, 50, 2_000, ())
FULL = Size(3, 5.0, 50_000, 1_000, 2_000, 10_000, (1_000_000, 10_000_000))
CEILING = "the generator, of a server that only says yes"
FIRST_GUESS = {"L": 2_000.0, "insert": 4_000.0}


@dataclass(frozen=True, slots=True)
class Asked:
    """What makes a row's requests, its limit, and how many there may be in a second at most."""

    prepare: Callable[[int], Iterable[bytes]]
    of: str = ""
    per_second_max: int = 0
    each: int = 1


def main(arguments: list[str]) -> int:
    """Measure, print, keep. The status is 1 when anything failed that should not."""
    options = _options().parse_args(arguments)
    size = QUICK if options.quick else FULL
    ages = tuple(age for age in size.ages if age <= options.payouts)
    rows: dict[str, Row] = {}
    is_whole = True
    began = datetime.now(UTC)
    commit = machine.commit()
    with house.opened() as opened:
        about = machine.describe(opened)
        try:
            bench = Bench(opened, size, rows)
            bench.settle()
            bench.rounds()
            bench.age(ages)
            if options.peers:
                peers.measure_peers(opened, rows, seconds=size.seconds, rounds=size.rounds)
        except KeyboardInterrupt:
            # Hours may have gone into the rows that there are.
            print("Ended early; this is what was measured until then.")
            is_whole = False
    told = report.tell(
        rows,
        {
            "date": f"{began:%Y-%m-%d %H:%M}Z",
            "commit": commit,
            "is_quick": options.quick,
            "machine": about,
        },
    )
    print(report.table(told))
    is_kept = is_whole and not options.quick
    if options.json or is_kept:
        report.keep(told, options.json)
    if is_kept:
        picture.draw(told)
        report.write_page(told)
    failed = [name for name, row in rows.items() if row.failures]
    for name in failed:
        words = [word for sample in rows[name].samples for word in sample.words]
        print(f"{name}: {dict(rows[name].failures)}", *words[:2], sep="\n  ")
    return 1 if failed else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of an hour")
    parser.add_argument("--peers", action="store_true", help="measure others beside us")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--payouts",
        type=int,
        default=FULL.ages[-1],
        metavar="N",
        help="grow to N payouts at most (10 million need 40 GB and half an hour)",
    )
    return parser


class Bench:
    """One run on one house."""

    def __init__(self, opened: House, size: Size, rows: dict[str, Row]) -> None:
        self.house, self.size, self.rows = opened, size, rows
        with step("Tables and users"):
            self.supply = Supply(opened)
        with step("Web"):
            self.web = opened.start_web()
            port = ports.pick()
            line = [sys.executable, str(telling.RECEIVER), str(port)]
            self.yes = port, opened.start("yes", line).pid
        self.asking = Asking(opened, self.supply, range(0))

    def settle(self) -> None:
        """End to end, at full speed and paced; then the webhooks. Workers run only now."""
        size = self.size
        with self.house.workers():
            with step("Settling"):
                settling.warm_up(self.house, self.asking)
                history.analyze(self.supply)
                row = self._row("end to end")
                row.samples.append(self._settle(size.settled))
                paced = self._row("end to end, paced")
                rate = row.per_second / 4
                paced.samples.append(self._settle(size.paced, per_second=rate))
            with step("Webhooks"):
                told = self._row("webhook deliveries")
                told.samples.append(
                    telling.tell(self.house, self.supply.cast.partner_id, size.messages)
                )
        with step("Books"):
            broken = settling.broken_books()
        if broken:
            raise AssertionError(f"the books are broken: {broken}")

    def rounds(self) -> None:
        """Limits and requests in turns, so that what disturbs one disturbs its neighbours."""
        first = self.supply.next
        history.grow(self.supply, self.size.young)
        self.asking.history = range(first, self.supply.next)
        self._round(seconds=0.3, rows={})
        if self.size.ages:
            # To the thousand: what the tables held when they were young.
            young = GROWTH.format(f"{round(self._count(), -3):,}")
            for _ in range(self.size.rounds):
                self._limit(young, self.rows, seconds=self.size.seconds)
        for number in range(self.size.rounds):
            with step(f"Round {number + 1}"):
                self._round(seconds=self.size.seconds, rows=self.rows)

    def age(self, ages: Sequence[int]) -> None:
        """L, and pages of the list, as the tables grow."""
        for payouts in ages:
            with step(f"{payouts:,} payouts"):
                history.grow(self.supply, payouts - self._count())
                for _ in range(self.size.rounds):
                    seconds = self.size.seconds
                    self._limit(GROWTH.format(f"{payouts:,}"), self.rows, seconds=seconds)
                    for name in ("POST /payouts", "GET /payouts", "GET /payouts?cursor="):
                        aged = f"{name} at {payouts:,}"
                        self._ask(aged, self.requests()[name], self.rows, seconds=seconds)

    def requests(self) -> dict[str, Asked]:
        """The rows of the table that ask the web server something."""
        asking = self.asking
        return {
            "POST /payouts": Asked(asking.execute, "L", 4_000),
            "POST /payouts/batch": Asked(asking.batch, "L", 400, each=BATCH),
            "POST /payouts/quote": Asked(asking.quote, "insert", 4_000),
            "GET /payouts/{id}": Asked(asking.get),
            "GET /payouts": Asked(asking.list_newest),
            "GET /payouts?cursor=": Asked(asking.list_by_cursor),
            "GET /t/{token}": Asked(asking.tracking),
        }

    def _round(self, *, seconds: float, rows: dict[str, Row]) -> None:
        self._limit("L", rows, seconds=seconds)
        self._insert_limit(rows, seconds=seconds)
        for name, asked in self.requests().items():
            self._ask(name, asked, rows, seconds=seconds)
        self._ceiling(rows, seconds=seconds)

    def _ceiling(self, rows: dict[str, Row], *, seconds: float) -> None:
        """What the generator itself could ask for, of a server that only says yes."""
        ready = self.asking.list_newest(0)
        port, pid = self.yes
        sample = measure(
            lambda: drive(port, ready, clients=CLIENTS, seconds=seconds), server=pid
        )
        rows.setdefault(CEILING, Row(CEILING, of="")).samples.append(sample)

    def _limit(self, name: str, rows: dict[str, Row], *, seconds: float) -> None:
        numbers = self.supply.take(int(self._rate("L", rows) * seconds))
        sample = measure(
            lambda: limits.execute_limit(self.house, self.supply, numbers),
            postgres=self.house.postgres_pid,
        )
        rows.setdefault(name, Row(name)).samples.append(sample)

    def _insert_limit(self, rows: dict[str, Row], *, seconds: float) -> None:
        count = int(self._rate("insert", rows) * seconds)
        sample = measure(
            lambda: limits.insert_limit(self.house, self.supply, count),
            postgres=self.house.postgres_pid,
        )
        rows.setdefault("insert", Row("insert", of="")).samples.append(sample)

    def _rate(self, name: str, rows: dict[str, Row]) -> float:
        """How many a second pgbench may be expected to do: it counts calls, not seconds."""
        return rows[name].per_second if name in rows else FIRST_GUESS[name]

    def _ask(self, name: str, asked: Asked, rows: dict[str, Row], *, seconds: float) -> None:
        ready = asked.prepare(int(asked.per_second_max * seconds))
        sample = measure(
            lambda: self.asking.drive(ready, seconds=seconds),
            each=asked.each,
            postgres=self.house.postgres_pid,
            web=self.web.pid,
        )
        rows.setdefault(name, Row(name, of=asked.of)).samples.append(sample)

    def _settle(self, count: int, *, per_second: float = 0.0) -> Sample:
        return settling.settle(self.house, self.asking, count, per_second=per_second)

    def _row(self, name: str) -> Row:
        return self.rows.setdefault(name, Row(name))

    def _count(self) -> int:
        with self.house.connect() as connection:
            row = connection.execute("SELECT count(*) FROM payouts_payout").fetchone()
            return int(str(row[0])) if row else 0
