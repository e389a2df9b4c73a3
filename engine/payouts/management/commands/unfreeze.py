"""Let payouts go on after a `freeze`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from engine.payouts.models import Freeze
from engine.rails.errors import NetworkUnknown
from engine.rails.networks import network_named

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Let payouts go on, everywhere or on one network."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", default="", help="only this network")

    def handle(self, *_args: Any, network: str, **_options: Any) -> None:
        try:
            network = network and network_named(network).code
        except NetworkUnknown as refusal:
            raise CommandError(refusal.message) from None
        lifted = Freeze.objects.filter(network=network, lifted_at__isnull=True).update(
            lifted_at=timezone.now()
        )
        name = network or "everything"
        self.stdout.write(f"Lifted: {name}." if lifted else f"No freeze on {name} stood.")
