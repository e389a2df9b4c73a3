"""Putting files where a bank takes them from, each once, whatever breaks in between.

Below BANK_DIR every account has a folder of its name: files appear in `out`, whole, under
their MsgId, and another program takes them away from there. So a file that is not there
may have been taken, and absence proves nothing. What proves is beside it, on the same disk:

    making/X.xml    the file, whole, not yet put out
    handed/X        written before the file leaves, with the names of its transfers

The file leaves by one rename. While `making` has it, it has not left; once `handed` knows
it and `making` has it no more, it has. `handed` also outlives the database: a restored one
learns from it which files a bank may have had (restore.py). The folder's own `id` is kept
in the database before anything is let out: a folder that is missing, or that is another
one, knows nothing, and nothing leaves by it.
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

from engine.common.secrets import SealBroken
from engine.rails.bank.copies import CopyRefused, note_copy
from engine.rails.bank.files import ContentLost, content_of
from engine.rails.bank.references import NETWORK
from engine.rails.guards import EVERYWHERE, stopped_networks
from engine.rails.models import BankAccount, BankDelivery, BankFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

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
    """The file is not given, or put there, now. Its text says why."""


class TakenBefore(HandedOver):
    """Somebody may have taken it already; once more only for who means a second copy."""


class FolderLost(OSError):
    """An account's folder is not the one that it was. Its text says what to do."""


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
            with _alone(right_folder(file.account)) as folder:
                if folder is not None:
                    _place(file, folder)
        except OSError as error:
            logger.warning("bank_folder_away", file=file.message_id, error=repr(error))
        except (ContentLost, SealBroken) as error:
            # Another worker may have the key; the files of others go on.
            logger.error("bank_file_sealed_here", file=file.message_id, why=str(error))  # noqa: TRY400 - its text says all


def _place(file: BankFile, folder: Path) -> None:
    """Let one file leave for `out`. Every line may be the last one; the next call goes on."""
    making = folder / MAKING / f"{file.message_id}.xml"
    marker = folder / HANDED / file.message_id
    if not marker.exists():
        _write(making, content_of(file))
        if not _claim(file, _folder_id(folder)):
            making.unlink(missing_ok=True)
            return
        _mark(file, folder, by=BY_FOLDER)
    elif not making.exists() and not was_placed(file, json.loads(marker.read_text())):
        # Somebody began to take it, and nothing tells whether she has it.
        logger.warning("bank_file_may_be_taken", file=file.message_id)
        return
    if making.exists():
        making.rename(folder / OUT / making.name)
        _sync(folder / OUT)
        _sync(folder / MAKING)
    _note_handed(file, by=BY_FOLDER)
    logger.info("bank_file_placed", file=file.message_id, account=file.account.name)


def was_placed(file: BankFile, mark: dict[str, Any]) -> bool:
    """Whether a file that is marked and not in `making` has left by the folder."""
    return file.placed_in is not None or mark.get("by") == BY_FOLDER


def place_again(file: BankFile) -> None:
    """Put the same bytes out once more, because somebody knows that the bank has none.

    Raises OSError, and HandedOver when it does not go by the folder, was never put there,
    still lies there, another worker is at that folder, or somebody has frozen the network.
    """
    if not goes_by_folder(file):
        raise HandedOver("It goes to the bank by a person.")
    content = content_of(file)
    with _alone(right_folder(file.account)) as folder:
        if folder is None:
            raise HandedOver("A worker is writing into that folder just now.")
        making = folder / MAKING / f"{file.message_id}.xml"
        if not (folder / HANDED / file.message_id).exists() and file.handed_at is None:
            raise HandedOver("It was not put there yet, and will be.")
        if (folder / OUT / making.name).exists():
            raise HandedOver("It lies there: nobody has taken it yet.")
        with transaction.atomic(durable=True):
            _refuse_if_stopped()
            _note_handed(file, by=BY_FOLDER)
            _note_again(file)
        _mark(file, folder, by=BY_FOLDER)
        _write(making, content)
        making.rename(folder / OUT / making.name)
        _sync(folder / OUT)


def hand_over(file_id: int, *, by: str, is_copy_meant: bool = False) -> tuple[bytes, bool]:
    """The file's bytes for a person to take to the bank, and whether she is the first.

    Who was the first is kept for ever, and whoever is not gets it only where a second copy
    is meant: TakenBefore otherwise, which the folder may know of and the database not.
    Raises HandedOver for a file that goes by folder, and while the network is frozen.
    """
    file = BankFile.objects.select_related("account").get(pk=file_id)
    content = content_of(file)
    if goes_by_folder(file):
        raise HandedOver("It goes to the bank by its folder.")
    folder = right_folder(file.account)
    # Locked until it is noted, so that of two who ask at once one comes second.
    with transaction.atomic(durable=True):
        _refuse_if_stopped()
        row = BankFile.objects.select_for_update().get(pk=file_id)
        if row.placed_in is not None:
            raise HandedOver("It goes to the bank by its folder.")
        is_marked = (folder / HANDED / file.message_id).exists()
        is_first = row.handed_at is None and not is_marked
        if not is_first and not is_copy_meant:
            raise TakenBefore("Somebody has taken it already, or began to.")
        _mark(file, folder, by=by)
        _note_handed(file, by=by)
        if not is_first:
            _note_again(file)
    return content, is_first


