"""What bin/up runs beside the two servers: web, workers and beat, and how to tell they do."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from zopay_site.embedded import children, ports, say
from zopay_site.embedded.home import ROOT
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zopay_site.embedded.children import Child
    from zopay_site.embedded.say import Step
    from zopay_site.embedded.supervisor import Supervisor

READY_SECONDS = 90.0
RECEIVER = "receiver"
CELERY = [sys.executable, "-m", "celery", "--app", "zopay_site.celery:app", "--quiet"]
# One worker has nobody to gossip with, and each of these costs memory or wake-ups.
ALONE = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


def add_all(
    supervisor: Supervisor, *, home: Path, environment: Mapping[str, str], port: int
) -> None:
    """Start workers and web, so that they end as web, workers."""

    def start(name: str, line: list[str]) -> Callable[[], Child]:
        return lambda: children.start(
            name, line, home=home, environment=environment, folder=ROOT
        )

    has_chains = any(name.startswith("RPC_URL_") for name in environment)
    supervisor.add("worker", start("worker", worker_line(has_chains=has_chains)))
    supervisor.add("webhooks", start("webhooks", webhooks_and_beat_line(home)))
    supervisor.add("web", start("web", web_line(port)))


def worker_line(*, has_chains: bool = False) -> list[str]:
    """The worker that moves money, two programs forked off a third."""
    line = [*CELERY, "worker", "--concurrency", "2", "--loglevel", "WARNING", *ALONE]
    # Loaded before it forks, so that both share what the chains' libraries take.
    return [*line, "--include", "engine.rails.evm.rail"] if has_chains else line


def add_receiver(
    supervisor: Supervisor,
    *,
    home: Path,
    environment: Mapping[str, str],
    demo: Mapping[str, Any],
) -> None:
    """Start a receiver for the demo partner's webhooks; logs/receiver.log shows them."""
    webhooks = demo["partners"][0].get("webhooks")
    if not webhooks:
        return
    secrets = ",".join(webhooks[name] for name in ("live_secret", "test_secret"))
    port = str(ports.recall(home, RECEIVER))
    line = [sys.executable, "-m", "zopay_site.embedded.receive", "--port", port]
    ours = {**environment, "WEBHOOK_SECRETS": secrets}
    supervisor.add(
        RECEIVER,
        lambda: children.start(RECEIVER, line, home=home, environment=ours, folder=ROOT),
    )


def receiver_url(home: Path) -> str:
    """Where the demo partner's webhooks go: a port of our own, the same every time."""
    return f"http://{ports.LOOPBACK}:{ports.remembered(home, RECEIVER)}/"


def webhooks_and_beat_line(home: Path) -> list[str]:
    """A worker of its own: a receiver that answers slowly must not hold up money.

    It carries beat, forked off it: alone, beat would load the whole house once more.
    """
    line = [*CELERY, "worker", "--pool", "solo", "--queues", "webhooks", "--beat"]
    line += ["--schedule", str(home / "celerybeat-schedule")]
    return [*line, "--hostname", "webhooks@%h", "--loglevel", "WARNING", *ALONE]


def web_line(port: int) -> list[str]:
    cores = min(os.cpu_count() or 1, 2)
    line = [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"]
    line += ["--host", ports.LOOPBACK, "--port", str(port), "--log-level", "warning"]
    # Two programs with one thread each serve a fifth more than one with many.
    line += ["--workers", str(cores), "--blocking-threads", "1", "--respawn-failed-workers"]
    return [*line, "--workers-kill-timeout", "5", "zopay_site.wsgi:application"]


def wait_until_ready(supervisor: Supervisor, *, home: Path, base: str, step: Step) -> None:
    """Until /readyz says 200; a service that dies meanwhile ends the wait with a sentence."""
    deadline = time.monotonic() + READY_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer = "nothing yet"
    while time.monotonic() < deadline:
        step.tick()
        dead = supervisor.dead()
        if dead is not None:
            log = home / "logs" / f"{dead.name}.log"
            raise Stop(f"{dead.name} did not start:{say.last_lines(log)}", then=f"see {log}")
        try:
            with opener.open(f"{base}/readyz", timeout=10):
                return
        except urllib.error.HTTPError as error:
            answer = f"{error.code} {error.read(300).decode(errors='replace')}"
        except OSError:
            pass
        time.sleep(0.1)
    log = home / "logs" / "web.log"
    raise Stop(f"{base}/readyz is still not content: {answer}", then=f"see {log}")
