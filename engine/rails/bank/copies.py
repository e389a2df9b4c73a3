"""Files whose bytes somebody had once more: from then on, the bank may have them twice.

A bank that refuses one copy has said nothing of the other, so no refusal ends such a
transfer (verdicts.py). What a bank has refused already is given to nobody again: its funds
are back, and another copy might be paid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from engine.rails.models import BankFile, BankTransfer

if TYPE_CHECKING:
    from collections.abc import Iterable


class CopyRefused(Exception):
    """The bank has refused what is in the file. Its text says so."""


def note_copy(file_id: int) -> None:
    """Note that the file is given once more, in the caller's transaction.

    That has to be committed before the bytes leave. Raises CopyRefused.
    """
    row = BankFile.objects.select_for_update(of=("self",)).get(pk=file_id)
    if row.orders.exclude(failure_code="").exists():
        raise CopyRefused("The bank has refused what is in it, and its funds are back.")
    if row.given_again_at is None:
        row.given_again_at = timezone.now()
        row.save(update_fields=["given_again_at"])


def may_be_twice(transfer: BankTransfer) -> bool:
    """Whether the bank may have the transfer's file twice."""
    return transfer.file is not None and transfer.file.given_again_at is not None


def hold_files_of(transfers: Iterable[int]) -> None:
    """Let nobody have a file of these once more until the caller's transaction ends."""
    files = BankTransfer.objects.filter(pk__in=transfers, file__isnull=False).values("file_id")
    locked = BankFile.objects.select_for_update(no_key=True).filter(pk__in=files)
    list(locked.order_by("pk").values_list("pk"))
