"""A whole house of its own: servers, two chains behind proxies, web, beat and workers.

Nothing of it is shared with a bin/up on the same machine: its home is a new folder, and
every port is one that was free. Both servers are durable, since they will be killed.
Children end with the thread that started them, so one thread does all of this.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from zopay_site.chaos.miner import Miner
from zopay_site.chaos.node import Node
from zopay_site.chaos.plan import NETWORKS
from zopay_site.chaos.proxy import CONTROL
from zopay_site.chaos.workers import Nursery, Worker
from zopay_site.embedded import (
    anvil,
    chains,
    children,
    environment,
    home,
    ports,
    postgres,
    say,
    secrets_file,
    services,
    valkey,
)
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zopay_site.chaos.options import Options
    from zopay_site.embedded.children import Child

WORKERS = 3
READY_SECONDS = 60.0
# Of our own environment, what programs need to run at all; nobody's settings come in.
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "ZOPAY_POSTGRES_BIN")
OWN_SECRETS = (*environment.SECRETS, "KEYSTORE_PASSWORD")


@dataclass
class Kept:
    """A program that is started again when it dies."""

    start: Callable[[], Child]
    child: Child


class House:
    """Runs from `start` to `stop`, whatever happens between them."""

    def __init__(self, place: Path, options: Options) -> None:
        self.place = place
        self.options = options
        self.told: dict[str, Any] = {}
        self.nodes: dict[str, Node] = {}
        self.proxies: dict[str, Node] = {}
        self.miners: dict[str, Miner] = {}
        self.workers: list[Worker] = []
        self.port = ports.pick()
        self._kept: dict[str, Kept] = {}
        self._chains: list[chains.Node] = []
        self._postgres: postgres.Server | None = None
        self._valkey: valkey.Server | None = None
        self._nursery: Nursery | None = None
        self._database: psycopg.Connection[tuple[Any, ...]] | None = None

    def start(self, tick: Callable[[str], None]) -> None:
        """All of it, until the web server answers; `tick` is told what is going on."""
        home.make(self.place)
        (self.place / "tmp").mkdir()
        tick("chains")
        program = anvil.find_or_fetch(tick=tick)
        for network in NETWORKS:
            node = chains.start(self.place, network, program, durable=False, block_seconds=None)
            self._chains.append(node)
            self.nodes[network] = Node(node.port)
            self._keep(f"{network}-proxy", self._proxy(network, node.port))
        tick("databases")
        self._postgres = postgres.start(self.place)
        self._valkey = valkey.start(self.place)
        tick("tables and wallets")
        # They load the house while its tables are made; nobody asks them for anything yet.
        self._nursery = Nursery(self.place, self.environment())
        self._keep("web", lambda: self._start("web", services.web_line(self.port)))
        self.told = json.loads(self._run("zopay_site.chaos.settle"))
        tick("web and workers")
        self._keep("beat", lambda: self._start("beat", beat_line(self.place)))
        self._start_miners()
        self._nursery.wait()
        self.workers = [self._nursery.bear() for _ in range(WORKERS)]
        self._wait_for_web()

    def stop(self) -> None:
        """End all of it. PostgreSQL last and in good order, since only so it gives back
        the machine's shared memory.
        """
        for miner in self.miners.values():
            miner.stop()
        self.kill_workers()
        for kept in reversed(self._kept.values()):
            kept.child.kill()
        for node in self._chains:
            node.kill()
        if self._valkey is not None:
            self._valkey.kill()
        if self._database is not None:
            self._database.close()
        if self._postgres is not None:
            self._postgres.stop()

    def environment(self, *, is_direct: bool = False) -> dict[str, str]:
        """What the product's programs get; `is_direct` leads past the proxies."""
        if self._postgres is None or self._valkey is None:
            raise AssertionError
        kept = secrets_file.load(self.place)
        doors = self.nodes if is_direct else self.proxies
        return (
            {name: os.environ[name] for name in KEPT if name in os.environ}
            | {name: kept[name] for name in OWN_SECRETS}
            | {
                f"RPC_URL_{network.upper()}": f"http://{ports.LOOPBACK}:{door.port}"
                for network, door in doors.items()
            }
            | {
                # What is killed cannot clear up after itself; the home goes as a whole.
                "TMPDIR": str(self.place / "tmp"),
                "ZOPAY_HOME": str(self.place),
                "ZOPAY_PORT": str(self.port),
                "DATABASE_URL": self._postgres.url,
                "REDIS_URL": self._valkey.url,
                "DJANGO_SETTINGS_MODULE": "zopay_site.chaos.settings",
                "CHAOS_MUTATION": self.options.mutation,
                "PYTHONUNBUFFERED": "1",
            }
        )

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of its database. Raises psycopg.OperationalError while that is away."""
        if self._postgres is None:
            raise AssertionError
        if self._database is None or self._database.closed or self._database.broken:
            self._database = psycopg.connect(
                self._postgres.url, autocommit=True, connect_timeout=5
            )
        return self._database.execute(sql.encode()).fetchall()

    def check_ledger(self) -> list[str]:
        """The names of what does not hold in the books."""
        child = subprocess.run(
            environment.manage("check_ledger", "--json"),
            env=self.environment(),
            cwd=home.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            report = json.loads(child.stdout)
        except ValueError:
            return [f"check_ledger did not run: {child.stderr[-300:]}"]
        return [] if child.returncode == 0 else [json.dumps(report)]

    # --- Faults ----------------------------------------------------------------------

    def tend(self) -> None:
        """Start again whatever has died; a worker that was killed has its place taken."""
        for miner in self.miners.values():
            if miner.error is not None:
                raise Stop(f"A chain has broken: {miner.error}", then=f"see {self.place}/logs")
        for kept in self._kept.values():
            if not kept.child.is_alive:
                kept.child.kill()
                kept.child = kept.start()
        for place, worker in enumerate(self.workers):
            if not worker.is_alive and self._nursery is not None:
                self.workers[place] = self._nursery.bear()

    def kill_web(self) -> None:
        self._kept["web"].child.kill()

    def kill_workers(self) -> None:
        """For good."""
        if self._nursery is not None:
            self._nursery.stop()
            self._nursery = None
        self.workers = []

    def restart_valkey(self) -> None:
        """kill -9, and a start on the same port."""
        if self._valkey is not None:
            self._valkey.kill()
            self._valkey = valkey.start(self.place, port=self._valkey.port)

    def flush_valkey(self) -> None:
        if self._valkey is not None:
            # Loaded by nothing else in this program.
            import redis

            with redis.Redis.from_url(self._valkey.url) as client:
                client.flushall()

    def restart_postgres(self) -> None:
        """Immediate mode: nothing is written in good order, and the next start recovers."""
        if self._postgres is None:
            return
        child = self._postgres.child
        child.popen.send_signal(signal.SIGQUIT)
        deadline = time.monotonic() + READY_SECONDS
        while child.is_alive and time.monotonic() < deadline:
            time.sleep(0.01)
        child.kill()
        while True:
            try:
                self._postgres = postgres.start(self.place, port=self._postgres.port)
            except Stop:
                # A last client may hold its memory for a moment longer.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def disturb(self, rates: dict[str, float]) -> None:
        """Tell the proxies how often to do what; nothing makes them honest."""
        for proxy in self.proxies.values():
            proxy.post(json.dumps({"rates": rates}), path=CONTROL)

    # --- Starting --------------------------------------------------------------------

    def _keep(self, name: str, start: Callable[[], Child]) -> None:
        self._kept[name] = Kept(start, start())

    def _start(self, name: str, line: list[str]) -> Child:
        return children.start(
            name, line, home=self.place, environment=self.environment(), folder=home.ROOT
        )

    def _proxy(self, network: str, upstream: int) -> Callable[[], Child]:
        port = ports.pick()
        self.proxies[network] = Node(port)
        line = [sys.executable, "-m", "zopay_site.chaos.proxy", "--port", str(port)]
        line += ["--upstream", str(upstream), "--seed", str(self.options.seed)]
        return lambda: children.start(
            f"{network}-proxy", line, home=self.place, folder=home.ROOT
        )

    def _start_miners(self) -> None:
        for network, node in self.nodes.items():
            proxy = self.proxies[network]
            self.miners[network] = Miner(
                Node(node.port),
                seen=lambda proxy=proxy: proxy.post("{}", path=CONTROL)["seen"],  # type: ignore[misc]
                seed=f"{network} {self.options.seed}",
            )
            self.miners[network].mine(10)
            self.miners[network].start()

    def _run(self, module: str) -> str:
        """What a program of ours prints. Raises Stop with its last words when it fails."""
        log = self.place / "logs" / f"{module.rpartition('.')[2]}.log"
        with log.open("ab") as complaints:
            child = subprocess.run(
                [sys.executable, "-m", module],
                env=self.environment(is_direct=True),
                cwd=home.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                check=False,
            )
        if child.returncode != 0:
            raise Stop(
                f"The house could not settle in:{say.last_lines(log)}", then=f"see {log}"
            )
        return child.stdout

    def _wait_for_web(self) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                with opener.open(f"http://{ports.LOOPBACK}:{self.port}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        log = self.place / "logs" / "web.log"
        raise Stop(f"The web server does not start:{say.last_lines(log)}", then=f"see {log}")


def beat_line(place: Path) -> list[str]:
    """Beat by itself, as docs/configuration.md says: bin/up's rides on another worker."""
    line = [*services.CELERY, "beat", "--pidfile", ""]
    return [*line, "--schedule", str(place / "celerybeat-schedule")]
