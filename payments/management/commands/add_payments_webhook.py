"""Register where a partner is told of payments that name no webhookUrl of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.common.errors import RequestRefused
from engine.partners.management.commands.mint_api_key import partner_named
from engine.webhooks.services import create_endpoint
from payments.describing import DIALECT

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Send payment.succeeded and payment.failed to an address; prints its secret once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", required=True, help="name or id")
        parser.add_argument("--mode", required=True, choices=["test", "live"])
        parser.add_argument("--url", required=True)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            endpoint, secret = create_endpoint(
                partner_id=partner_named(options["partner"]).pk,
                livemode=options["mode"] == "live",
                url=options["url"],
                dialect=DIALECT,
                description="payments",
            )
        except RequestRefused as refusal:
            raise CommandError(refusal.message) from None
        told = {"url": endpoint.url, "mode": options["mode"], "secret": secret}
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write("\n".join(f"{name}: {text}" for name, text in told.items()))