def goes_by_folder(file: BankFile) -> bool:
    """Whether the file leaves by its account's folder, and not with a person."""
    return file.placed_in is not None or file.account.delivery == BankDelivery.FOLDER


def is_marked(file: BankFile) -> bool:
    """Whether its folder says that a bank may have the file. Raises OSError."""
    return (folder_of(file.account) / HANDED / file.message_id).exists()


def is_being_made(file: BankFile) -> bool:
    """Whether it is written for the folder, and has not left."""
    return (folder_of(file.account) / MAKING / f"{file.message_id}.xml").exists()


def _refuse_if_stopped() -> None:
    """Hold off whoever freezes until the caller's transaction ends. Raises HandedOver."""
    if {EVERYWHERE, NETWORK} & stopped_networks():
        raise HandedOver("Bank transfers are frozen.")


def mark_handed(file: BankFile, *, by: str = "") -> bool:
    """Write down, outside the database, that a bank may have this file from now on.

    False when that was written before, be it by a house that knew more than this one.
    """
    return _mark(file, right_folder(file.account), by=by)


def _mark(file: BankFile, folder: Path, *, by: str) -> bool:
    marker = folder / HANDED / file.message_id
    if marker.exists():
        return False
    orders = list(file.orders.order_by("id").values_list("end_to_end_id", flat=True))
    said = {"digest": bytes(file.digest).hex(), "transfers": orders, "by": by}
    making = folder / MAKING / f"{file.message_id}.note"
    _write(making, json.dumps(said).encode())
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


def in_their_folders(account_ids: Iterable[int]) -> set[int]:
    """Those of these accounts whose folder is the right one. The others let nothing out."""
    ready = set()
    for account in BankAccount.objects.filter(pk__in=list(account_ids)).order_by("id"):
        try:
            right_folder(account)
        except (OSError, ValueError) as error:
            logger.error("bank_folder_lost", account=account.name, error=repr(error))  # noqa: TRY400 - its text says all
        else:
            ready.add(account.pk)
    return ready


def right_folder(account: BankAccount) -> Path:
    """An account's folder, with all that belongs into it.

    Which one it is is kept the first time that it is asked for. No database transaction.
    Raises FolderLost when it is not that one, and OSError.
    """
    why = what_lost(account)
    if why:
        raise FolderLost(why)
    folder = made(folder_of(account))
    if account.folder_id is None:
        with transaction.atomic(durable=True):
            row = BankAccount.objects.select_for_update().get(pk=account.pk)
            if row.folder_id is None:
                row.folder_id = _folder_id(folder)
                row.save(update_fields=["folder_id"])
        account.folder_id = row.folder_id
        return right_folder(account)
    return folder


def what_lost(account: BankAccount) -> str:
    """Why the account's folder is not the one that it was, and what to do; or nothing.

    Raises OSError and ValueError when nobody can tell.
    """
    if account.folder_id is None:
        return ""
    try:
        found = UUID((folder_of(account) / ID).read_text())
    except FileNotFoundError:
        found = None
    if found == account.folder_id:
        return ""
    how = "is not there" if found is None else "is another one"
    return (
        f"The folder of bank account {account.name} {how}, so nobody knows which files the"
        " bank has. Mount it, or copy it back, below BANK_DIR. If it is gone for good, run"
        " reconcile, explain its break, and run reconcile again."
    )


def adopt_folder(account: BankAccount) -> None:
    """Take what is there now for the account's folder, in the caller's transaction."""
    account.folder_id = _folder_id(made(folder_of(account)))
    account.save(update_fields=["folder_id"])


def made(folder: Path) -> Path:
    """The same folder, with all that belongs into it."""
    for name in (OUT, MAKING, HANDED):
        (folder / name).mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[Path | None]:
    """The folder, if no other worker is at it; a lock that dies with the worker."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, FILE_MODE)
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


def _note_handed(file: BankFile, *, by: str) -> None:
    """Note who had it first, once for ever."""
    BankFile.objects.filter(pk=file.pk, handed_at__isnull=True).update(
        handed_at=timezone.now(), handed_by=by
    )


def _note_again(file: BankFile) -> None:
    """Note, before its bytes leave once more, that the bank may have it twice."""
    try:
        note_copy(file.pk)
    except CopyRefused as refusal:
        raise HandedOver(str(refusal)) from None


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
