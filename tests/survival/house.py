"""A whole house of its own: servers, web, beat and workers, as bin/up starts them.

Both servers are durable, since they will be killed. Times are short, so that a test need
not wait, and nothing else differs from the product.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from urllib.request import ProxyHandler, build_opener

import psycopg
import redis

from tests.survival.counting import NOT_ENDED
from tests.survival.door import Door
from tests.survival.kill_points import STRUCK
from zopay_site.embedded import children, environment, home, ports, postgres, services, valkey
from zopay_site.embedded.say import Stop
from zopay_site.embedded.supervisor import Supervisor

QUICK = {
    "PAYOUT_RAIL": "simulated",
    "SIMULATED_SEEN_SECONDS": "0.1",
    "SIMULATED_FINAL_SECONDS": "0.3",
    "SWEEP_SECONDS": "0.2",
    "LEASE_SECONDS": "1",
    "LEASE_ROWS": "20",
    "LOOK_UP_SECONDS": "0.2",
    "RESUBMIT_SECONDS": "0.5",
    "RATE_LIMIT_PER_MINUTE": "1000000",
}
LOOK_SECONDS = 0.05


def beat_line(place):
    """Beat by itself, as docs/configuration.md says: bin/up's rides on another worker."""
    line = [*services.CELERY, "beat", "--pidfile", ""]
    return [*line, "--schedule", str(place / "celerybeat-schedule")]


def make_template(place):
    """A house that is settled in and asleep, to be copied; made once for a test run."""
    home.make(place)
    # Not durable yet: it is stopped in good order before it is copied.
    server = postgres.start(place, durable=False)
    try:
        names = environment_of(place, postgres_url=server.url, redis_url="redis://nowhere")
        line = [sys.executable, "-m", "tests.survival.settle_in"]
        told = subprocess.run(
            line, env=names, cwd=home.ROOT, stdout=subprocess.PIPE, check=True, timeout=60
        ).stdout
    finally:
        server.stop()
    (place / "keys.json").write_bytes(told)


def environment_of(place, *, postgres_url, redis_url):
    """What bin/up's children get; the servers of whoever runs the tests are not ours."""
    servers = environment.Servers(place)
    return (
        environment.for_children(servers)
        | QUICK
        | {
            "DATABASE_URL": postgres_url,
            "REDIS_URL": redis_url,
            "ZOPAY_HOME": str(place),
            "KILL_POINTS": str(place / "kill"),
        }
    )


