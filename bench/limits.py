"""What PostgreSQL does alone: pgbench over the product's own function and tables.

L is one execute: the quote consumed, the funds held, the payout, its event, its movement
and its stored answer written, one commit. Nothing that serves it can be faster for long.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.load import Driven
from bench.supply import QUOTES, USERS
from zopay_site.embedded import postgres

if TYPE_CHECKING:
    from bench.house import House
    from bench.supply import Supply

CLIENTS = 16
THREADS = 2
# More than any machine does in a second, so that the numbers do not run out.
PER_SECOND_MAX = 20_000
NUMBER = "\\set n :n + 1\n\\set k :base + :n * :clients + :client_id\n"
# A refusal divides by zero: pgbench stops, and says so.
EXECUTE = """SELECT 1 / (outcome = 'executed')::integer FROM payouts_execute(
    ('{quotes}' || lpad(to_hex(:k::bigint), 12, '0'))::uuid, '{signature}', '{partner}', true,
    md5(:k::bigint::text), sha256(int8send(:k::bigint)), interval '24 hours',
    '{{"live": "simulated"}}', 'connect');
"""
SCRIPTS = Path(__file__).parent


def execute_limit(house: House, supply: Supply, numbers: range) -> Driven:
    """L: executes of these prepared quotes, one commit each."""
    cast = supply.cast
    script = EXECUTE.format(quotes=QUOTES, signature=cast.signature, partner=cast.partner_id)
    before = _count(house)
    driven = pgbench(house, NUMBER + script, base=numbers.start, count=len(numbers))
    if _count(house) - before != driven.calls:
        driven.failures["executed fewer than it said"] += 1
    return driven


def insert_limit(house: House, supply: Supply, count: int) -> Driven:
    """Single inserts of quotes, one commit each."""
    script = f"{supply.copy(':k::bigint')} AND u.n = :k::bigint % {USERS};\n"
    base = supply.skip(count + CLIENTS)
    return pgbench(house, NUMBER + script, base=base, count=count)


def pgbench(house: House, script: str, *, base: int, count: int) -> Driven:
    """Run `script` `count` times over CLIENTS connections, each number `:k` once."""
    with TemporaryDirectory(dir=house.place) as folder:
        file = Path(folder) / "script.sql"
        file.write_text(script)
        where = conninfo_to_dict(house.url)
        line = [str(postgres.binaries() / "pgbench"), "--no-vacuum", "--protocol", "prepared"]
        line += ["--client", str(CLIENTS), "--jobs", str(THREADS), "--file", str(file)]
        line += [
            "--transactions",
            str(count // CLIENTS),
            "--log",
            "--log-prefix",
            f"{folder}/log",
        ]
        # The first one is number 1 of each client, so that `base` itself is used too.
        line += ["-D", f"base={base}", "-D", "n=-1", "-D", f"clients={CLIENTS}"]
        line += ["-h", str(where["host"]), "-p", str(where["port"]), "-U", str(where["user"])]
        answer = subprocess.run(  # noqa: S603 - our own server's program
            [*line, str(where["dbname"])],
            env={"PGPASSWORD": str(where["password"]), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        return _read(answer, Path(folder))


def _read(answer: subprocess.CompletedProcess[str], folder: Path) -> Driven:
    """What pgbench says, and each latency out of its logs."""
    driven = Driven()
    for log in sorted(folder.glob("log.*")):
        for line in log.read_text().splitlines():
            driven.latencies.append(int(line.split()[2]) / 1e6)
    rate = re.search(r"tps = ([\d.]+) \(without", answer.stdout)
    if answer.returncode != 0 or rate is None:
        driven.failures[answer.stderr[:300]] += 1
        return driven
    driven.seconds = driven.calls / float(rate[1])
    return driven


def _count(house: House) -> int:
    with psycopg.connect(house.url) as connection:
        row = connection.execute("SELECT count(*) FROM payouts_payout").fetchone()
        return int(row[0]) if row else 0
