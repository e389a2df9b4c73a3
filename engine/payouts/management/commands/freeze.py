"""Stop payouts: nothing new is executed and nothing is signed until `unfreeze`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from engine.payouts.models import Freeze
from engine.payouts.models.guards import place_named
from engine.rails.errors import NetworkUnknown

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Stop payouts, everywhere or on one network."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", default="", help="only this network")
        parser.add_argument("--reason", required=True, help="what operators will read")

    def handle(self, *_args: Any, network: str, reason: str, **_options: Any) -> None:
        try:
            network = network and place_named(network)
        except NetworkUnknown as refusal:
            raise CommandError(refusal.message) from None
        try:
            with transaction.atomic():
                Freeze.objects.create(network=network, reason=reason)
        except IntegrityError:
            self.stdout.write(f"{network or 'Everything'} was frozen already.")
            return
        self.stdout.write(f"Frozen: {network or 'everything'}. Lift it with unfreeze.")
