"""A real dump of the tests' database, and a real restore."""

import os
import subprocess
from contextlib import closing

import psycopg
from django.db import connection, connections

from engine.payouts import fence
from engine.payouts.pricing import forget_prices
from zopay_site.embedded import postgres


class Backup:
    """What the database is now, to come back to."""

    def __init__(self, path):
        self.path = path
        self.settings = connection.settings_dict
        self._run("pg_dump", "--format=custom", f"--file={path}", self.settings["NAME"])

    def restore(self):
        """The database as it was; every worker starts anew. The journals stay as they are."""
        name = self.settings["NAME"]
        connections.close_all()
        with closing(psycopg.connect(autocommit=True, **self._server("postgres"))) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            server.execute(f'CREATE DATABASE "{name}"')
        self._run("pg_restore", "--exit-on-error", f"--dbname={name}", str(self.path))
        fence.forget()
        forget_prices()

    def _server(self, name):
        return {
            "host": self.settings["HOST"],
            "port": self.settings["PORT"],
            "user": self.settings["USER"],
            "password": self.settings["PASSWORD"],
            "dbname": name,
        }

    def _run(self, program, *arguments):
        server = self._server("")
        line = [
            postgres.binaries() / program, "--host", server["host"], "--port", str(server["port"]),
            "--username", server["user"], "--no-password", *arguments,
        ]  # fmt: skip
        environment = os.environ | {"PGPASSWORD": server["password"]}
        subprocess.run(line, env=environment, check=True, capture_output=True)
