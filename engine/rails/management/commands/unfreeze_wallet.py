"""Let a frozen wallet sign again, on the word of two people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.rails.management.wallets_named import (
    add_wallet_arguments,
    staff_named,
    wallet_named,
)
from engine.rails.wallet_acts import ActRefused, unfreeze

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Let a frozen wallet sign again. Both who say so must be different people on the"
        " staff who may change wallets."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_wallet_arguments(parser)
        parser.add_argument("--by", required=True, help="your username")
        parser.add_argument("--and", required=True, dest="second", help="another's username")

    def handle(
        self, *_args: Any, wallet: str, network: str, by: str, second: str, **_options: Any
    ) -> None:
        found = wallet_named(wallet, network=network)
        try:
            unfreeze(found.pk, by=staff_named(by), second=staff_named(second))
        except ActRefused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"Unfrozen: {found}. It was frozen because: {found.frozen_why}.")
