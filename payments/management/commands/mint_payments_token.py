"""Mint a token of payments from the terminal: for the first one, and for scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from engine.partners.management.commands.mint_api_key import partner_named
from payments.tokens import mint_token

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Mint a token with the box Payout ticked, and print it. It is never shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", required=True, help="name or id")
        parser.add_argument("--mode", required=True, choices=["test", "live"])
        parser.add_argument(
            "--form", action="store_true", help="tick Payout form too: for a form of your own"
        )
        parser.add_argument("--cidr", default=[], action="append", help="203.0.113.0/24")
        parser.add_argument("--name", default="minted at the terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            token, text = mint_token(
                partner=partner_named(options["partner"]),
                livemode=options["mode"] == "live",
                name=options["name"],
                may_pay_out=True,
                may_fill_forms=options["form"],
                cidrs=options["cidr"],
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        told = {
            "token": text,
            "mode": options["mode"],
            "partner_id": str(token.partner_id),
            "partner": token.partner.name,
        }
        self.stdout.write(json.dumps(told) if options["json"] else text)
