"""What was sent, written down outside the database before it leaves the house.

A database that was restored from a backup has forgotten every send since. A chain has
not, and would be paid again. So before an attempt is first handed to a rail, one line of
JSON with all that is needed to bring it back goes to a file in JOURNAL_DIR, and the disk
has it (fsync) before the rail does. A whole batch costs one write and one fsync.

A journal is one folder there, named by its id, with a file for each day; one worker at a
time writes it, under a file lock that dies with the worker. Its row in the database counts
the batches: it is raised and committed before the file is written, so the file never
counts further than the row, and falls behind by one when a worker dies in between. A file
that is ahead of its row has outlived its database.

There is no secret in it: ids, amounts, destinations, and what a slot was to say, but
neither keys nor signed bytes. Files may be deleted once they are older than every backup
that might still be restored, but for each journal's newest: `manage.py prune_journals`.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from pathlib import Path

RAISE = "UPDATE payouts_journal SET position = %s WHERE id = %s AND position = %s"
# Where the last write was broken off, by a crash or a full disk: that batch was not sent.
TORN = b'\n{"torn": true}\n'
# The batch at this position was never written, and so was never sent.
CAUGHT_UP = '{"caught_up": true}'
POSITION = re.compile(rb'\{"position": (\d+)')
TAIL_BYTES = 1 << 16
POSITIONS_MAX = 1000


class JournalUnavailable(Exception):
    """The journal cannot be written; nothing may be sent that is not in it."""


class JournalOfAnotherDatabase(Exception):
    """The database does not know how far this journal has counted."""


@dataclass(slots=True)
class Writer:
    """One journal, ours alone while `lock` is open. `position` is that of its row."""

    id: UUID
    folder: Path
    lock: int
    position: int
    file: int = -1
    day: str = ""

    def append(self, lines: Sequence[str], position: int) -> None:
        """Write a batch, and return when the disk has it. Raises OSError, with nothing kept."""
        now = datetime.now(UTC)
        # Should the clock go back, the newest file is still the last one.
        self._open(max(f"{now:%Y-%m-%d}.jsonl", self.day))
        head = f'{{"position": {position}, "written_at": "{now.isoformat()}", '
        batch = "".join(f"{head}{line[1:]}\n" for line in lines).encode()
        size, written = os.fstat(self.file).st_size, 0
        try:
            while written < len(batch):
                written += os.write(self.file, batch[written:])
            os.fsync(self.file)
        except OSError:
            # Whole lines of it may stand there already, and would count ahead of the row,
            # which is lowered only when they are gone.
            self.position = position
            os.ftruncate(self.file, size)
            os.fsync(self.file)
            self.position = position - 1
            raise

    def _open(self, day: str) -> None:
        if self.file >= 0 and day == self.day:
            return
        self.close_file()
        path = self.folder / day
        is_new = not path.exists()
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.day = day
        if is_new:
            _sync_folder(self.folder)
        elif (size := os.fstat(self.file).st_size) and os.pread(
            self.file, 1, size - 1
        ) != b"\n":
            os.write(self.file, TORN)

    def close_file(self) -> None:
        """Let go of the file, so that the next write looks at its end again."""
        if self.file >= 0:
            with suppress(OSError):
                os.close(self.file)
        self.file = -1


_guard = Lock()
_writers: dict[int, Writer] = {}
_positions: dict[Path, tuple[tuple[int, int, int], int | None]] = {}


def writer() -> Writer | None:
    """The journal that this process writes, if it has written any."""
    return _writers.get(os.getpid())


def forget() -> None:
    """Know no journal, as a new process does; another worker may take ours."""
    for one in _writers.values():
        one.close_file()
        with suppress(OSError):
            os.close(one.lock)
    _writers.clear()
    _positions.clear()


def keep(lines: Sequence[str]) -> None:
    """Write these lines down for good; `lines` are JSON objects without a position.

    Raises JournalUnavailable, and JournalOfAnotherDatabase when the row is not where this
    journal left it.
    """
    with _guard:
        ours = writer() or _take()
        try:
            _keep(ours, lines)
        except JournalUnavailable:
            # Nothing was kept, and the row says so.
            raise
        except BaseException:
            # How far the row has got nobody knows, such as when PostgreSQL died before it
            # answered: the journal is taken anew, from its row.
            forget()
            raise


def _keep(ours: Writer, lines: Sequence[str]) -> None:
    position = ours.position + 1
    if not _raise(ours.id, position, was=ours.position):
        raise JournalOfAnotherDatabase(f"journal {ours.id} is not at {position - 1}")
    try:
        ours.append(lines, position)
    except OSError as error:
        ours.close_file()
        if ours.position < position:
            _raise(ours.id, position - 1, was=position)
        raise JournalUnavailable(str(error)) from error
    ours.position = position


def _raise(journal_id: UUID, position: int, *, was: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(RAISE, [position, journal_id, was])
        return bool(cursor.rowcount == 1)


def _take() -> Writer:
    """Take a journal of this host that nobody is writing, or begin one."""
    # A parent's journal stays its own; a child has copies of its descriptors.
    forget()
    try:
        with _locked_home() as home:
            taken = _take_free(home) or begin(home)
    except OSError as error:
        raise JournalUnavailable(str(error)) from error
    _writers[os.getpid()] = taken
    return taken


@contextmanager
def _locked_home() -> Iterator[Path]:
    home: Path = settings.JOURNAL_DIR
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield home
    finally:
        os.close(lock)


def _take_free(home: Path) -> Writer | None:
    for journal_id, folder in folders(home):
        position = _position_in_books(journal_id)
        if position is None:
            continue
        lock = _try_lock(folder)
        if lock is not None:
            newest = max((path.name for path in files(folder)), default="")
            taken = Writer(journal_id, folder, lock, position, day=newest)
            if position > last_position(folder):
                # Whoever raised the row died before she wrote. Said once, so that two such
                # deaths do not add up to a journal that seems to have lost its end.
                taken.append([CAUGHT_UP], position)
            return taken
    return None


def _try_lock(folder: Path) -> int | None:
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _position_in_books(journal_id: UUID) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT position FROM payouts_journal WHERE id = %s AND NOT is_lost", [journal_id]
        )
        row = cursor.fetchone()
        return None if row is None else int(row[0])


def begin(home: Path) -> Writer:
    """Begin a journal: first its row, then its folder, since a folder without a row is
    what a restored database looks like.
    """
    # Here, since whoever only reads journals needs no models.
    from engine.payouts.models import Journal

    row = Journal.objects.create(host=f"{os.uname().nodename}:{home}"[:200])
    folder = home / str(row.pk)
    folder.mkdir(mode=0o700)
    _sync_folder(home)
    lock = _try_lock(folder)
    if lock is None:
        raise BlockingIOError(f"somebody else writes {folder}")
    return Writer(row.pk, folder, lock, 0)


def add() -> UUID:
    """Begin a journal on a host that has none, for `manage.py add_journal`."""
    with _locked_home() as home:
        begun = begin(home)
    os.close(begun.lock)
    return begun.id


def _sync_folder(folder: Path) -> None:
    """A new name is safe only when its folder was written as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folders(home: Path) -> list[tuple[UUID, Path]]:
    """The journals under a folder, by id."""
    found = []
    with suppress(FileNotFoundError):
        for path in sorted(home.iterdir()):
            with suppress(ValueError):
                found.append((UUID(path.name), path))
    return found


