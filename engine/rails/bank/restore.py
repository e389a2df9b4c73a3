"""What banks can be asked about us after a restore (statements.Statement): nothing.

But three things lie outside the database. The journal names every transfer that was let
out. The folder `handed` names every file that a bank may have, and what was in it. And the
bank's statements, read in again, say what arrived. A transfer that may be at the bank is
never put into another file: a bank knows a file by its MsgId, and nothing keeps it from
paying the same EndToEndId twice. It waits for a statement, or for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from engine.rails.bank.folders import (
    BY_FOLDER,
    adopt_folder,
    is_being_made,
    marks_of,
    was_placed,
    what_lost,
)
from engine.rails.bank.references import CURRENCY, NETWORK
from engine.rails.bank.transfers import transfers_of
from engine.rails.errors import RailUnavailable
from engine.rails.models import BankAccount, BankFile, BankLostFile, BankTransfer
from engine.rails.statements import CannotRecall, Difference

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from engine.rails.base import Prepared
    from engine.rails.statements import Held

PROMISED = ("payout_id", "leg", "number", "iban", "units", "currency", "remittance")
BEFORE = "a house before the restore"
RETURNED = "it arrived, and came back later"


class BankRestore:
    """See statements.Statement for the questions."""

    def terms_of(self, batch: Sequence[Prepared]) -> list[dict[str, Any]]:
        """All of a transfer but the payee's name, which a journal must not hold."""
        found = transfers_of(batch)
        return [_terms(found[one.reference]) for one in batch]

    def recall(self, *, network: str, reference: str, terms: dict[str, Any]) -> bytes:
        """Write a transfer down again, as one that may be at the bank. Raises CannotRecall."""
        account = BankAccount.objects.filter(name=terms["account"]).first()
        if account is None or network != NETWORK:
            raise CannotRecall(f"Connect the account {terms['account']} again.")
        transfer = BankTransfer(
            end_to_end_id=reference,
            payout_id=UUID(terms["payout_id"]),
            leg=terms["leg"],
            number=terms["number"],
            account=account,
            iban=terms["destination"],
            units=int(terms["units"]),
            currency=terms["asset"],
            remittance=terms["remittance"],
            is_recalled=True,
        )
        known = BankTransfer.objects.filter(end_to_end_id=reference).first()
        if known is None:
            transfer.save(force_insert=True)
        elif any(getattr(known, name) != getattr(transfer, name) for name in PROMISED):
            raise CannotRecall(f"{reference} was promised otherwise.")
        elif known.file_id is None:
            BankTransfer.objects.filter(pk=known.pk).update(is_recalled=True)
        return reference.encode()

    def ahead_of_us(self) -> str:
        """Whether a bank may have a file that the database does not know.

        Raises RailUnavailable when the folders cannot be read.
        """
        lost = set(BankLostFile.objects.values_list("message_id", flat=True))
        for account in BankAccount.objects.all():
            why = _what_lost(account)
            if why:
                return why
            for message_id in _unknown_marks(account).keys() - lost:
                return f"A bank may have file {message_id}, which the database does not know."
        return ""

    def recover(self, *, explained: Collection[str]) -> list[Difference]:
        """Keep what a bank may have from being sent again, and list what nobody explains.

        Raises RailUnavailable.
        """
        differences: list[Difference] = []
        for account in BankAccount.objects.all():
            differences += _go_on_without(account, explained)
            for message_id, mark in _unknown_marks(account).items():
                differences += _hold_back(account, message_id, mark)
            _note_what_was_handed(account)
        differences += [
            Difference(
                "not_on_chain",
                f"pay_{row.payout_id.hex} came back",
                {"reference": row.end_to_end_id, "why": RETURNED},
            )
            for row in BankTransfer.objects.filter(returned_at__isnull=False)
        ]
        return [one for one in differences if one.what not in explained]

    def delivered(self, batch: Sequence[Prepared]) -> list[bool]:
        """Whether a statement that we read shows each, and none that it came back."""
        found = transfers_of(batch)
        rows = [found.get(one.reference) for one in batch]
        return [
            row is not None
            and row.finished_at is not None
            and not row.failure_code
            and row.returned_at is None
            for row in rows
        ]

    def held(self) -> list[Held]:
        """Nothing that the books could be held against: a business account has more on it."""
        return []


