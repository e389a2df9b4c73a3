"""What a rail is: any way of making money arrive somewhere else.

A rail has four verbs, each over a batch, because chains and databases are cheaper so:

    preflight   asks the outside whether each could be sent; changes nothing anywhere
    prepare     takes the slot or the number of each send; touches rows, never the network
    submit      hands it to the outside; the same one twice pays once
    look_up     asks the outside what became of it

The reference that `prepare` chooses is committed before `submit` is called, so whatever
breaks afterwards can be asked about by name. Money is never decided by the outcome of a
`submit`: only a `look_up` tells, and what it does not know stays held.

Each rail's file must show, in its docstring, that the same reference twice pays once.
It is the engine's one assumption about the outside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.rails.errors import RailRejected, RailUnavailable


@dataclass(frozen=True, slots=True)
class Order:
    """What to send: one attempt at one leg of one payout.

    `units` are smallest units of `asset` to arrive at `destination` on `network`.
    `asked_units` are what the user sends: test mode reads from them what shall happen.
    `is_last_leg` is false for every leg of a bridge but the one that arrives.
    `to_network` is where the payout ends, on every leg. `gas` is what `preflight` found
    that the send would use, where that means something.
    """

    payout_id: UUID
    leg: int
    attempt: int
    livemode: bool
    network: str
    asset: str
    units: int
    destination: str
    asked_units: int
    is_last_leg: bool = True
    to_network: str = ""
    gas: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A send that has not touched the network.

    `reference` is already a name that the outside will know it by: the hash of the
    signed bytes, a wallet and its nonce, or the UUID that a provider takes from us.
    `payload` is all that `submit` needs.
    """

    rail: str
    network: str
    reference: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came back from handing one over: evidence, never a decision.

    `accepted` is None when no answer came, so that it may or may not have been taken.
    `is_news` is false where handing it over again has found everything as it was: that is
    not kept, or what waits for hours would fill the evidence.
    """

    reference: str
    accepted: bool | None
    evidence: dict[str, Any] = field(default_factory=dict)
    is_news: bool = True


class Outcome(Enum):
    """What the outside says of one reference."""

    UNKNOWN = "unknown"  # Never seen, or no answer: keep waiting, never release.
    SEEN = "seen"  # A node or a provider has it.
    FINAL = "final"  # Delivered, as deep as the network's policy asks.
    DEAD = "dead"  # Proven never to deliver; `evidence` is the proof.


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at one reference.

    `evidence` is JSON that names what the outside said, without counters, so that it
    changes only when something happened. `seen_at` is the outside's first sight of it;
    `expected_at` the best estimate of finality, None when nobody can tell. The failure
    fields are set when DEAD. `reference` is what to show people, where the outside has a
    better name for it than ours. `cost_units` of `cost_asset` are what the network took
    from the house for it, known when FINAL or DEAD. `needs_person`: waiting will not help.
    `is_patient`: the rail knows by itself for how long unknown is nothing special.
    `look_seconds` is when to look again, 0 as soon as usual.
    """

    outcome: Outcome
    confirmations: int = 0
    confirmations_needed: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)
    seen_at: datetime | None = None
    expected_at: datetime | None = None
    failure_code: str = ""
    failure_message: str = ""
    reference: str = ""
    cost_units: int = 0
    cost_asset: str = ""
    needs_person: bool = False
    is_patient: bool = False
    look_seconds: float = 0


class Rail(Protocol):
    """EVM, Solana, Tron and mobile money each fill in these four verbs.

    Every verb answers in the order of its batch, one answer to one question. Trouble
    with one of them is an answer (RailRejected, RailUnavailable, accepted None,
    Outcome.UNKNOWN) and never raises.
    """

    name: str

    def preflight(
        self, orders: Sequence[Order]
    ) -> list[Order | RailRejected | RailUnavailable]:
        """Each order, perhaps with what was learned about it, or why not to send it.

        Outside any database transaction; changes nothing. RailRejected is for good,
        RailUnavailable for now.
        """

    def prepare(
        self, orders: Sequence[Order]
    ) -> list[Prepared | RailRejected | RailUnavailable]:
        """Name each order, inside the caller's database transaction. No network.

        Rows that it writes stand or fall with that transaction.
        """

    def submit(self, batch: Sequence[Prepared]) -> list[Receipt]:
        """Hand each over, outside any database transaction.

        Handing the same one over again, also at the same time, pays once.
        Raises RailUnavailable when nobody could be asked at all: nothing was sent.
        """

    def look_up(self, batch: Sequence[Prepared]) -> list[Sighting]:
        """Ask what became of each, outside any database transaction.

        Raises RailUnavailable when nobody could be asked at all.
        """


@cache
def rail_named(name: str) -> Rail:
    """The rail listed under `name` in settings.PAYOUT_RAILS. Raises KeyError."""
    rail: Rail = import_string(settings.PAYOUT_RAILS[name])()
    return rail