def files(folder: Path) -> list[Path]:
    """A journal's files, the oldest first."""
    return sorted(folder.glob("*.jsonl"))


def last_position(folder: Path) -> int:
    """How far the files of a journal have counted; 0 when nothing was written."""
    for path in reversed(files(folder)):
        position = _position_in(path)
        if position is not None:
            return position
    return 0


def _position_in(path: Path) -> int | None:
    """The last position in a file, read again only when the file is not as it was."""
    try:
        stands = path.stat()
        as_it_is = (stands.st_ino, stands.st_size, stands.st_mtime_ns)
        known = _positions.get(path)
        if known is not None and known[0] == as_it_is:
            return known[1]
        position = _read_position(path)
    except FileNotFoundError:
        # Pruned while we looked.
        return None
    if len(_positions) >= POSITIONS_MAX:
        _positions.clear()
    _positions[path] = (as_it_is, position)
    return position


def _read_position(path: Path) -> int | None:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        tail, start = b"", end
        while start > 0:
            step = min(TAIL_BYTES, start)
            start -= step
            file.seek(start)
            tail = file.read(step) + tail
            position = _last_in(tail, is_whole=start == 0)
            if position is not None:
                return position
    return None


def prune(home: Path, *, before: date) -> list[Path]:
    """Delete the files of days before that one, and return which.

    Every journal keeps its newest file, however old: that one says how far it counted.
    """
    gone = []
    for _, folder in folders(home):
        for path in files(folder)[:-1]:
            if path.stem < before.isoformat():
                path.unlink(missing_ok=True)
                gone.append(path)
    return gone


def _last_in(tail: bytes, *, is_whole: bool) -> int | None:
    # The last part follows the last newline: empty, or torn. The first may be half a line.
    lines = tail.split(b"\n")[:-1]
    for line in reversed(lines if is_whole else lines[1:]):
        found = POSITION.match(line)
        if found is not None and line.endswith(b"}"):
            return int(found[1])
    return None


def lines_after(folder: Path, position: int) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """What a journal says beyond `position`: where, and the line; None when it is spoilt.

    A line without an end, and one that was marked as torn, was broken off in the middle:
    its batch was not sent.
    """
    for path in files(folder):
        spoilt = ""
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                where = f"{path.name}:{number}"
                line = _parsed(text)
                if line is not None and spoilt and "torn" not in line:
                    yield spoilt, None
                if line is None:
                    if spoilt:
                        yield spoilt, None
                    spoilt = where if text.endswith(b"\n") else ""
                    continue
                spoilt = ""
                if line.get("position", 0) > position and "caught_up" not in line:
                    yield where, line
        if spoilt:
            yield spoilt, None


def _parsed(text: bytes) -> dict[str, Any] | None:
    if not text.endswith(b"\n"):
        return None
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
