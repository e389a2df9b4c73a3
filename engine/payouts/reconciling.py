"""Books against the outside: what was sent, what lies there, and what nobody can explain.

After a restore it first brings back what the journals remember and the books do not. Then,
as on any other day, it compares what counts as delivered, and what the house holds, with
what the outside shows. What differs is a break, a row with an age, until it is gone.

It takes as long as it takes and may be run again at any time; each step stands alone.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DataError, IntegrityError, connection
from django.db.models.functions import Now

from engine.ledger import accounts
from engine.ledger.services import balances
from engine.payouts import journal, sending, watching
from engine.payouts.models import Break, BreakKind, Journal, Reconciliation
from engine.payouts.pricing import price_book
from engine.payouts.recalling import Broken, Line, recall
from engine.rails.base import Prepared
from engine.rails.errors import RailUnavailable
from engine.rails.models import Attempt, AttemptState
from engine.rails.statements import statement_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from engine.rails.statements import Held, Statement

    Say = Callable[[str, int, int], None]

BATCH = 200
MICROS = 1_000_000
# Found afresh by every run, so one that is not found again is gone.
ASKED_OUTSIDE = frozenset({BreakKind.STRANGER, BreakKind.NOT_ON_CHAIN, BreakKind.CUSTODY})
GONE = "gone at a later reconciliation"
# How many of these attempts the outside has told us of.
SEEN_OUTSIDE = """
SELECT count(*) FROM rails_attempt a
WHERE a.id = ANY(%s::bigint[]) AND (a.state <> 'live' OR EXISTS (
    SELECT FROM rails_sendevidence e WHERE e.attempt_id = a.id AND e.kind = 'look_up'
))
"""
# What left custody in the books of one asset and network only when it is final, and on the
# outside already: it may be missing there.
ON_ITS_WAY = """
SELECT coalesce(sum(p.units_received), 0) FROM payouts_payout p
WHERE p.livemode AND p.finished_at IS NULL AND p.to_network = %s AND p.asset = %s
  AND p.status IN ('sending', 'broadcast')
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A difference as this run has found it. `what` names it, the same in every run."""

    kind: BreakKind
    what: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What a run has done and found.

    `matched` sends of the journals stand in the books now; `recreated` payouts had to be
    brought back for it. `seen_outside` of the matched ones have left a trace there.
    `compared` delivered payouts were held against the outside.
    """

    matched: int = 0
    recreated: int = 0
    seen_outside: int = 0
    compared: int = 0
    read_to: dict[str, int] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.breaks

    def as_json(self) -> dict[str, Any]:
        return {
            "clean": self.is_clean,
            "matched": self.matched,
            "recreated": self.recreated,
            "seen_outside": self.seen_outside,
            "compared": self.compared,
            "journals": self.read_to,
            "breaks": [
                {
                    "id": one.pk,
                    "kind": one.kind,
                    "says": one.get_kind_display(),
                    "what": one.what,
                    "detail": one.detail,
                    "first_seen_at": one.first_seen_at.isoformat(),
                    "owner": one.owner,
                }
                for one in self.breaks
            ],
        }


class AlreadyRunning(Exception):
    """Somebody else reconciles just now."""


