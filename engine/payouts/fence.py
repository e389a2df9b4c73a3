"""The restore fence: a house whose books are older than what it sent pays nobody.

Nothing is signed or handed over, and nothing new is executed, from the moment a journal
outside the database is found to have counted further than the database remembers, until
`manage.py reconcile` has brought the sends back and two people have said `unfreeze`.
Look-ups go on: only the outside can tell what became of what was sent.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from engine.payouts import journal
from engine.payouts.models import Break, Fence, Freeze, Journal, Reconciliation
from engine.rails.base import Prepared
from engine.rails.errors import RailUnavailable
from engine.rails.statements import statement_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from engine.payouts.sending import Sent

logger = structlog.get_logger(__name__)

LINES = (Path(__file__).parent / "sql" / "journal_lines.sql").read_text()
# Both in one look: whether a fence is up, and where the row of our journal stands.
STANDING = """
SELECT EXISTS (SELECT FROM payouts_fence WHERE is_up),
       (SELECT position FROM payouts_journal WHERE id = %s)
"""
PUT_UP = """
INSERT INTO payouts_fence (why, is_up, taken_down_by, seconded_by) VALUES (%s, true, '', '')
ON CONFLICT DO NOTHING
"""
LEAP = "SELECT setval('rails_depositindex', nextval('rails_depositindex') + %s)"
# More than anybody gives out between two backups, and little of the two thousand million.
DEPOSITS_LEAPT = 1_000_000
# How far a row may be ahead of its files: the batch that a dying worker did not write.
AHEAD_MAX = 1
# What this process has written down lately; asking a rail in vain must not fill the disk.
REMEMBERED_MAX = 100_000
_kept: dict[int, None] = {}
_agreed: set[str] = set()


class NotReconciled(Exception):
    """The fence stays up; the text says what is missing."""


def forget() -> None:
    """Know as little of journals as a new process does."""
    journal.forget()
    _kept.clear()
    _agreed.clear()


def check(*, sends: bool = True) -> bool:
    """Whether this database is the one that all journals of this host were written for.

    Puts up the fence when it is not. One indexed read while all is well. `sends` is false
    for who will never send anything and so may have no journal here, such as a web host.
    """
    ours = journal.writer()
    with connection.cursor() as cursor:
        cursor.execute(STANDING, [None if ours is None else ours.id])
        is_up, position = cursor.fetchone()
    if is_up:
        return False
    if ours is not None and position == ours.position:
        return True
    why = _objection(sends=sends)
    if why:
        put_up(why)
    return not why


def _objection(*, sends: bool) -> str:
    """Why the database and the journals of this host do not belong together, if so."""
    home: Path = settings.JOURNAL_DIR
    # In this order: workers go on while we look, raising the row before they write.
    counted = {key: journal.last_position(path) for key, path in journal.folders(home)}
    rows: dict[UUID, int] = dict(
        Journal.objects.filter(is_lost=False).values_list("id", "position")
    )
    lost = set(Journal.objects.filter(is_lost=True).values_list("id", flat=True))
    counted_since = {key: journal.last_position(path) for key, path in journal.folders(home)}
    for key, position in counted.items():
        if key in lost:
            continue
        if key not in rows:
            return f"The database does not know journal {key} of this host."
        if position > rows[key]:
            return f"Journal {key} has counted to {position}, the database to {rows[key]}."
        if rows[key] > counted_since[key] + AHEAD_MAX:
            return f"The database has counted to {rows[key]}, journal {key} to {position}."
    if sends and not counted and any(rows.values()):
        return "Payouts were sent from elsewhere, and this host has no journal."
    return ""


def check_at_start() -> None:
    """Check for a web process, which starts all the same when nobody can be asked."""
    try:
        check(sends=False)
    except (DatabaseError, OSError) as error:
        logger.warning("restore_fence_unchecked", error=repr(error))
    finally:
        # Opened by whoever starts the threads, and no use to them.
        connection.close()


def put_up(why: str) -> None:
    """Freeze the house until it is reconciled. Once is enough, whoever finds it first."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PUT_UP, [why[:300]])
        if cursor.rowcount:
            # An address that was given out after the backup must not become another's.
            cursor.execute(LEAP, [DEPOSITS_LEAPT])
        Freeze.objects.bulk_create(
            [Freeze(network="", reason="restored: run manage.py reconcile")],
            ignore_conflicts=True,
        )
    logger.critical("restore_fence_is_up", why=why)


