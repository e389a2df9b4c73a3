"""Making files: which transfers go together, when, and that each is in one file for ever.

A file and its transfers are committed together, with its bytes, before anybody can have
them. The account's row is locked meanwhile, so that no two workers make one of the same.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.utils import timezone

from engine.common.secrets import seal, unseal
from engine.rails.bank.payees import names_of
from engine.rails.bank.references import new_message_id
from engine.rails.bank.writing import FileRefused, Line, Payer, get_ready, write_file
from engine.rails.models import BankAccount, BankFile, BankTransfer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

logger = structlog.get_logger(__name__)

TRANSFERS_MAX = 1000
SATURDAY = 5
# What is shown to a person of a transfer as long as it cannot go into any file.
NO_NAME = "nobody's name can be read for it"


class ContentLost(Exception):
    """The bytes that are kept of a file are not those that were made."""


def make_due_files(account_ids: Iterable[int]) -> list[BankFile]:
    """Make a file for each of these accounts whose first waiting transfer waited enough.

    Each commits by itself. An account that another worker is making a file for is skipped.
    """
    waiting = _waiting(account_id__in=list(account_ids)).values_list("account_id", flat=True)
    asked = sorted(set(waiting))
    if asked:
        get_ready()
    made = [_make_file(account_id) for account_id in asked]
    return [file for file in made if file is not None]


def _make_file(account_id: int) -> BankFile | None:
    try:
        with transaction.atomic(durable=True):
            account = (
                BankAccount.objects.select_for_update(skip_locked=True)
                .filter(pk=account_id, is_enabled=True)
                .first()
            )
            now = timezone.now().replace(microsecond=0)
            waiting = [] if account is None else waiting_of(account)
            if account is None or not _is_due(account, waiting, timezone.now()):
                return None
            return _keep_file(account, waiting, now)
    except FileRefused as error:
        # Nothing was kept. Nobody's fault but ours, and no reason to lose the others.
        logger.exception("bank_file_refused", account=account_id, why=str(error))
        return None


def waiting_of(account: BankAccount, *, after: int = 0) -> list[BankTransfer]:
    """What may go into the account's next file, locked, the oldest `after` that id first."""
    locked = _waiting(account_id=account.pk, id__gt=after).select_for_update(of=("self",))
    return list(locked.order_by("id")[:TRANSFERS_MAX])


def _waiting(**where: Any) -> QuerySet[BankTransfer]:
    return BankTransfer.objects.filter(
        file__isnull=True,
        released_at__isnull=False,
        is_recalled=False,
        finished_at__isnull=True,
        why__in=("", NO_NAME),
        **where,
    )


def due_at(account: BankAccount, waiting: Sequence[BankTransfer]) -> datetime:
    """When these are made into a file, unless the file is full before."""
    first = min(one.released_at for one in waiting if one.released_at)
    return first + timedelta(seconds=account.batch_seconds)


def _is_due(account: BankAccount, waiting: Sequence[BankTransfer], now: datetime) -> bool:
    return bool(waiting) and (len(waiting) >= TRANSFERS_MAX or due_at(account, waiting) <= now)


def _named(
    account: BankAccount, waiting: Sequence[BankTransfer]
) -> tuple[list[BankTransfer], dict[UUID, str]]:
    """Those of them that can be written, with others behind them in their place, and names.

    Whose name cannot be opened here now waits: another worker, or this one with another
    key, may open it. It is shown to a person meanwhile, and takes no other's place.
    """
    going: list[BankTransfer] = []
    names: dict[UUID, str] = {}
    nameless: list[int] = []
    page = list(waiting)
    while page:
        names |= names_of(one.payout_id for one in page)
        going += [one for one in page if one.payout_id in names]
        nameless += [one.pk for one in page if one.payout_id not in names]
        is_more = len(page) == TRANSFERS_MAX and len(going) < TRANSFERS_MAX
        page = waiting_of(account, after=page[-1].pk) if is_more else []
    if nameless:
        logger.error("bank_transfers_without_name", transfers=len(nameless))
        BankTransfer.objects.filter(pk__in=nameless, why="").update(why=NO_NAME)
    return going[:TRANSFERS_MAX], names


def _keep_file(
    account: BankAccount, waiting: Sequence[BankTransfer], now: datetime
) -> BankFile | None:
    going, names = _named(account, waiting)
    if not _is_due(account, going, timezone.now()):
        return None
    message_id, executes_on = new_message_id(), execution_day(account, now)
    content = write_file(
        message_id=message_id,
        made_at=now,
        executes_on=executes_on,
        payer=Payer(account.holder, account.iban, account.bic, account.books_singly),
        lines=[
            Line(one.end_to_end_id, one.units, one.iban, names[one.payout_id], one.remittance)
            for one in going
        ],
    )
    file = BankFile.objects.create(
        message_id=message_id,
        account=account,
        content_sealed=seal(_purpose(message_id), content),
        digest=sha256(content).digest(),
        transfers=len(going),
        units=sum(one.units for one in going),
        executes_on=executes_on,
        created_at=now,
    )
    BankTransfer.objects.filter(pk__in=[one.pk for one in going]).update(file=file, why="")
    logger.info("bank_file_made", file=message_id, transfers=len(going))
    return file


def execution_day(account: BankAccount, now: datetime) -> date:
    """The day that the bank is asked to pay: this one until the cut-off, no weekend.

    Where TARGET keeps a holiday the bank takes the next day by itself.
    """
    day = now.date()
    if account.cut_off is not None and now.time() >= account.cut_off:
        day += timedelta(days=1)
    while day.weekday() >= SATURDAY:
        day += timedelta(days=1)
    return day


def content_of(file: BankFile) -> bytes:
    """The very bytes that were made. Raises ContentLost and SealBroken."""
    content = unseal(_purpose(file.message_id), bytes(file.content_sealed))
    if sha256(content).digest() != bytes(file.digest):
        raise ContentLost(f"File {file.message_id} is not what it was when it was made.")
    return content


def _purpose(message_id: str) -> str:
    return f"bank file {message_id}"
