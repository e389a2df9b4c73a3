"""Let another host send: begin its journal."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from engine.payouts import journal


class Command(BaseCommand):
    help = (
        "Begin a journal in JOURNAL_DIR, on a new worker host, before its first worker "
        "starts. Without it a host that has no journal freezes the house: after a disaster "
        "that is what a machine looks like whose disk was lost."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        if journal.folders(settings.JOURNAL_DIR):
            raise CommandError(f"{settings.JOURNAL_DIR} holds a journal already.")
        self.stdout.write(f"Journal {journal.add()} began in {settings.JOURNAL_DIR}.")
