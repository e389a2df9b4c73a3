"""Where the house's liquidity is, where the books want it, and what to carry over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.common.errors import ZopayError
from engine.common.units import parse_amount
from engine.payouts import rebalancing
from engine.rails.networks import asset_named, network_named

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "List what the house's own bridges have left lopsided. With --moved, note that an "
        "amount was carried from one network to another; nothing is sent by this."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--moved",
            nargs=5,
            metavar=("AMOUNT", "ASSET", "FROM", "TO", "REFERENCE"),
            help="such as: 250 USDT polygon ethereum 0xab… (the carrier's reference)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["moved"]:
            self._note(*options["moved"])
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "moves": [line.as_json() for line in rebalancing.imbalances()],
                        "networks": [line.as_json() for line in rebalancing.standings()],
                    }
                )
            )
        elif not options["moved"]:
            self._say()

    def _note(self, amount: str, asset: str, start: str, end: str, reference: str) -> None:
        try:
            known = asset_named(asset)
            is_new = rebalancing.note_move(
                asset=known.code,
                from_network=network_named(start).code,
                to_network=network_named(end).code,
                units=parse_amount(amount, scale=known.scale),
                reference=reference,
            )
        except ZopayError as refusal:
            raise CommandError(refusal.message) from None
        except ValueError as refusal:
            raise CommandError(str(refusal)) from None
        self.stderr.write("Noted." if is_new else "It was noted before; nothing changed.")

    def _say(self) -> None:
        lines = rebalancing.imbalances()
        if not lines:
            self.stdout.write("Nothing has crossed by the house's own liquidity yet.")
        for line in lines:
            told = line.as_json()
            self.stdout.write(
                f"{line.advice}  (settled {told['settled']}, in flight {told['in_flight']}, "
                f"carried {told['carried']})"
            )
        for standing in rebalancing.standings():
            told = standing.as_json()
            self.stdout.write(
                f"{standing.asset} on {standing.network}: books say {told['books_say']}, "
                f"wallets hold {told['wallets_hold']}, spare {told['spare']}"
            )
