"""Celery's way into the books. Beat calls both; neither carries anything."""

from __future__ import annotations

import structlog
from celery import shared_task

from engine.ledger import checks, rollup

logger = structlog.get_logger(__name__)


@shared_task(name="ledger.roll_up")
def roll_up() -> None:
    """Take the tails of the hot accounts into their balances."""
    rollup.roll_up()


@shared_task(name="ledger.check")
def check() -> None:
    """Log an error for every invariant that is broken.

    Broken books are a finding, not a failure of this task: it never raises for them.
    """
    report = checks.check(checks.listed_invariants())
    for finding in report.findings:
        if not finding.clean:
            logger.error(
                "ledger_broken",
                invariant=finding.invariant.name,
                says=finding.invariant.says,
                rows=list(finding.rows),
            )
