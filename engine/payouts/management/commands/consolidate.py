"""Sweep what users paid in from their addresses into a hot wallet."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from engine.common.errors import RequestRefused
from engine.common.units import format_units, parse_amount
from engine.payouts.consolidation import Halted, Round, consolidate, drive
from engine.rails.connections import connected_networks
from engine.rails.errors import RailUnavailable
from engine.rails.networks import asset_named, network_named

if TYPE_CHECKING:
    from argparse import ArgumentParser

POLL_SECONDS_MAX = 15.0
UNDER_WAY = frozenset({"ready", "needs gas", "under way"})


class Command(BaseCommand):
    help = (
        "Sweep deposits into the hot wallet that has least. Safe to stop at any moment and to"
        " run again; what was begun, the workers end as well."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", required=True)
        parser.add_argument("--asset", required=True)
        parser.add_argument(
            "--min", default="10", help="leave addresses with less; gas is not worth it"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what lies where")
        parser.add_argument(
            "--wait-seconds", type=int, default=3600, help="how long to see it through"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            asset, network = asset_named(options["asset"]), network_named(options["network"])
            least = options["min"]
            units_min = 1 if least == "0" else parse_amount(least, scale=asset.scale)
        except RequestRefused as refusal:
            raise CommandError(refusal.message) from None
        if network.code not in connected_networks():
            raise CommandError(f"{network.name} is not connected.")
        terms = {"network": network.code, "asset": asset.code, "units_min": units_min}
        if options["dry_run"]:
            self._say(self._round(**terms, is_dry=True), scale=asset.scale)
            return
        deadline = monotonic() + options["wait_seconds"]
        pause = min(settings.DEPOSIT_WATCH_SECONDS, POLL_SECONDS_MAX)
        said: dict[int, str] = {}
        while True:
            done = self._round(**terms)
            self._say(done, scale=asset.scale, said=said)
            still = self._drive(network.code)
            waiting = [one for one in done.sweeps if one.state in UNDER_WAY]
            if not waiting and not still:
                self.stdout.write("Nothing is left to move.")
                return
            if waiting and not still and all(one.state == "needs gas" for one in waiting):
                raise CommandError("No hot wallet has gas to send, or room for a send.")
            if monotonic() > deadline:
                raise CommandError(f"{still or len(waiting)} still under way; run it again.")
            sleep(pause)

    def _round(self, **terms: Any) -> Round:
        try:
            return consolidate(**terms)
        except (Halted, RailUnavailable) as error:
            raise CommandError(str(error)) from None

    def _drive(self, network: str) -> int:
        try:
            return drive(network)
        except RailUnavailable as error:
            raise CommandError(error.message) from None

    def _say(self, done: Round, *, scale: int, said: dict[int, str] | None = None) -> None:
        """A line for each address that is not as it was said to be."""
        from engine.rails.evm.consolidation import STATES  # It loads web3.

        said = {} if said is None else said
        for one in done.sweeps:
            if said.get(one.key.index) != one.state:
                said[one.key.index] = one.state
                amount = format_units(one.units, scale=scale)
                self.stdout.write(f"{one.key.address} {amount}: {STATES[one.state]}")
