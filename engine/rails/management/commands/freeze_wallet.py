"""Sign nothing more with a wallet; what was sent before is watched to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.rails.management.wallets_named import add_wallet_arguments, wallet_named
from engine.rails.wallets import freeze_wallets

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Stop a wallet. Starting it again takes two people: unfreeze_wallet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_wallet_arguments(parser)
        parser.add_argument("--reason", required=True, help="what others will read")

    def handle(
        self, *_args: Any, wallet: str, network: str, reason: str, **_options: Any
    ) -> None:
        if not reason.strip():
            raise CommandError("Say why: --reason is what others will read.")
        found = wallet_named(wallet, network=network)
        if freeze_wallets([found.pk], why=reason):
            self.stdout.write(f"Frozen: {found}.")
        else:
            self.stdout.write(f"{found} was frozen already: {found.frozen_why}.")
