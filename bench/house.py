"""Servers of the bench's own, in a folder of its own: the product as production runs it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from zopay_site.embedded import children, environment, home, ports, postgres, say, services
from zopay_site.embedded.environment import BORROWED, Servers
from zopay_site.embedded.home import ROOT
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zopay_site.embedded.children import Child

READY_SECONDS = 60.0
# What a server that is there for this alone would be given; fsync and synchronous_commit
# stay on, as PostgreSQL has them.
POSTGRES = {
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "shared_preload_libraries": "pg_stat_statements",
}
# No caller is held back, nothing is late on purpose, and nothing is a demo.
PRODUCT = {
    "PAYOUT_RAIL": "simulated",
    "RATE_LIMIT_PER_MINUTE": "1000000000",
    "PAGE_RATE_LIMIT_PER_MINUTE": "1000000000",
    "SIMULATED_SEEN_SECONDS": "0",
    "SIMULATED_FINAL_SECONDS": "0",
    "WEBHOOK_ALLOW_LOOPBACK": "true",
}


class House:
    """What runs, and how to talk to it."""

    def __init__(self, place: Path, servers: Servers, port: int) -> None:
        self.place, self.servers, self.port = place, servers, port
        self.children: dict[str, Child] = {}
        self.environment = _environment(servers, port)

    @property
    def postgres_pid(self) -> int:
        assert self.servers.postgres is not None  # noqa: S101 - started before
        return self.servers.postgres.pid

    @property
    def url(self) -> str:
        return self.environment["DATABASE_URL"]

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the bench's own, each statement a commit."""
        return psycopg.connect(self.url, autocommit=True)

    def start(self, name: str, line: Sequence[str]) -> Child:
        """Start a program of the product under that name."""
        child = children.start(
            name,
            line,
            home=self.place,
            environment=self.environment,
            folder=ROOT,
        )
        self.children[name] = child
        return child

    def stop(self, name: str) -> None:
        self.children.pop(name).stop()

    def start_web(self) -> Child:
        """The web server as bin/up and production start it, ready to answer."""
        web = self.start("web", services.web_line(self.port))
        wait_for(f"http://127.0.0.1:{self.port}/healthz", web)
        return web

    @contextmanager
    def workers(self) -> Iterator[dict[str, int]]:
        """The workers and beat, as production runs them; their pids by name."""
        lines = {
            "worker": services.worker_line(),
            "webhooks": services.webhooks_and_beat_line(self.place),
        }
        try:
            yield {name: self.start(name, line).pid for name, line in lines.items()}
        finally:
            for name in lines:
                self.stop(name)


@contextmanager
def opened() -> Iterator[House]:
    """Start PostgreSQL and Valkey, make the tables; end and forget everything afterwards."""
    for name in (*BORROWED, *PRODUCT):
        # What the shell has exported is somebody else's house.
        os.environ.pop(name, None)
    place = home.make(Path(tempfile.mkdtemp(prefix="zopay-bench-")))
    servers = Servers(place)
    house = None
    try:
        servers.postgres = postgres.start(place, settings=POSTGRES)
        servers.start_valkey()
        house = House(place, servers, ports.pick())
        os.environ.update(house.environment)
        _make_tables()
        yield house
    finally:
        if house is not None:
            for name in list(house.children):
                house.stop(name)
        servers.stop()
        # Whatever goes wrong from here on is told elsewhere.
        os.environ.pop("ZOPAY_HOME", None)
        shutil.rmtree(place, ignore_errors=True)


def wait_for(url: str, child: Child) -> None:
    """Until `url` answers; a program that ends meanwhile ends the wait with its last words."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_SECONDS
    while child.is_alive and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    log = child.home / "logs" / f"{child.name}.log"
    raise Stop(f"{child.name} did not start:{say.last_lines(log)}", then="run bin/bench again")


def _environment(servers: Servers, port: int) -> dict[str, str]:
    public = {"ZOPAY_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    return environment.for_children(servers) | PRODUCT | public


def _make_tables() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
