"""Putting files where a bank takes them from, each once, whatever breaks in between.

Below BANK_DIR every account has a folder of its name: files appear in `out`, whole, under
their MsgId, and another program takes them away from there. So a file that is not there
may have been taken, and absence proves nothing. What proves is beside it, on the same disk:

    making/X.xml    the file, whole, not yet put out
    handed/X        written before the file leaves, with the names of its transfers

The file leaves by one rename. While `making` has it, it has not left; once `handed` knows
it and `making` has it no more, it has. `handed` also outlives the database: a restored one
learns from it which files a bank may have had (restore.py).
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from engine.rails.bank.files import content_of
from engine.rails.models import BankDelivery, BankFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from engine.rails.models import BankAccount

logger = structlog.get_logger(__name__)

OUT, MAKING, HANDED, ID, LOCK = "out", "making", "handed", "id", "lock"
BY_FOLDER = "the folder"
FOLDER_MODE, FILE_MODE = 0o750, 0o640
CLAIM = """
UPDATE rails_bankfile SET placed_in = %(folder)s
WHERE id = %(id)s AND handed_at IS NULL AND (placed_in IS NULL OR placed_in = %(folder)s)
RETURNING id
"""


class HandedOver(Exception):
    """The file is on its way already. Its text says how."""


def place_waiting_files(account_ids: Iterable[int]) -> None:
    """Put out every file of these accounts that has not been yet.

    A folder that cannot be written is logged; its files wait. No database transaction.
    """
    waiting = BankFile.objects.filter(
        # One that was begun is ended, whatever was changed about its account since.
        Q(account__delivery=BankDelivery.FOLDER) | Q(placed_in__isnull=False),
        account_id__in=list(account_ids),
        handed_at__isnull=True,
    )
    for file in waiting.select_related("account").order_by("id"):
        try:
            with _alone(folder_of(file.account)) as folder:
                if folder is not None:
                    _place(file, folder)
        except OSError as error:
            logger.warning("bank_folder_away", file=file.message_id, error=repr(error))


def _place(file: BankFile, folder: Path) -> None:
    """Let one file leave for `out`. Every line may be the last one; the next call goes on."""
    making = folder / MAKING / f"{file.message_id}.xml"
    marker = folder / HANDED / file.message_id
    if not marker.exists():
        _write(making, content_of(file))
        if not _claim(file, _folder_id(folder)):
            making.unlink(missing_ok=True)
            return
        mark_handed(file)
    if making.exists():
        making.rename(folder / OUT / making.name)
        _sync(folder / OUT)
        _sync(folder / MAKING)
    _note_handed(file, by=BY_FOLDER)
    logger.info("bank_file_placed", file=file.message_id, account=file.account.name)


def place_again(file: BankFile) -> None:
    """Put the same bytes out once more, because somebody knows that the bank has none.

    Raises OSError, and HandedOver when another worker is at that folder.
    """
    content = content_of(file)
    with _alone(folder_of(file.account)) as folder:
        if folder is None:
            raise HandedOver("A worker is writing into that folder just now.")
        making = folder / MAKING / f"{file.message_id}.xml"
        mark_handed(file)
        _write(making, content)
        making.rename(folder / OUT / making.name)
        _sync(folder / OUT)


def hand_over(file_id: int, *, by: str) -> tuple[bytes, bool]:
    """The file's bytes for a person to take to the bank, and whether she is the first.

    Who was the first is kept for ever. Raises HandedOver for a file that goes by folder.
    """
    file = BankFile.objects.select_related("account").get(pk=file_id)
    content = content_of(file)
    if file.placed_in is not None or file.account.delivery == BankDelivery.FOLDER:
        raise HandedOver("It goes to the bank by its folder.")
    is_unmarked = mark_handed(file)
    is_first = _note_handed(file, by=by, unless_placed=True)
    return content, is_first and is_unmarked


def mark_handed(file: BankFile) -> bool:
    """Write down, outside the database, that a bank may have this file from now on.

    False when that was written before, be it by a house that knew more than this one.
    """
    folder = made(folder_of(file.account))
    marker = folder / HANDED / file.message_id
    if marker.exists():
        return False
    orders = list(file.orders.order_by("id").values_list("end_to_end_id", flat=True))
    note = json.dumps({"digest": bytes(file.digest).hex(), "transfers": orders}).encode()
    making = folder / MAKING / f"{file.message_id}.note"
    _write(making, note)
    making.rename(marker)
    _sync(folder / HANDED)
    return True


def marks_of(account: BankAccount) -> dict[str, dict[str, Any]]:
    """What `handed` knows of an account's files: by MsgId, digest and transfers.

    Raises OSError and ValueError when it cannot be read.
    """
    try:
        marks = sorted((folder_of(account) / HANDED).iterdir())
    except FileNotFoundError:
        return {}
    return {mark.name: json.loads(mark.read_text()) for mark in marks}


def folder_of(account: BankAccount) -> Path:
    """Where an account's files are, below BANK_DIR."""
    home: Path = settings.BANK_DIR
    return home / account.name


def made(folder: Path) -> Path:
    """The same folder, with all that belongs into it."""
    for name in (OUT, MAKING, HANDED):
        (folder / name).mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[Path | None]:
    """The folder, if no other worker is at it; a lock that dies with the worker."""
    lock = os.open(made(folder) / LOCK, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        yield folder if _try_lock(lock) else None
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _folder_id(folder: Path) -> UUID:
    """Which folder this is: another disk with the same path is another folder."""
    path = folder / ID
    if not path.exists():
        _write(folder / MAKING / ID, str(uuid4()).encode())
        (folder / MAKING / ID).rename(path)
        _sync(folder)
    return UUID(path.read_text())


def _claim(file: BankFile, folder_id: UUID) -> bool:
    """Whether the file goes out by this folder, and by no other, and to no person."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(CLAIM, {"id": file.pk, "folder": folder_id})
        return cursor.fetchone() is not None


def _note_handed(file: BankFile, *, by: str, unless_placed: bool = False) -> bool:
    """Note who had it first; whether that was news. Raises HandedOver."""
    with transaction.atomic(durable=True):
        row = BankFile.objects.select_for_update(of=("self",)).get(pk=file.pk)
        if unless_placed and row.placed_in is not None:
            raise HandedOver("It goes to the bank by its folder.")
        if row.handed_at is not None:
            return False
        row.handed_at, row.handed_by = timezone.now(), by
        row.save(update_fields=["handed_at", "handed_by"])
        return True


def _write(path: Path, content: bytes) -> None:
    """The whole of it on the disk, or an OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    try:
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """A new name is safe only when its folder was written as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
