"""Telling a partner what happened, in the words of the API they came in by.

A message is owed exactly when the public word changes, and is written down in the
transaction of the step itself: no step without its message, no message without its step.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import orjson
from django.conf import settings

from engine.payouts.doors import door_named
from engine.payouts.models import Payout, PayoutEvent, Quote
from engine.payouts.states import Status, starts_of
from engine.webhooks.services import Draft, owe_messages, sequences_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db.models import Model


def _columns(model: type[Model], *, but: str = "") -> str:
    """By name, since what a `*` means changes with the next migration."""
    return ", ".join(str(f.column) for f in model._meta.concrete_fields if f.name != but)


PAYOUTS = f"""
SELECT {_columns(Payout)} FROM payouts_payout
WHERE id = ANY(%s::uuid[]) AND door = ANY(%s::text[]) ORDER BY id
"""  # noqa: S608 - our own names
# All but the answer to the execute, which is long and was given long ago.
QUOTES = f"""
SELECT {_columns(Quote, but="answer")} FROM payouts_quote WHERE id = ANY(%s::uuid[])
"""  # noqa: S608 - as above
EVENTS = f"""
SELECT {_columns(PayoutEvent)} FROM payouts_payoutevent
WHERE payout_id = ANY(%s::uuid[]) ORDER BY payout_id, number
"""  # noqa: S608 - as above


def announce(end: Status, payout_ids: Iterable[UUID]) -> None:
    """Owe a message for the step to `end` of each payout, where its door has a new word.

    Runs in the transaction that took the step, which holds the payouts' locks.
    """
    doors = _with_news(end)
    payouts = _told_of(list(payout_ids), doors) if doors else []
    sequences = sequences_of(payout.public_id for payout in payouts)
    drafts = [
        _draft(payout, sequences.get(payout.public_id, 0) + 1)
        for payout in payouts
        if _has_a_new_word(payout)
    ]
    owe_messages([draft for draft in drafts if draft is not None])


def _told_of(payout_ids: list[UUID], doors: list[str]) -> list[Payout]:
    """The payouts of those doors, each with its quote and its events.

    Three statements whose text is the same for any number of payouts: an IN list of its own
    length would be taken apart and planned each time.
    """
    payouts = list(Payout.objects.raw(PAYOUTS, [payout_ids, doors]))
    if not payouts:
        return []
    quotes = {
        quote.pk: quote
        for quote in Quote.objects.raw(QUOTES, [[payout.quote_id for payout in payouts]])
    }
    events: dict[UUID, list[PayoutEvent]] = defaultdict(list)
    for event in PayoutEvent.objects.raw(EVENTS, [[payout.pk for payout in payouts]]):
        events[event.payout_id].append(event)
    for payout in payouts:
        payout.quote = quotes[payout.quote_id]
        # What prefetch_related would leave there, less a queryset for each payout.
        payout._prefetched_objects_cache = {"events": events[payout.pk]}  # type: ignore[attr-defined]
    return payouts


@cache
def _with_news(end: Status) -> list[str]:
    """The doors that have a word for `end` which a payout may not have had before."""
    doors = [door_named(name) for name in settings.PAYOUT_DOORS]
    return [
        door.name
        for door in doors
        if any(door.word(start) != door.word(end) for start in starts_of(end))
    ]


def _has_a_new_word(payout: Payout) -> bool:
    door = door_named(payout.door)
    before, after = list(payout.events.all())[-2:]
    return door.word(before.status) != door.word(after.status)


def _draft(payout: Payout, sequence: int) -> Draft | None:
    """The message, or None where the door keeps such a step to itself."""
    door = door_named(payout.door)
    step = list(payout.events.all())[-1]
    told = door.announce(payout, step.happened_at, sequence)
    if told is None:
        return None
    type_, body = told
    return Draft(
        partner_id=payout.partner_id,
        livemode=payout.livemode,
        door=door.name,
        dialect=door.dialect,
        type=type_,
        reference=f"payout:{payout.pk.hex}:{step.number}",
        subject=payout.public_id,
        sequence=sequence,
        body=orjson.dumps(body),
    )
