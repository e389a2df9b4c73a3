"""What the engine is told of a transfer: what the bank's files have shown of it so far."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from engine.rails.bank.failures import CATALOGUE, UNKNOWN
from engine.rails.bank.files import SATURDAY
from engine.rails.base import Outcome, Sighting

if TYPE_CHECKING:
    from datetime import date

    from engine.rails.models import BankTransfer

# Banks tell in hours. Whoever reads a statement in need not wait longer than this.
LOOK_SECONDS = 20.0
# A SEPA transfer arrives on the working day after, in the course of the day.
ARRIVES_AT = time(18, 0)
RECALLED = "it is known from the journal alone, and may be at the bank already"
ACCOUNT_IS_OFF = "its account is off, and none of ours is on to pay it"
SILENT = "the bank has said nothing of it for too long"


def sighting_of(transfer: BankTransfer | None) -> Sighting:
    """One look at one transfer, by what is known of it now."""
    if transfer is None:
        # A reference that we have no row of cannot be asked about: whose is it?
        return Sighting(Outcome.UNKNOWN, needs_person=True, evidence={"why": "no such row"})
    said: dict[str, Any] = transfer.said or {}
    if transfer.finished_at and transfer.failure_code:
        return _dead(transfer, said)
    if transfer.finished_at:
        return Sighting(
            Outcome.FINAL,
            confirmations=1,
            confirmations_needed=1,
            evidence=said,
            seen_at=transfer.seen_at,
        )
    why = why_person(transfer)
    return Sighting(
        Outcome.UNKNOWN if transfer.seen_at is None else Outcome.SEEN,
        confirmations_needed=1,
        evidence=said | ({"why": why} if why else {}),
        seen_at=transfer.seen_at,
        expected_at=_expected(transfer),
        needs_person=bool(why),
        is_patient=True,
        look_seconds=LOOK_SECONDS,
    )


def why_person(transfer: BankTransfer) -> str:
    """What only a person can decide about it, or nothing."""
    if transfer.finished_at:
        return transfer.why
    if transfer.why:
        return transfer.why
    if transfer.is_recalled:
        return RECALLED
    if transfer.file is None and not transfer.account.is_enabled:
        return ACCOUNT_IS_OFF
    since = transfer.heard_at or (transfer.file and transfer.file.handed_at)
    silent = timedelta(hours=transfer.account.silent_hours)
    return SILENT if timezone.now() - (since or transfer.created_at) > silent else ""


def _dead(transfer: BankTransfer, said: dict[str, Any]) -> Sighting:
    failure = CATALOGUE.get(transfer.failure_code, UNKNOWN)
    return Sighting(
        Outcome.DEAD,
        confirmations_needed=1,
        evidence=said,
        seen_at=transfer.seen_at,
        failure_code=failure.code,
        failure_message=failure.partner,
        needs_person=bool(transfer.why),
    )


def _expected(transfer: BankTransfer) -> datetime | None:
    """The evening of the working day after the bank was asked to pay; once that has
    passed, the next one.
    """
    if transfer.file is None:
        return None
    expected = _evening(_next_working_day(transfer.file.executes_on))
    today = timezone.now()
    while expected < today:
        expected = _evening(_next_working_day(expected.date()))
    return expected


def _next_working_day(day: date) -> date:
    day += timedelta(days=1)
    while day.weekday() >= SATURDAY:
        day += timedelta(days=1)
    return day


def _evening(day: date) -> datetime:
    return datetime.combine(day, ARRIVES_AT, tzinfo=timezone.get_default_timezone())
