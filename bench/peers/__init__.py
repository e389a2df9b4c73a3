"""Others who keep books behind HTTP, as anybody would install and serve them.

They are installed by their registry's names into an environment of their own, and asked for
one thing each: to move money once. Neither knows quotes, holds or idempotency keys, so the
comparison flatters them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench.house import wait_for
from bench.load import LOOPBACK, drive, request
from bench.samples import Row, measure
from zopay_site.embedded import ports
from zopay_site.embedded.install import VENV
from zopay_site.embedded.say import Stop, step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.house import House

PLACE = VENV / "peers"
PYTHON = PLACE / "bin" / "python"
HORDAK, LOCALSTRIPE = "django-hordak behind DRF", "localstripe"
WANTED = (
    "django-hordak==2.0.0",
    "django~=5.2.19",
    "djangorestframework==3.18.3",
    "psycopg[binary]==3.3.9",
    "granian==2.8.7",
    "localstripe==1.15.10",
)
STAMP = PLACE / "installed.json"
SITE = Path(__file__).parent
DATABASE = "hordak"
FORM = "application/x-www-form-urlencoded"


def measure_peers(house: House, rows: dict[str, Row], *, seconds: float, rounds: int) -> None:
    """Install what is missing, start each, and measure them in turns."""
    with step("Peers") as shown:
        _install()
        shown.note = ", ".join(WANTED[::5])
    asked = {
        HORDAK: (_start_hordak(house), _transfers()),
        LOCALSTRIPE: (_start_localstripe(house), _intents()),
    }
    for number in range(rounds + 1):
        for name, ((port, pid), requests) in asked.items():
            sample = measure(
                partial(drive, port, requests, seconds=seconds),
                postgres=house.postgres_pid,
                web=pid,
            )
            # The first time is for warming up.
            if number:
                rows.setdefault(name, Row(name)).samples.append(sample)


def _install() -> None:
    """An environment of their own: their pins are not ours."""
    if STAMP.exists() and json.loads(STAMP.read_text()) == list(WANTED):
        return
    for line in (
        [sys.executable, "-m", "venv", "--clear", str(PLACE)],
        [str(PYTHON), "-m", "pip", "install", "--quiet", *WANTED],
    ):
        answer = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if answer.returncode != 0:
            raise Stop(
                f"The peers could not be installed: {answer.stderr[-300:]}",
                then="run bin/bench without --peers",
            )
    STAMP.write_text(json.dumps(WANTED))


def _start_hordak(house: House) -> tuple[int, int]:
    """Its own database on our server, its migrations, and granian as it serves us."""
    with house.connect() as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    url = psycopg.conninfo.conninfo_to_dict(house.url)
    given = {
        f"PG{name.upper()}": str(url[name]) for name in ("host", "port", "user", "password")
    }
    house.environment |= given | {"PGDATABASE": DATABASE}
    made = subprocess.run(  # noqa: S603 - our own words
        [str(PYTHON), "hordak_site.py"],
        cwd=SITE,
        env=os.environ | house.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise Stop(f"django-hordak did not start: {made.stderr[-500:]}", then="run it again")
    port = ports.pick()
    line = [str(PYTHON), "-m", "granian", "--interface", "wsgi", "--no-ws", "--host", LOOPBACK]
    line += ["--port", str(port), "--workers", "2", "--blocking-threads", "1"]
    line += ["--working-dir", str(SITE), "--log-level", "warning", "hordak_site:application"]
    child = house.start("hordak", line)
    wait_for(f"http://{LOOPBACK}:{port}/healthz", child)
    return port, child.pid


def _start_localstripe(house: House) -> tuple[int, int]:
    port = ports.pick()
    line = [str(PYTHON), "-m", "localstripe", "--port", str(port), "--from-scratch"]
    child = house.start("localstripe", line)
    wait_for(f"http://{LOOPBACK}:{port}/js.stripe.com/v3/", child)
    return port, child.pid


def _transfers() -> Iterable[bytes]:
    """Between a hundred accounts, as hordak_site.py has made them."""
    return cycle(
        request(
            "POST",
            "/transfers",
            body=json.dumps({"source": n, "target": n % 100 + 1, "amount": "1.00"}).encode(),
        )
        for n in range(1, 101)
    )


def _intents() -> Iterable[bytes]:
    body = b"amount=100&currency=usd"
    return cycle(
        [request("POST", "/v1/payment_intents", key="sk_test_bench", body=body, kind=FORM)]
    )
