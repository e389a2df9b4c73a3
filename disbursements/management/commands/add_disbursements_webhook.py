"""Register where a merchant is told of disbursements, signed as X-Zo."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from disbursements.door import DISBURSEMENTS
from engine.common.errors import RequestRefused
from engine.partners.management.commands.mint_api_key import partner_named
from engine.webhooks.services import create_endpoint

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Send payout.completed and payout.failed to an address; prints its secret once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", required=True, help="name or id")
        parser.add_argument("--url", required=True)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            endpoint, secret = create_endpoint(
                partner_id=partner_named(options["partner"]).pk,
                livemode=True,
                url=options["url"],
                dialect=DISBURSEMENTS.dialect,
                description="disbursements",
            )
        except RequestRefused as refusal:
            raise CommandError(refusal.message) from None
        told = {"url": endpoint.url, "secret": secret}
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write("\n".join(f"{name}: {text}" for name, text in told.items()))
