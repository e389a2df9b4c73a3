"""Asking operators what became of sends, and telling it in the engine's words."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import structlog
from django.utils import timezone

from engine.rails.base import Outcome, Sighting
from engine.rails.errors import RailUnavailable
from engine.rails.momo import breaker
from engine.rails.momo.accounts import clients_of
from engine.rails.momo.answers import FAILED, SUCCESSFUL, Verdict, judge
from engine.rails.momo.asking import ask_together
from engine.rails.momo.client import Answer, Client, Silence
from engine.rails.momo.failures import CATALOGUE, UNKNOWN
from engine.rails.momo.pace import take_turns
from engine.rails.momo.sends import POSTS_MAX, note_looks, sends_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.rails.base import Prepared
    from engine.rails.models import MomoSend

    Ask = Callable[[Client], Answer]

logger = structlog.get_logger(__name__)

# Turns further away than this are left to the next sweep.
HORIZON_SECONDS = 5.0


def look_up_sends(batch: Sequence[Prepared]) -> list[Sighting]:
    """One sighting for each, in order. Raises RailUnavailable when nobody answered."""
    found = sends_of(batch)
    now = timezone.now()
    due = sorted(
        (
            send
            for send in found.values()
            if send.posts and not send.finished_at and send.ask_at <= now
        ),
        key=lambda send: send.ask_at,
    )
    answers = ask_about(due)
    if answers:
        silent = [one for one in answers.values() if isinstance(one, Silence)]
        _keep(due, answers)
        if len(silent) == len(answers) == len(found):
            raise RailUnavailable(f"No operator answers: {silent[0].message}.")
        found = sends_of(batch)
    return [_sighting(found.get(one.reference)) for one in batch]


def ask_about(due: Sequence[MomoSend]) -> dict[int, Answer | Silence]:
    """Ask about as many as there are turns for, the longest waiting first."""
    by_account: dict[int, list[MomoSend]] = defaultdict(list)
    questions: dict[int, tuple[Client, Ask]] = {}
    delays: dict[int, float] = {}
    clients = clients_of(send.credentials for send in due)
    due = [send for send in due if send.credentials_id in clients]
    for send in due:
        by_account[send.account_id].append(send)
    for account_id, sends in by_account.items():
        turns = take_turns(
            account_id=account_id, wanted=len(sends), horizon_seconds=HORIZON_SECONDS
        )
        for send, delay in zip(sends, turns, strict=False):
            questions[send.pk] = (clients[send.credentials_id], _status(send))
            delays[send.pk] = delay
    # Threads take them in this order, so that nobody sleeps while a turn passes.
    order = sorted(questions, key=lambda key: delays[key])
    return ask_together({key: questions[key] for key in order}, [delays[key] for key in order])


def _status(send: MomoSend) -> Ask:
    reference = str(send.reference)
    return lambda client: client.status(reference)


def _keep(due: Sequence[MomoSend], answers: dict[int, Answer | Silence]) -> None:
    verdicts: dict[int, Verdict] = {}
    ends: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for send in due:
        answer = answers.get(send.pk)
        if answer is None:
            continue
        verdict = Verdict() if isinstance(answer, Silence) else judge(send, answer)
        verdicts[send.pk] = verdict
        if verdict.needs_person:
            logger.error("momo_needs_person", reference=str(send.reference), said=verdict.said)
        if verdict.end:
            place = (send.account.network, send.account.country)
            ends[place][verdict.is_operators_fault] += 1
    note_looks(verdicts)
    for (network, country), (good, bad) in ends.items():
        breaker.note_ends(network=network, country=country, good=good, bad=bad)


def _sighting(send: MomoSend | None) -> Sighting:
    """What is known of a send, by the last look that told anything."""
    if send is None:
        # A reference that we have no row of cannot be asked about: whose is it?
        return Sighting(Outcome.UNKNOWN, needs_person=True)
    said: dict[str, Any] = send.said or {}
    if send.finished_at and send.failure_code:
        failure = CATALOGUE.get(send.failure_code, UNKNOWN)
        return Sighting(
            Outcome.DEAD,
            confirmations_needed=1,
            evidence={"status": FAILED} | said,
            seen_at=send.seen_at,
            failure_code=failure.code,
            failure_message=failure.partner,
            needs_person=send.needs_person,
        )
    if send.finished_at:
        return Sighting(
            Outcome.FINAL,
            confirmations=1,
            confirmations_needed=1,
            evidence={"status": SUCCESSFUL} | said,
            seen_at=send.seen_at,
        )
    if send.seen_at and not send.needs_person:
        return Sighting(
            Outcome.SEEN, confirmations_needed=1, evidence=said, seen_at=send.seen_at
        )
    is_lost = send.posts >= POSTS_MAX and send.misses > 0
    return Sighting(
        Outcome.UNKNOWN,
        confirmations_needed=1,
        evidence=said,
        seen_at=send.seen_at,
        needs_person=send.needs_person or bool(send.refused) or is_lost,
    )
