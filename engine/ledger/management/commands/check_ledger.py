"""Whether the books are true: one line per invariant, and an exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from engine.ledger.checks import check, listed_invariants

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from engine.ledger.checks import Report


class Command(BaseCommand):
    help = (
        "Check every invariant of the books in one snapshot, while payouts go on. "
        "Exits with 0 when all hold and with 1 when one is broken."
    )
    # The books can be checked while the rest of the house does not even start.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = check(listed_invariants())
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json()))
        else:
            self._say(report)
        if not report.clean:
            raise SystemExit(1)

    def _say(self, report: Report) -> None:
        for finding in report.findings:
            word = self.style.SUCCESS("ok    ") if finding.clean else self.style.ERROR("BROKEN")
            self.stdout.write(f"{word}  {finding.invariant.name}: {finding.invariant.says}")
            for row in finding.rows:
                self.stdout.write(f"        {json.dumps(row)}")
