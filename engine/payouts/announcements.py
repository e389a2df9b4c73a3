"""Telling a partner what happened, in the words of the API they came in by.

A message is owed exactly when the public word changes, and is written down in the
transaction of the step itself: no step without its message, no message without its step.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import orjson
from django.conf import settings
from django.db.models import prefetch_related_objects

from engine.payouts.doors import door_named
from engine.payouts.models import Payout
from engine.payouts.states import Status, starts_of
from engine.webhooks.services import Draft, owe_messages, sequences_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


def announce(end: Status, payout_ids: Iterable[UUID]) -> None:
    """Owe a message for the step to `end` of each payout, where its door has a new word.

    Runs in the transaction that took the step, which holds the payouts' locks.
    """
    if not _may_be_news(end):
        return
    payouts = list(
        Payout.objects.filter(pk__in=list(payout_ids)).select_related("quote").order_by("pk")
    )
    prefetch_related_objects(payouts, "events")
    sequences = sequences_of(payout.public_id for payout in payouts)
    drafts = [
        _draft(payout, sequences.get(payout.public_id, 0) + 1)
        for payout in payouts
        if _has_a_new_word(payout)
    ]
    owe_messages([draft for draft in drafts if draft is not None])


@cache
def _may_be_news(end: Status) -> bool:
    """Whether any door has a word for `end` that a payout may not have had before."""
    doors = [door_named(name) for name in settings.PAYOUT_DOORS]
    return any(door.word(start) != door.word(end) for door in doors for start in starts_of(end))


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