def let_out(due: Sequence[Sent]) -> list[Sent]:
    """Those that may be handed to their rails now, each of them in the journal.

    Nothing of a frozen network goes out, not even again: what a rail is handed again it
    may sign again, with a higher fee.
    """
    if not due:
        return []
    frozen = set(
        Freeze.objects.filter(lifted_at__isnull=True).values_list("network", flat=True)
    )
    free = [one for one in due if not frozen & {"", one.from_network, one.to_network}]
    free = _on_rails_that_agree(free)
    fresh = _fresh([one.attempt_id for one in free if one.attempt_id not in _kept])
    if not fresh:
        return free
    try:
        journal.keep(list(fresh.values()))
    except journal.JournalUnavailable as error:
        logger.critical("journal_unavailable", error=str(error), held_back=len(fresh))
        return [one for one in free if one.attempt_id not in fresh]
    except journal.JournalOfAnotherDatabase as error:
        put_up(f"The database was exchanged under a worker: {error}.")
        return []
    _remember(fresh)
    return free


def _on_rails_that_agree(due: Sequence[Sent]) -> list[Sent]:
    """Those on rails whose outside has not sent more for us than we know of.

    Asked once for each rail by each process, before it hands over anything: when the
    journals are lost together with the database, only the outside can tell.
    """
    for rail in {one.prepared.rail for one in due} - _agreed:
        statement = statement_of(rail)
        try:
            why = "" if statement is None else statement.ahead_of_us()
        except RailUnavailable as error:
            logger.warning("rail_unavailable", rail=rail, verb="ahead", error=error.message)
            continue
        if why:
            put_up(why)
            return []
        _agreed.add(rail)
    return [one for one in due if one.prepared.rail in _agreed]


def _fresh(attempt_ids: Sequence[int]) -> dict[int, str]:
    """The journal lines of those among the attempts that were never handed over, by id."""
    if not attempt_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(LINES, [list(attempt_ids)])
        rows = cursor.fetchall()
    lines: dict[int, str] = {}
    for rail in {row[1] for row in rows}:
        of_rail = [row for row in rows if row[1] == rail]
        for (key, *_, line), terms in zip(of_rail, _terms(rail, of_rail), strict=True):
            lines[key] = f'{{"terms": {terms}, {line[1:]}'
    # In the order of the attempts, whatever the rail.
    return dict(sorted(lines.items()))


def _terms(rail: str, rows: Sequence[Any]) -> list[str]:
    """What the rail needs to bring each back, as JSON; its payload when it says nothing."""
    batch = [Prepared(rail, row[2], row[3], bytes(row[4])) for row in rows]
    statement = statement_of(rail)
    if statement is None:
        return [f'{{"payload": "{one.payload.hex()}"}}' for one in batch]
    return [json.dumps(terms) for terms in statement.terms_of(batch)]


def _remember(attempt_ids: Iterable[int]) -> None:
    for key in attempt_ids:
        _kept[key] = None
    while len(_kept) > REMEMBERED_MAX:
        _kept.pop(next(iter(_kept)), None)


def take_down(*, by: str, second: str) -> None:
    """Let the house go on. Raises NotReconciled, and nothing has changed.

    `by` and `second` are the usernames of two different people. Every journal is set to
    where the reconciliation has read it to: from there on the database knows all of it.
    """
    with transaction.atomic():
        fence = Fence.objects.select_for_update().filter(is_up=True).first()
        if fence is None:
            return
        last = Reconciliation.objects.filter(finished_at__gt=fence.put_up_at).first()
        _refuse_unless_clean(last)
        read_to: dict[str, int] = {} if last is None else last.read_to
        for key, position in read_to.items():
            Journal.objects.update_or_create(
                pk=key,
                defaults={"position": position},
                create_defaults={"position": position, "host": os.uname().nodename},
            )
        Freeze.objects.filter(network="", lifted_at__isnull=True).update(lifted_at=Now())
        fence.is_up, fence.taken_down_at = False, Now()
        fence.taken_down_by, fence.seconded_by = by, second
        fence.save()
    logger.warning("restore_fence_is_down", by=by, second=second)


def _refuse_unless_clean(last: Reconciliation | None) -> None:
    if last is None:
        raise NotReconciled("Run manage.py reconcile first: nothing was compared since.")
    left = Break.objects.filter(resolved_at__isnull=True).count()
    if last.open_breaks or left:
        raise NotReconciled(
            f"{max(left, last.open_breaks)} breaks are open: manage.py reconcile lists them."
        )
    unread = [
        f"{row.pk} ({row.host})"
        for row in Journal.objects.filter(is_lost=False, position__gt=0)
        if str(row.pk) not in last.read_to
    ]
    if unread:
        raise NotReconciled(
            "These journals were not read; give their folders to reconcile with --journals,"
            f" or say --lost when they are gone for good: {', '.join(unread)}."
        )
    home: Path = settings.JOURNAL_DIR
    grown = [
        str(key)
        for key, folder in journal.folders(home)
        if journal.last_position(folder) > last.read_to.get(str(key), 0)
    ]
    if grown:
        raise NotReconciled(f"Run reconcile again: {', '.join(grown)} have grown since.")