@contextmanager
def alone() -> Iterator[None]:
    """Let nobody else reconcile meanwhile. Raises AlreadyRunning."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('payouts: reconcile', 0))")
        if not cursor.fetchone()[0]:
            raise AlreadyRunning
        try:
            yield
        finally:
            cursor.execute(
                "SELECT pg_advisory_unlock(hashtextextended('payouts: reconcile', 0))"
            )


def reconcile(*, homes: Sequence[Path], lost: Sequence[UUID] = (), say: Say) -> Report:
    """Bring back what is missing, compare the rest, and keep what differs as breaks.

    `homes` are the folders with journals; those of `lost` are not waited for any more.
    `say` is told what is being done, how much of it, and of how much.
    """
    Journal.objects.filter(pk__in=lost).update(is_lost=True)
    run = Reconciliation.objects.create()
    since = _last_clean()
    report = Report()
    sends = _read(homes, report, say)
    payout_ids = _recall_all(sends, report, say)
    statements = {
        rail: statement for rail in settings.PAYOUT_RAILS if (statement := statement_of(rail))
    }
    answered = True
    for rail, statement in statements.items():
        answered &= _recover(rail, statement, report)
    _look(payout_ids, say)
    _count(sends, report)
    for rail, statement in statements.items():
        answered &= _compare(rail, statement, since, report, say)
    report.breaks = _keep_breaks(report.found, answered=answered)
    run.finished_at, run.read_to = Now(), report.read_to
    run.matched, run.recreated = report.matched, report.recreated
    run.seen_outside, run.open_breaks = report.seen_outside, len(report.breaks)
    run.save()
    return report


def _last_clean() -> datetime | None:
    """When the last run that found everything in order began."""
    return (
        Reconciliation.objects.filter(finished_at__isnull=False, open_breaks=0)
        .values_list("began_at", flat=True)
        .first()
    )


def _read(homes: Sequence[Path], report: Report, say: Say) -> dict[UUID, list[Line]]:
    """What the journals remember beyond what the books have counted, by payout."""
    rows = dict(Journal.objects.values_list("id", "position"))
    sends: dict[UUID, list[Line]] = defaultdict(list)
    found = [one for home in homes for one in journal.folders(home)]
    for number, (key, folder) in enumerate(found, 1):
        say("journals read", number, len(found))
        report.read_to[str(key)] = max(
            journal.last_position(folder), report.read_to.get(str(key), 0)
        )
        for where, row in journal.lines_after(folder, rows.get(key, 0)):
            line = _line(row)
            if line is None:
                report.found.append(Found(BreakKind.JOURNAL_TORN, f"{key} {where}"))
            else:
                sends[line.payout_id].append(line)
    return sends


def _line(row: dict[str, Any] | None) -> Line | None:
    """None for a line that is spoilt, or not in the shape that we write."""
    if row is None:
        return None
    try:
        line = Line(
            row["quote"], row["payout"], row["external_ref"], row["attempt"], row["terms"],
            row.get("kept"),
        )  # fmt: skip
        # By these it is put where it belongs.
        is_placed = all(isinstance(part, int) for part in (*line.place, line.payout_id.int))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return line if is_placed else None


def _recall_all(sends: dict[UUID, list[Line]], report: Report, say: Say) -> list[UUID]:
    # The oldest first, whichever journal it is in: one payment may have had several.
    in_order = sorted(sends.items(), key=lambda send: str(send[1][0].payout.get("created_at")))
    for number, (key, lines) in enumerate(in_order, 1):
        say("payouts matched", number, len(sends))
        try:
            report.recreated += recall(lines)
        except Broken as broken:
            report.found.append(Found(broken.kind, f"pay_{key.hex}", broken.detail))
        except (IntegrityError, DataError, KeyError, TypeError, ValueError) as error:
            # Whatever the tables refuse, and whatever is not in the shape that we write,
            # the other payouts still come back.
            why = {"why": (str(error) or repr(error)).partition("\n")[0]}
            report.found.append(Found(BreakKind.CANNOT_RECALL, f"pay_{key.hex}", why))
    return list(sends)


def _recover(rail: str, statement: Statement, report: Report) -> bool:
    """Hold the rail's own rows against its outside; whether that could be asked."""
    try:
        differences = statement.recover(explained=_explained())
    except RailUnavailable as error:
        report.found.append(Found(BreakKind.OUTSIDE_AWAY, rail, {"why": error.message}))
        return False
    report.found += [Found(BreakKind(one.kind), one.what, one.detail) for one in differences]
    return True


def _explained() -> set[str]:
    """The strangers that somebody has found out about."""
    return set(
        Break.objects.filter(kind=BreakKind.STRANGER, resolved_at__isnull=False)
        .exclude(resolution=GONE)
        .values_list("what", flat=True)
    )


def _look(payout_ids: Sequence[UUID], say: Say) -> None:
    """Ask what became of what was brought back; workers ask on when we are done."""
    for start in range(0, len(payout_ids), BATCH):
        say("payouts looked up", min(start + BATCH, len(payout_ids)), len(payout_ids))
        watching.watch(sending.live_attempts(payout_ids[start : start + BATCH]))