def _unknown_marks(account: BankAccount) -> dict[str, dict[str, Any]]:
    """The files that a bank may have and that are not, as they were, in the database."""
    try:
        marks = marks_of(account)
    except (OSError, ValueError) as error:
        raise RailUnavailable(f"The folder of {account.name}: {error!r}") from None
    known = {
        message_id: bytes(digest).hex()
        for message_id, digest in BankFile.objects.filter(account=account).values_list(
            "message_id", "digest"
        )
    }
    return {
        message_id: mark
        for message_id, mark in marks.items()
        if known.get(message_id) != mark.get("digest")
    }


def _what_lost(account: BankAccount) -> str:
    try:
        return what_lost(account)
    except (OSError, ValueError) as error:
        raise RailUnavailable(f"The folder of {account.name}: {error!r}") from None


def _go_on_without(account: BankAccount, explained: Collection[str]) -> list[Difference]:
    """Ask for the folder that is lost; once somebody has said that it is gone, do without.

    Whatever it might have known to be at the bank counts as being there: no transfer that
    is in no file goes into one, and every file counts as taken.
    """
    why = _what_lost(account)
    if not why or account.folder_id is None:
        return []
    what = f"folder {account.folder_id.hex} of {account.name} is lost"
    if what not in explained:
        return [Difference("stranger", what, {"account": account.name, "why": why})]
    try:
        with transaction.atomic():
            BankTransfer.objects.filter(
                account=account, file__isnull=True, finished_at__isnull=True
            ).update(is_recalled=True)
            BankFile.objects.filter(account=account, handed_at__isnull=True).update(
                handed_at=timezone.now(), handed_by=BEFORE
            )
            adopt_folder(account)
    except OSError as error:
        raise RailUnavailable(f"The folder of {account.name}: {error!r}") from None
    return []


def _note_what_was_handed(account: BankAccount) -> None:
    """Let the database know of each of its files that the folder says has left."""
    waiting = BankFile.objects.filter(account=account, handed_at__isnull=True)
    files = list(waiting.select_related("account").defer("content_sealed"))
    marks = marks_of(account) if files else {}
    for file in files:
        if file.message_id in marks and not is_being_made(file):
            by = BY_FOLDER if was_placed(file, marks[file.message_id]) else BEFORE
            waiting.filter(pk=file.pk).update(handed_at=timezone.now(), handed_by=by)


def _hold_back(account: BankAccount, message_id: str, mark: dict[str, Any]) -> list[Difference]:
    """Let what a lost file held go into no other. Nothing to explain where all is known."""
    orders = [str(one) for one in mark.get("transfers", ())]
    with transaction.atomic():
        BankTransfer.objects.filter(
            end_to_end_id__in=orders, file__isnull=True, finished_at__isnull=True
        ).update(is_recalled=True, account=account)
        known = set(
            BankTransfer.objects.filter(end_to_end_id__in=orders).values_list(
                "end_to_end_id", flat=True
            )
        )
        BankLostFile.objects.get_or_create(
            message_id=message_id, defaults={"account": account, "orders": orders}
        )
    return [
        Difference(
            "stranger",
            f"{one} in file {message_id}",
            {"account": account.name, "currency": CURRENCY},
        )
        for one in orders
        if one not in known
    ]


def _terms(transfer: BankTransfer) -> dict[str, Any]:
    return {
        "account": transfer.account.name,
        "payout_id": transfer.payout_id.hex,
        "leg": transfer.leg,
        "number": transfer.number,
        "destination": transfer.iban,
        "asset": transfer.currency,
        "units": str(transfer.units),
        "remittance": transfer.remittance,
    }
