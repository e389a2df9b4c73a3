"""Make the demo that `bin/up` shows, and print where it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from engine.payouts.demo import FILE_NAME, bootstrap

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Make the demo: partners, funded users, keys, staff. Once; again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the whole demo")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.ZOPAY_DEMO:
            raise CommandError(
                "This is not a demo. Set ZOPAY_DEMO=true on a database that may hold one."
            )
        told = bootstrap()
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write(f"The demo is in {settings.ZOPAY_HOME / FILE_NAME}.")