class House:
    """Servers, web and beat run from `start` to `stop`; tests bring workers."""

    def __init__(self, place):
        self.place = place
        self.keys = json.loads((place / "keys.json").read_text())
        self.killers = place / "kill"
        self.killers.mkdir()
        self.supervisor = Supervisor()
        self.postgres = self.valkey = self.nursery = self.line = None
        self.workers = []

    def start(self):
        self.postgres = postgres.start(self.place)
        self.valkey = valkey.start(self.place)
        self.names = environment_of(
            self.place, postgres_url=self.postgres.url, redis_url=self.valkey.url
        )
        self.port = ports.pick()
        self.names["ZOPAY_PORT"] = str(self.port)
        self.run("beat", beat_line(self.place))
        self.run("web", services.web_line(self.port))
        self.nursery = Nursery(self)
        self.wait_for_web()

    def stop(self):
        """End all of it. PostgreSQL last and in good order, since only so it gives back
        the machine's shared memory."""
        if self.nursery is not None:
            self.nursery.stop()
        for service in self.supervisor.services:
            service.child.kill()
        if self.valkey is not None:
            self.valkey.kill()
        if self.line is not None:
            self.line.close()
        if self.postgres is not None:
            self.postgres.stop()

    def run(self, name, line):
        """Start a program as bin/up does; it is started again when it dies."""
        return self.supervisor.add(
            name,
            lambda: children.start(
                name, line, home=self.place, environment=self.names, folder=home.ROOT
            ),
        )

    def child(self, name):
        return next(each.child for each in self.supervisor.services if each.name == name)

    def dismiss(self, name):
        child = self.child(name)
        self.supervisor.services = [
            each for each in self.supervisor.services if each.child is not child
        ]
        child.kill()

    def wait_for_web(self):
        opener = build_opener(ProxyHandler({}))

        def answers():
            try:
                with opener.open(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return True
            except OSError:
                return False

        self.wait(answers, seconds=60, what="the web server")

    # --- Servers ---------------------------------------------------------------------

    def kill_postgres(self):
        """As a power cut would: its backends lead sessions of their own, and die as well."""
        postmaster = self.postgres.pid
        # Stopped, so that it starts nothing between our look and its death.
        os.kill(postmaster, signal.SIGSTOP)
        backends = children_of(postmaster)
        self.postgres.kill()
        for pid in backends:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def start_postgres(self):
        """Again, on its port. Its last clients may hold its memory for a moment longer."""
        for _ in range(50):
            try:
                self.postgres = postgres.start(self.place, port=self.postgres.port)
            except Stop:
                sleep(0.1)
            else:
                return
        raise AssertionError("PostgreSQL did not come back")

    def start_valkey(self):
        self.valkey = valkey.start(self.place, port=self.valkey.port)

    def flush_valkey(self):
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushall()

    def ask(self, sql, parameters=None):
        """Rows of the house's own database."""
        try:
            return self.line.execute(sql, parameters).fetchall()
        except (AttributeError, psycopg.OperationalError):
            # The first question, or the first one since the server was killed.
            if self.line is not None:
                self.line.close()
            self.line = psycopg.connect(self.postgres.url, autocommit=True)
        return self.line.execute(sql, parameters).fetchall()

    def change(self, sql, parameters=None):
        with psycopg.connect(self.postgres.url) as line:
            line.execute(sql, parameters)

    # --- Workers ---------------------------------------------------------------------

    @contextmanager
    def working(self, *, size=1, changes=()):
        """Workers that are replaced when they die, until the end of the block."""
        self.workers = [
            Worker(self, f"worker{number}", list(changes)) for number in range(size)
        ]
        try:
            yield self.workers
        finally:
            for worker in self.workers:
                worker.kill()
            self.workers = []
            self.disarm()

    def arm(self, point, moment, what):
        """Let whoever comes to that line die there, once."""
        (self.killers / f"{point}.{moment}.{what}").touch()

    def still_armed(self):
        return sorted(path.name for path in self.killers.iterdir() if path.suffix != STRUCK)

    def disarm(self):
        for path in self.killers.iterdir():
            path.unlink()

    # --- Waiting ---------------------------------------------------------------------

    def tend(self):
        self.supervisor.look()
        for worker in self.workers:
            worker.tend()

    def wait(self, is_done, *, seconds, what):
        deadline = monotonic() + seconds
        while not is_done():
            if monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds} s\n{self.last_words()}")
            self.tend()
            sleep(LOOK_SECONDS)

    def wait_for_the_end(self, payout_ids, *, seconds=30):
        """Until every one of these payouts has ended."""
        ids = list(payout_ids)
        self.wait(
            lambda: self.ask(NOT_ENDED, [ids])[0][0] == 0,
            seconds=seconds,
            what=f"the end of {len(ids)} payouts",
        )

    def last_words(self):
        logs = sorted((self.place / "logs").glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text()[-1500:]}" for log in logs)

    def partner(self, mode="live"):
        return Door(self.port, self.keys[mode])


class Nursery:
    """Where forked workers come from; see nursery.py."""

    def __init__(self, house):
        self.house, self.numbers = house, count()
        with (house.place / "logs" / "nursery.log").open("ab") as log:
            self.program = subprocess.Popen(
                [sys.executable, "-m", "tests.survival.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=house.names,
                cwd=home.ROOT,
                text=True,
                start_new_session=True,
            )
        assert self.program.stdout.readline() == "ready\n", house.last_words()

    def bear(self, name, changes):
        log = self.house.place / "logs" / f"{name}.log"
        order = {"name": name, "log": str(log), "changes": changes}
        self.program.stdin.write(json.dumps(order) + "\n")
        self.program.stdin.flush()
        return int(self.program.stdout.readline())

    def stop(self):
        self.program.stdin.close()
        self.program.wait(10)
        self.program.stdout.close()


class Worker:
    """A place where a Celery worker runs, and another one when it is dead."""

    def __init__(self, house, name, changes):
        self.house, self.name, self.changes = house, name, changes
        self.deaths = 0
        self.pid = self._born()

    def tend(self):
        if children.began(self.pid) is None:
            self.deaths += 1
            self.pid = self._born()

    def kill(self):
        """kill -9 to all of its programs at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        while children.began(self.pid) is not None:
            sleep(0.001)

    def kill_children(self):
        """kill -9 to those of it that run tasks; the worker itself replaces them at once."""
        for pid in children_of(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _born(self):
        return self.house.nursery.bear(self.name, self.changes)


def children_of(pid):
    """Pids of the programs that `pid` has started; none when it has died."""
    try:
        return [
            int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def copy_of(template, place):
    """A house of its own out of the template, with ports and times of its own."""
    shutil.copytree(template, place, ignore=shutil.ignore_patterns("pids", "ports.json"))
    return House(Path(place))
