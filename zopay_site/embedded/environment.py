"""The environment that our children run in. Whatever is already set wins."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from zopay_site.embedded import chains, postgres, secrets_file, valkey
from zopay_site.embedded.home import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from zopay_site.embedded.children import Child

SECRETS = ("SECRET_KEY", "KEY_PEPPER", "SIGNING_KEYS", "SEALING_KEYS", "KEYSTORE_PASSWORD")
RPC_URLS = {network: f"RPC_URL_{network.upper()}" for network in chains.LOCAL}
BORROWED = (
    *SECRETS,
    *RPC_URLS.values(),
    "DEVNET_NETWORKS",
    "DEPOSIT_XPUB",
    "DATABASE_URL",
    "REDIS_URL",
    "ZOPAY_HOME",
    "ZOPAY_PORT",
    "ZOPAY_DEMO",
    "ZOPAY_PUBLIC_URL",
    "DJANGO_SETTINGS_MODULE",
)


class Servers:
    """PostgreSQL, Valkey and the local chains of one home; each may be somebody else's."""

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.home = home
        self.durable = durable
        self.postgres: postgres.Server | None = None
        self.valkey: valkey.Server | None = None
        self.chains: dict[str, chains.Node] = {}

    @property
    def needs_postgres(self) -> bool:
        return not os.environ.get("DATABASE_URL")

    @property
    def needs_valkey(self) -> bool:
        return not os.environ.get("REDIS_URL")

    @property
    def needs_chains(self) -> list[str]:
        """The networks whose node the environment does not name."""
        return [name for name, variable in RPC_URLS.items() if not os.environ.get(variable)]

    def start(self) -> None:
        """Start what everything else needs, unless the environment already names it."""
        if self.needs_postgres:
            self.start_postgres()
        if self.needs_valkey:
            self.start_valkey()

    def start_postgres(self) -> Child:
        """Again on the same port when it died: its clients know no other."""
        port = self.postgres.port if self.postgres else None
        self.postgres = postgres.start(self.home, port=port, durable=self.durable)
        return self.postgres.child

    def start_valkey(self) -> Child:
        port = self.valkey.port if self.valkey else None
        self.valkey = valkey.start(self.home, port=port, durable=self.durable)
        return self.valkey.child

    def start_chain(self, network: str, program: Path) -> Child:
        port = self.chains[network].port if network in self.chains else None
        self.chains[network] = chains.start(self.home, network, program, port=port)
        return self.chains[network]

    def stop(self) -> None:
        """End what we started, the database last."""
        for node in self.chains.values():
            node.stop()
        if self.valkey is not None:
            self.valkey.stop()
        if self.postgres is not None:
            self.postgres.stop()


def for_children(servers: Servers, *, web_port: int | None = None) -> dict[str, str]:
    """Our environment, filled up with what settings.py asks for.

    `web_port` None leaves the port, and with it the public address, to settings.py.
    """
    secrets = secrets_file.load(servers.home)
    ours = {name: secrets[name] for name in SECRETS}
    ours["ZOPAY_HOME"] = str(servers.home)
    ours["DJANGO_SETTINGS_MODULE"] = "zopay_site.settings"
    # Log lines must not wait in a buffer for the moment when somebody needs them.
    ours["PYTHONUNBUFFERED"] = "1"
    if servers.postgres is not None:
        ours["DATABASE_URL"] = servers.postgres.url
    if servers.valkey is not None:
        ours["REDIS_URL"] = servers.valkey.url
    ours |= {RPC_URLS[network]: node.url for network, node in servers.chains.items()}
    # Those that we started, which no explorer has heard of, and no other.
    ours["DEVNET_NETWORKS"] = ",".join(servers.chains)
    if servers.chains:
        ours |= deposit_xpub(servers.home)
    if web_port is not None:
        ours["ZOPAY_PORT"] = str(web_port)
        ours["ZOPAY_DEMO"] = "true"
    return _with_ours(ours)


def deposit_xpub(home: Path) -> dict[str, str]:
    """DEPOSIT_XPUB of the account that settle_in.py has made; nothing before it has."""
    try:
        account = json.loads((home / "keystore" / "deposits.json").read_text())
        return {"DEPOSIT_XPUB": str(account["xpub"])}
    except (OSError, ValueError, KeyError):
        return {}


def keep_running(home: Path, environment: dict[str, str]) -> None:
    """Let bin/manage find the servers of this bin/up."""
    kept = {name: environment[name] for name in BORROWED if name in environment}
    secrets_file.write_private(home / "running.json", json.dumps(kept))


def forget_running(home: Path) -> None:
    (home / "running.json").unlink(missing_ok=True)


def running(home: Path) -> dict[str, str] | None:
    """The environment of the bin/up that runs; None before its servers answer."""
    try:
        return _with_ours(json.loads((home / "running.json").read_text()))
    except (OSError, ValueError):
        return None


def _with_ours(ours: dict[str, str]) -> dict[str, str]:
    """What is set already wins, the home apart: children stand elsewhere, so it is absolute."""
    given = {name: value for name, value in os.environ.items() if value}
    return ours | given | {"ZOPAY_HOME": ours["ZOPAY_HOME"]}


def manage(*arguments: str) -> list[str]:
    """The command line of manage.py."""
    return [sys.executable, str(ROOT / "manage.py"), *arguments]
