"""Let payouts go on after a `freeze`, or after a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from engine.payouts import fence
from engine.payouts.management.staff import staff_named
from engine.payouts.models import Fence, Freeze
from engine.payouts.models.guards import place_named
from engine.rails.errors import NetworkUnknown

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Let payouts go on, everywhere or on one network. A house that was frozen because "
        "its database had been restored needs a clean reconcile first, and two people."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", default="", help="only this network")
        parser.add_argument("--by", default="", help="after a restore: your username")
        parser.add_argument(
            "--and", default="", dest="second", help="after a restore: another's username"
        )

    def handle(
        self, *_args: Any, network: str, by: str = "", second: str = "", **_options: Any
    ) -> None:
        try:
            network = network and place_named(network)
        except NetworkUnknown as refusal:
            raise CommandError(refusal.message) from None
        if not network and Fence.objects.filter(is_up=True).exists():
            self._take_down(by, second)
            return
        lifted = Freeze.objects.filter(network=network, lifted_at__isnull=True).update(
            lifted_at=timezone.now()
        )
        name = network or "everything"
        self.stdout.write(f"Lifted: {name}." if lifted else f"No freeze on {name} stood.")

    def _take_down(self, by: str, second: str) -> None:
        if not by or not second:
            raise CommandError(
                "The database was restored, so two people must say so: --by NAME --and NAME."
            )
        by, second = staff_named(by), staff_named(second)
        if by == second:
            raise CommandError("They must be two different people.")
        try:
            fence.take_down(by=by, second=second)
        except fence.NotReconciled as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"The fence is down, by {by} and {second}. Payouts go on.")
