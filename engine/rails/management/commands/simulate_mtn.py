"""Run an operator that behaves like MTN, on this machine."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.rails.mtn_simulator.behaviour import CURRENCIES, Behaviour
from engine.rails.mtn_simulator.server import Server

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Simulate MTN's MoMo Disbursement API on 127.0.0.1: provisioning, transfers, status,"
        " account holders, balance and callbacks. docs/momo.md lists its numbers and faults."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, required=True)
        parser.add_argument(
            "--journal", type=Path, help="a file that API users and transfers are kept in"
        )
        for one in fields(Behaviour):
            flag = f"--{one.name.replace('_', '-')}"
            if one.name == "target_environment":
                parser.add_argument(flag, choices=sorted(CURRENCIES), default=one.default)
            elif isinstance(one.default, bool):
                parser.add_argument(flag, action="store_true")
            else:
                parser.add_argument(flag, type=type(one.default), default=one.default)

    def handle(self, *_args: Any, port: int, journal: Path | None, **options: Any) -> None:
        behaviour = Behaviour(**{one.name: options[one.name] for one in fields(Behaviour)})
        try:
            server = Server(port=port, behaviour=behaviour, journal=journal)
        except OSError as error:
            raise CommandError(f"Port {port} cannot be had: {error.strerror}.") from None
        self.stdout.write(f"MTN is simulated at {server.url}")
        self.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.server_close()
