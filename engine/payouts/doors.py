"""How one engine speaks the words of several public APIs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from engine.payouts.states import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.ledger.services import Move
    from engine.payouts.models import Payout


def nothing_more(
    end: Status,  # noqa: ARG001 - a door's follow is told
    payout_ids: Sequence[UUID],  # noqa: ARG001 - as above
) -> list[Move]:
    """What follows for a door that owns nothing but its payouts."""
    return []


def nowhere(payout_id: UUID) -> str:  # noqa: ARG001 - a door's mend_url is asked of one
    """Where a recipient may mend a payout of a door that has no such place."""
    return ""


class Memory(Protocol):
    """What a door keeps of its own about a payout, for the journal and back from it.

    A restored database has forgotten both, and a payout that comes back without what it
    was made for would be paid from the wrong account, or once more.
    """

    def remember(self, payout_ids: Sequence[UUID]) -> dict[UUID, str]:
        """What to write down of each, sealed: the journal is no place for names."""

    def reopen(self, payout_id: UUID, kept: str) -> tuple[int, int]:
        """Bring back what the payout was made for; its available and its held account.

        In the caller's database transaction. Raises CannotRecall and InsufficientFunds.
        """

    def fund(self, payout: Payout, kept: str) -> None:
        """Bring the funds to the available account, now that quote and payout are back.

        Their hold comes next. Raises as `reopen` does.
        """


@dataclass(frozen=True, slots=True)
class Door:
    """One public API: its name, its word for each of our states, its promise.

    `edges` is what that API's documentation lets a client observe; tests/doors/test_words.py
    proves that the engine cannot break it. `accept` is the answer to the request that made
    the payout; it reads `payout`, `payout.quote` and nothing that can change later but
    `promised_at`. `describe` is what a later look shows, and begins with `accept`.
    `announce` words a step for the partner's webhooks: its type and its body, from the
    payout, the moment and the sequence, or None for a step it does not announce; `dialect`
    is how such a message is signed.

    `mend_url` is where the recipient of a failed payout may put right what made it fail,
    "" if nowhere. `has_fees_on_top` says that none of the fee is taken from what was meant
    for her. `follow` is told when payouts of the door have ended, in that very database
    transaction and with their rows locked: it may lock what the door keeps of its own,
    never an account, and returns the further movements that belong to it. `memory` is for
    doors whose payouts are paid neither from a user's holding nor from a partner's float.
    """

    name: str
    words: Mapping[Status, str]
    edges: Mapping[str, frozenset[str]]
    accept: Callable[[Payout], dict[str, Any]]
    describe: Callable[[Payout], dict[str, Any]]
    announce: Callable[[Payout, datetime, int], tuple[str, dict[str, Any]] | None]
    dialect: str
    mend_url: Callable[[UUID], str] = nowhere
    follow: Callable[[Status, Sequence[UUID]], list[Move]] = nothing_more
    has_fees_on_top: bool = False
    memory: Memory | None = None

    def word(self, status: str) -> str:
        return self.words[Status(status)]


@cache
def door_named(name: str) -> Door:
    """The door listed under `name` in settings.PAYOUT_DOORS."""
    door: Door = import_string(settings.PAYOUT_DOORS[name])
    return door
