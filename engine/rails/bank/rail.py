"""The bank rail: SEPA credit transfers in files, and files in which the bank answers.

Why the same reference twice pays once: a transfer's EndToEndId is computed and kept before
anything is sent; it goes into one file, for ever, which PostgreSQL sees to; that file has
one MsgId, its bytes are kept before anybody can have them, and it is handed over once
(folders.py). Whoever wants it again gets the same bytes, which a bank knows by their MsgId.

    preflight   whether the account can be paid, somebody is named, and one of ours pays
    prepare     keeps what is going to be sent, and which account sends it
    submit      lets it go, makes files that are due, and puts them into their folders
    look_up     what the bank's own files have shown; nobody is asked

Only what a bank wrote ends a transfer: a booked entry of a statement, a rejection, a
return. Silence never does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from engine.rails.bank.files import make_due_files
from engine.rails.bank.folders import in_their_folders, place_waiting_files
from engine.rails.bank.looks import ACCOUNT_IS_OFF, RECALLED, sighting_of
from engine.rails.bank.references import NAME
from engine.rails.bank.restore import BankRestore
from engine.rails.bank.told import tell_arrivals
from engine.rails.bank.transfers import (
    leave_closed_accounts,
    preflight_orders,
    promise,
    release,
    transfers_of,
)
from engine.rails.base import Prepared, Receipt
from engine.rails.models import BankTransfer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.base import Order, Sighting
    from engine.rails.errors import RailRejected, RailUnavailable


class BankRail:
    """See base.Rail for the four verbs."""

    name = NAME
    statement = BankRestore()

    def preflight(
        self, orders: Sequence[Order]
    ) -> list[Order | RailRejected | RailUnavailable]:
        """Ask our own tables; banks cannot be asked."""
        return preflight_orders(orders) if orders else []

    def prepare(
        self, orders: Sequence[Order]
    ) -> list[Prepared | RailRejected | RailUnavailable]:
        """Keep what will be sent, in the caller's database transaction."""
        if not orders:
            return []
        if not transaction.get_connection().in_atomic_block:
            raise RuntimeError("A transfer is kept in the transaction that stores its attempt.")
        return [
            Prepared(NAME, order.network, one.end_to_end_id, one.end_to_end_id.encode())
            if isinstance(one, BankTransfer)
            else one
            for order, one in zip(orders, promise(orders), strict=True)
        ]

    def submit(self, batch: Sequence[Prepared]) -> list[Receipt]:
        """Let these go, make the files that are due, and put out what can be.

        Nothing is let out, made or put out for an account whose folder is not the one that
        it was, since only that one knows what the bank has.
        """
        if not batch:
            return []
        leave_closed_accounts(one.reference for one in batch)
        before = transfers_of(batch)
        was = {reference: _said(row) for reference, row in before.items()}
        accounts = in_their_folders({row.account_id for row in before.values()})
        news = [
            reference
            for reference, row in before.items()
            if row.released_at is None and row.account_id in accounts
        ]
        release(news)
        make_due_files(accounts)
        place_waiting_files(accounts)
        after = transfers_of(batch)
        return [_receipt(one, after.get(one.reference), was) for one in batch]

    def look_up(self, batch: Sequence[Prepared]) -> list[Sighting]:
        """What is known of each, by the last file of the bank's that told anything."""
        if not batch:
            return []
        with transaction.atomic(durable=True):
            tell_arrivals(one.reference for one in batch)
            found = transfers_of(batch)
        return [sighting_of(found.get(one.reference)) for one in batch]


def _receipt(one: Prepared, transfer: BankTransfer | None, was: dict[str, str]) -> Receipt:
    said = _said(transfer)
    file = None if transfer is None else transfer.file
    is_handed = file is not None and file.handed_at is not None
    return Receipt(
        one.reference,
        True if is_handed else None,
        {"said": said},
        is_news=was.get(one.reference) != said,
    )


def _said(transfer: BankTransfer | None) -> str:
    if transfer is None:
        return "no such transfer is kept here"
    if transfer.is_recalled:
        return RECALLED
    if transfer.file is None and not transfer.account.is_enabled:
        return ACCOUNT_IS_OFF
    if transfer.file is None:
        return "waits for the next file" if transfer.released_at else "was not let out yet"
    if transfer.file.handed_at is None:
        return f"is in file {transfer.file.message_id}, which waits to be taken to the bank"
    return f"is in file {transfer.file.message_id}, which the bank may have"