def _count(sends: dict[UUID, list[Line]], report: Report) -> None:
    places = {(key, *line.place) for key, lines in sends.items() for line in lines}
    rows = Attempt.objects.filter(payout_id__in=list(sends))
    standing = {
        (payout_id, leg, number): key
        for key, payout_id, leg, number in rows.values_list("id", "payout_id", "leg", "number")
    }
    matched = [standing[place] for place in places if place in standing]
    report.matched = len(matched)
    with connection.cursor() as cursor:
        cursor.execute(SEEN_OUTSIDE, [matched])
        report.seen_outside = cursor.fetchone()[0]


def _compare(
    rail: str, statement: Statement, since: datetime | None, report: Report, say: Say
) -> bool:
    """Hold what is delivered, and what the house holds, against the outside."""
    try:
        for batch, done, total in _delivered_since(rail, since):
            say("delivered payouts compared", done, total)
            shown = statement.delivered(
                [
                    Prepared(rail, one.network, one.reference, bytes(one.payload))
                    for one in batch
                ]
            )
            report.compared += len(batch)
            report.found += [
                Found(
                    BreakKind.NOT_ON_CHAIN,
                    f"pay_{attempt.payout_id.hex}",
                    {"reference": attempt.reference},
                )
                for attempt, is_shown in zip(batch, shown, strict=True)
                if not is_shown
            ]
        report.found += [gap for held in statement.held() if (gap := _gap(held))]
    except RailUnavailable as error:
        report.found.append(Found(BreakKind.OUTSIDE_AWAY, rail, {"why": error.message}))
        return False
    return True


def _delivered_since(
    rail: str, since: datetime | None
) -> Iterator[tuple[list[Attempt], int, int]]:
    done = Attempt.objects.filter(rail=rail, state=AttemptState.DONE).order_by("id")
    if since is not None:
        done = done.filter(closed_at__gte=since)
    keys = list(done.values_list("id", flat=True))
    for start in range(0, len(keys), BATCH):
        batch = list(done.filter(id__in=keys[start : start + BATCH]))
        yield batch, min(start + BATCH, len(keys)), len(keys)


def _gap(held: Held) -> Found | None:
    """What the books say lies on a network, and does not.

    More than the books say is the house's own: its capital is not in them.
    """
    code = accounts.custody(held.network)
    # Custody is the other side of what customers hold, so it stands below zero.
    booked = -balances(codes=[code], asset=held.asset, livemode=True).get(code, 0)
    with connection.cursor() as cursor:
        cursor.execute(ON_ITS_WAY, [held.network, held.asset])
        on_its_way = int(cursor.fetchone()[0])
    missing = booked - on_its_way - held.units
    if missing <= 0:
        return None
    worth = price_book().worth(asset=held.asset, units=missing)
    if worth <= settings.RECONCILE_TOLERANCE_USD * MICROS:
        return None
    return Found(
        BreakKind.CUSTODY,
        f"{held.asset} on {held.network}",
        {"booked": str(booked), "outside": str(held.units), "missing": str(missing)},
    )


def _keep_breaks(found: Iterable[Found], *, answered: bool) -> list[Break]:
    """Open what is new, keep what is still there, close what is gone. Returns all open."""
    still = set()
    for one in found:
        if _is_explained(one):
            continue
        row, _ = Break.objects.update_or_create(
            kind=one.kind,
            what=one.what[:200],
            resolved_at=None,
            defaults={"last_seen_at": Now(), "detail": one.detail},
        )
        still.add(row.pk)
    gone = Break.objects.filter(resolved_at__isnull=True).exclude(pk__in=still)
    if not answered:
        gone = gone.exclude(kind__in=ASKED_OUTSIDE)
    gone.update(resolved_at=Now(), resolution=GONE)
    return list(Break.objects.filter(resolved_at__isnull=True).order_by("id"))


def _is_explained(one: Found) -> bool:
    """Whether somebody has resolved this very thing. What lies outside changes daily."""
    if one.kind == BreakKind.CUSTODY:
        return False
    return (
        Break.objects.filter(kind=one.kind, what=one.what[:200], resolved_at__isnull=False)
        .exclude(resolution=GONE)
        .exists()
    )
