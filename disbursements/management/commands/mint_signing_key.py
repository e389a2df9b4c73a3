"""Mint a signing key from the terminal: for the first one, and for scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from disbursements.keys import OriginInvalid, mint_signing_key
from engine.partners.management.commands.mint_api_key import partner_named
from engine.partners.validation import exact_network

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Mint a key that signs disbursements, and print its secret. Never shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", required=True, help="name or id")
        parser.add_argument("--origin", required=True, action="append", help="https://…")
        parser.add_argument("--cidr", default=[], action="append", help="203.0.113.0/24")
        parser.add_argument("--name", default="minted at the terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            key, secret = mint_signing_key(
                partner=partner_named(options["partner"]),
                name=options["name"],
                origins=options["origin"],
                cidrs=[exact_network(text) for text in options["cidr"]],
            )
        except (OriginInvalid, ValidationError) as error:
            raise CommandError(getattr(error, "message", str(error))) from None
        told = {"key": key.key, "secret": secret, "origin": key.origins[0]}
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write("\n".join(f"{name}: {text}" for name, text in told.items()))
