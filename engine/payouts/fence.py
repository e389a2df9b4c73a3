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
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from engine.payouts import journal
from engine.payouts.doors import door_named
from engine.payouts.models import Break, Fence, Freeze, Journal, Reconciliation
from engine.rails.base import Prepared
from engine.rails.errors import RailUnavailable
from engine.rails.statements import statement_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.payouts.sending import Sent

logger = structlog.get_logger(__name__)

LINES = (Path(__file__).parent / "sql" / "journal_lines.sql").read_text()
# All in one look: whether a fence is up, the number that the table got when it was made,
# which a restore makes anew, and where every journal's row stands.
STANDING = """
SELECT house.is_up, house.made_as, j.id, j.position, j.is_lost
FROM (
    SELECT EXISTS (SELECT FROM payouts_fence WHERE is_up) AS is_up,
           'payouts_fence'::regclass::oid::bigint AS made_as
) house LEFT JOIN payouts_journal j ON true
"""
PUT_UP = """
INSERT INTO payouts_fence (why, is_up, taken_down_by, seconded_by) VALUES (%s, true, '', '')
ON CONFLICT DO NOTHING
"""
# How far a row may be ahead of its files: the batch that a dying worker did not write.
AHEAD_MAX = 1
# What this process has written down lately; asking a rail in vain must not fill the disk.
# By all that names a send: after a restore its number may be another's.
REMEMBERED_MAX = 100_000
_kept: dict[tuple[UUID, str, datetime], None] = {}
# The rails whose outside is not ahead of the database at the other end of a connection.
# Another connection may lead to another database.
_agreed: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
_made_as: dict[int, int] = {}


class NotReconciled(Exception):
    """The fence stays up; the text says what is missing."""


def forget() -> None:
    """Know as little of journals as a new process does."""
    journal.forget()
    _made_as.clear()
    _believe_nothing()


def _believe_nothing() -> None:
    _kept.clear()
    _agreed.clear()


def check(*, sends: bool = True) -> bool:
    """Whether this database is the one that all journals of this host were written for.

    Puts up the fence when it is not. One small query and a look at the size of each
    journal's newest file, ours or not: a worker that was idle since the backup finds her
    own journal in order. `sends` is false for who hands nothing to rails and so may have
    no journal here, such as a web host.
    """
    # In this order: workers go on while we look, raising the row before they write.
    home: Path = settings.JOURNAL_DIR
    counted = {key: journal.last_position(path) for key, path in journal.folders(home)}
    with connection.cursor() as cursor:
        cursor.execute(STANDING)
        standing = cursor.fetchall()
    is_up, made_as = standing[0][:2]
    if _made_as.setdefault(os.getpid(), made_as) != made_as:
        # Restored under our own connection, as pg_restore --clean does.
        _made_as[os.getpid()] = made_as
        _believe_nothing()
    if is_up:
        return False
    rows = {key: (position, is_lost) for _, _, key, position, is_lost in standing if key}
    why = _objection(home, counted, rows, sends=sends)
    if why:
        put_up(why)
    return not why


def _objection(
    home: Path,
    counted: Mapping[UUID, int],
    rows: Mapping[UUID, tuple[int, bool]],
    *,
    sends: bool,
) -> str:
    """Why the database and the journals of this host do not belong together, if so."""
    for key, position in counted.items():
        if key not in rows:
            return f"The database does not know journal {key} of this host."
        booked, is_lost = rows[key]
        if is_lost:
            continue
        if position > booked:
            return f"Journal {key} has counted to {position}, the database to {booked}."
        if booked > position + AHEAD_MAX and _has_lost_its_end(home / str(key), booked):
            return f"The database has counted to {booked}, journal {key} to {position}."
    sent = any(at for at, is_lost in rows.values() if not is_lost)
    # Listed again: another worker of a new host may have begun its journal since.
    if sends and sent and not counted and not journal.folders(home):
        return "Payouts were sent from elsewhere, and this host has no journal."
    return ""


