"""Make, or take over, the account whose addresses users pay in at."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.rails.errors import RailUnavailable

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Keep the key of deposit addresses in KEYSTORE_DIR/deposits.json, on the host that"
        " signs, and print what DEPOSIT_XPUB is to be, everywhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--mnemonic",
            action="store_true",
            help="ask for the words of an account that exists (m/44'/60'/0' of them)",
        )

    def handle(self, *_args: Any, mnemonic: bool, **_options: Any) -> None:
        # Here, since it loads 56 MB that no other command of this folder needs.
        from engine.rails import signing

        words = ""
        if mnemonic:
            asked = getpass("Words: ") if sys.stdin.isatty() else sys.stdin.readline()
            words = " ".join(asked.split())
            if not words:
                raise CommandError("There were no words.")
        try:
            xpub = signing.create_deposit_account(words)
        except RailUnavailable as error:
            raise CommandError(error.message) from None
        except ValueError:
            # Without the words, which the error may repeat.
            raise CommandError("These are not the words of a BIP-39 mnemonic.") from None
        self.stdout.write(f"DEPOSIT_XPUB={xpub}")
