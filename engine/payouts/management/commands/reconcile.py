"""Hold the books against the journals and the outside, and bring back what they forgot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.timesince import timesince

from engine.payouts import fence, reconciling
from engine.payouts.models import Fence, Journal

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from engine.payouts.reconciling import Report

COLUMNS = "{:>5}  {:<12}  {:<44}  {}"


class Command(BaseCommand):
    help = (
        "Compare the books with the journals and with what chains show, and bring back what "
        "a restored database has forgotten. Nothing is sent. Exits with 0 when no break is "
        "open and with 1 when one is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--journals",
            action="append",
            default=[],
            metavar="FOLDER",
            help="a copy of another host's JOURNAL_DIR; may be given more than once",
        )
        parser.add_argument(
            "--lost",
            action="append",
            default=[],
            metavar="ID",
            help="a journal that is gone for good: what only it knew must be found by hand",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        homes = [settings.JOURNAL_DIR, *map(Path, options["journals"])]
        for home in homes[1:]:
            if not home.is_dir():
                raise CommandError(f"There is no folder {home}.")
        # Whoever runs this before any worker should not find the house open meanwhile.
        fence.check(sends=False)
        lost = [_journal(text) for text in options["lost"]]
        try:
            with reconciling.alone():
                report = reconciling.reconcile(homes=homes, lost=lost, say=self._say)
        except reconciling.AlreadyRunning:
            raise CommandError("Somebody else runs reconcile just now; wait for it.") from None
        if options["json"]:
            body = report.as_json() | {"frozen": Fence.objects.filter(is_up=True).exists()}
            self.stdout.write(json.dumps(body))
        else:
            self._tell(report)
        if not report.is_clean:
            raise SystemExit(1)

    def _say(self, what: str, done: int, total: int) -> None:
        """Progress on standard error: a line that grows in a terminal, one a step in a log."""
        is_terminal = self.stderr.isatty()
        if is_terminal or done == total:
            ending = "\n" if done == total or not is_terminal else "\r"
            self.stderr.write(f"  {what}: {done} of {total}", ending=ending)

    def _tell(self, report: Report) -> None:
        write = self.stdout.write
        write(f"{report.matched} sends of the journals stand in the books.")
        write(f"{report.recreated} payouts had been forgotten and are back.")
        write(f"{report.seen_outside} of those sends were seen outside.")
        write(f"{report.compared} delivered payouts were compared with the outside.")
        if report.is_clean:
            write(self.style.SUCCESS("Nothing differs."))
            if Fence.objects.filter(is_up=True).exists():
                write("Two of your staff may now: unfreeze --by NAME --and NAME")
            return
        write(self.style.ERROR(f"{len(report.breaks)} breaks are open:"))
        write(COLUMNS.format("id", "age", "what", "meaning"))
        for one in report.breaks:
            age = timesince(one.first_seen_at, timezone.now(), depth=1)
            write(COLUMNS.format(one.pk, age, one.what, one.get_kind_display()))
            write(f"{'':21}{json.dumps(one.detail)}")
        write("Run it again when the cause is gone, or: resolve_break ID --by NAME --because …")


def _journal(text: str) -> UUID:
    try:
        return Journal.objects.get(pk=UUID(text)).pk
    except (ValueError, Journal.DoesNotExist):
        raise CommandError(f"There is no journal {text}.") from None
