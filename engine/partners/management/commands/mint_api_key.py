"""Mint an API key from the terminal: for the first one, and for scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from engine.partners.models import ALL_SCOPES, Partner
from engine.partners.services import mint_key

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Mint an API key and print it. It is never shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", required=True, help="name or id")
        parser.add_argument("--mode", required=True, choices=["test", "live"])
        parser.add_argument("--name", default="minted at the terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        key, text = mint_key(
            partner=partner_named(options["partner"]),
            livemode=options["mode"] == "live",
            name=options["name"],
            scopes=ALL_SCOPES,
        )
        told = {
            "key": text,
            "mode": options["mode"],
            "partner_id": str(key.partner_id),
            "partner": key.partner.name,
        }
        self.stdout.write(json.dumps(told) if options["json"] else text)


def partner_named(named: str) -> Partner:
    """Find the partner called `named`, or with that id. Raises CommandError."""
    try:
        return Partner.objects.get(pk=UUID(named))
    except ValueError:
        found = list(Partner.objects.filter(name=named)[:2])
    except Partner.DoesNotExist:
        raise CommandError(f"There is no partner with the id {named}.") from None
    if not found:
        raise CommandError(f"There is no partner named {named}.")
    if len(found) > 1:
        raise CommandError(f"Several partners are named {named}; give the id.")
    return found[0]