def _has_lost_its_end(folder: Path, booked: int) -> bool:
    """Whether its files still say less than the row, now that who writes it went on.

    A folder without any file says nothing: somebody deleted them all, as old as they were.
    """
    return bool(journal.files(folder)) and booked > journal.last_position(folder) + AHEAD_MAX


def may_have_forgotten() -> bool:
    """Whether this house may be older than what it sent, and waits to be reconciled.

    Whoever may not read the journals, such as a web process under a user of its own, goes
    by what workers have found.
    """
    try:
        return not check(sends=False)
    except OSError:
        return is_up()


def is_up() -> bool:
    """Whether somebody has found that this house is older than what it sent."""
    return Fence.objects.filter(is_up=True).exists()


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
        Freeze.objects.bulk_create(
            [Freeze(network="", reason="restored: run manage.py reconcile")],
            ignore_conflicts=True,
        )
    # What was learnt from another database is worth nothing.
    _believe_nothing()
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
    fresh = _fresh([one.attempt_id for one in free if _name(one) not in _kept])
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
    _remember(_name(one) for one in free if one.attempt_id in fresh)
    return free


def _name(one: Sent) -> tuple[UUID, str, datetime]:
    return one.payout_id, one.prepared.reference, one.created_at


def _on_rails_that_agree(due: Sequence[Sent]) -> list[Sent]:
    """Those on rails whose outside has not sent more for us than we know of.

    Asked once for each rail over each connection to the database, before anything is
    handed over: when the journals are lost together with the database, or lie on another
    host, only the outside can tell.
    """
    connection.ensure_connection()
    agreed = _agreed.setdefault(connection.connection, set())
    for rail in {one.prepared.rail for one in due} - agreed:
        statement = statement_of(rail)
        try:
            why = "" if statement is None else statement.ahead_of_us()
        except RailUnavailable as error:
            logger.warning("rail_unavailable", rail=rail, verb="ahead", error=error.message)
            continue
        if why:
            put_up(why)
            return []
        agreed.add(rail)
    return [one for one in due if one.prepared.rail in agreed]


def _fresh(attempt_ids: Sequence[int]) -> dict[int, str]:
    """The journal lines of those among the attempts that were never handed over, by id."""
    if not attempt_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(LINES, [list(attempt_ids)])
        rows = cursor.fetchall()
    kept = _kept_by_doors({row[5]: row[6] for row in rows})
    lines: dict[int, str] = {}
    for rail in {row[1] for row in rows}:
        of_rail = [row for row in rows if row[1] == rail]
        for row, terms in zip(of_rail, _terms(rail, of_rail), strict=True):
            more = f'"kept": {json.dumps(kept[row[5]])}, ' if row[5] in kept else ""
            lines[row[0]] = f'{{"terms": {terms}, {more}{row[7][1:]}'
    # In the order of the attempts, whatever the rail.
    return dict(sorted(lines.items()))


def _terms(rail: str, rows: Sequence[Any]) -> list[str]:
    """What the rail needs to bring each back, as JSON; its payload when it says nothing."""
    batch = [Prepared(rail, row[2], row[3], bytes(row[4])) for row in rows]
    statement = statement_of(rail)
    if statement is None:
        return [f'{{"payload": "{one.payload.hex()}"}}' for one in batch]
    return [json.dumps(terms) for terms in statement.terms_of(batch)]


def _kept_by_doors(doors: Mapping[UUID, str]) -> dict[UUID, str]:
    """What doors keep of these payouts; nothing of those who keep nothing."""
    kept: dict[UUID, str] = {}
    for name in set(doors.values()):
        memory = door_named(name).memory
        if memory is not None:
            kept |= memory.remember([key for key, door in doors.items() if door == name])
    return kept


def _remember(names: Iterable[tuple[UUID, str, datetime]]) -> None:
    for name in names:
        _kept[name] = None
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
