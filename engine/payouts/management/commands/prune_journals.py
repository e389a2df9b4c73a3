"""Delete the old files of journals, and never the one that says how far each has counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from engine.payouts import journal

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Delete journal files in JOURNAL_DIR that are older than so many days. Give more days"
        " than your oldest backup has that might still be restored. Each journal keeps its"
        " newest file, however old."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than-days", type=int, required=True, metavar="N")

    def handle(self, *_args: Any, **options: Any) -> None:
        days = options["older_than_days"]
        if days < 1:
            raise CommandError("--older-than-days is 1 at least: today's files are in use.")
        try:
            before = datetime.now(UTC).date() - timedelta(days=days)
        except OverflowError:
            raise CommandError("Nothing is as old as that.") from None
        gone = journal.prune(settings.JOURNAL_DIR, before=before)
        for path in gone:
            self.stdout.write(str(path))
        self.stdout.write(f"{len(gone)} files are deleted.")
