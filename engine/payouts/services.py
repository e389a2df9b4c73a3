"""Every way a payout can change.

Each change is one conditional step in one short database transaction: rows are locked in
key order, payouts before accounts, and nobody holds a lock while talking to a rail.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction

from engine.common.ids import public_id
from engine.common.queue import after_commit
from engine.ledger import accounts
from engine.ledger.errors import InsufficientFunds
from engine.ledger.services import Move, move_many
from engine.partners.errors import IdempotencyConflict
from engine.payouts import errors
from engine.payouts.announcements import announce
from engine.payouts.doors import door_named
from engine.payouts.funds import open_system_account
from engine.payouts.models import Payout
from engine.payouts.quotes import parse_quote_id
from engine.payouts.rail_choice import rails_by_network
from engine.payouts.states import FINAL, Status, starts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.common.errors import RequestRefused

SQL = Path(__file__).parent / "sql"
ADVANCE = (SQL / "advance.sql").read_text()
NEXT_LEG = (SQL / "next_leg.sql").read_text()
NOTE_LEG = (SQL / "note_leg.sql").read_text()
RESCHEDULE = (SQL / "reschedule.sql").read_text()
EXECUTE = """
SELECT outcome, answer_status, answer, payout
FROM payouts_execute(%s, %s, %s, %s, %s, %s, make_interval(hours => %s), %s::jsonb, %s)
"""
LOCK = "SELECT FROM payouts_payout WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE"


@dataclass(frozen=True, slots=True)
class Execution:
    """The answer to an execute, byte for byte; `is_replay` when it was given before."""

    status: int
    body: bytes
    is_replay: bool


def execute_quote(
    *,
    quote_id: str,
    partner_id: UUID,
    livemode: bool,
    idempotency_key: str | None = None,
    fingerprint: bytes = b"",
    door: str,
    over_gateways: bool = False,
) -> Execution:
    """Turn a quote into a payout and hold its funds, in one round trip and one commit.

    `door` is the one that made the quote; to any other there is no such quote. Where it
    pays `over_gateways`, a look at our accounts with operators comes before.

    Raises QuoteInvalid, QuoteNotFound, QuoteAlreadyUsed, QuoteExpired, InsufficientFunds,
    LimitReached, DestinationBlocked, PayoutsFrozen or IdempotencyConflict, and then
    nothing has moved.
    """
    parsed = parse_quote_id(quote_id)
    if parsed is None:
        raise errors.QuoteInvalid
    row = _call_execute(
        [
            *parsed,
            partner_id,
            livemode,
            idempotency_key,
            fingerprint,
            settings.IDEMPOTENCY_REPLAY_HOURS,
            json.dumps(rails_by_network(over_gateways=over_gateways)),
            door,
        ]
    )
    execution = execution_of(*row, livemode=livemode)
    if not execution.is_replay:
        after_commit("payouts.drain")
    return execution


def execution_of(
    outcome: str, status: int, body: Any, payout_id: UUID, *, livemode: bool
) -> Execution:
    """What payouts_execute() says. Raises the refusal that it may be."""
    match outcome:
        case "executed":
            return Execution(status, bytes(body), is_replay=False)
        case "replayed":
            return Execution(status, bytes(body), is_replay=True)
        case "quote_already_used" if not livemode:
            return Execution(201, bytes(body), is_replay=True)
    raise refusal_of(outcome, payout_id)


def _call_execute(arguments: list[Any]) -> tuple[str, int, Any, UUID]:
    with connection.cursor() as cursor:
        cursor.execute(EXECUTE, arguments)
        row: tuple[str, int, Any, UUID] = cursor.fetchone()
        return row


def refusal_of(outcome: str, payout_id: UUID) -> RequestRefused:
    """What an outcome of payouts_execute() but success is called."""
    if outcome == "quote_already_used":
        return errors.QuoteAlreadyUsed(payout_id=public_id("pay", payout_id))
    if outcome == "route_unavailable":
        return errors.RouteUnavailable("Nothing of ours reaches that network right now.")
    refusals: dict[str, type[RequestRefused]] = {
        "quote_invalid": errors.QuoteInvalid,
        "quote_not_found": errors.QuoteNotFound,
        "quote_expired": errors.QuoteExpired,
        "payouts_frozen": errors.PayoutsFrozen,
        "destination_blocked": errors.DestinationBlocked,
        "limit_reached": errors.LimitReached,
        "insufficient_funds": InsufficientFunds,
        "idempotency_conflict": IdempotencyConflict,
    }
    return refusals[outcome]()  # type: ignore[call-arg] # each leaf words itself


@dataclass(frozen=True, slots=True)
class Step:
    """One payout's next step, as the rail's evidence asks for it.

    `network` and `reference` are what the outside calls it; `estimate` the new delivery
    time, None to keep the old one; `due_seconds` when to look again. `waiting_for` says
    why nothing has been sent yet; `confirmations` of `confirmations_needed` how deep the
    leg is.
    """

    payout_id: UUID
    network: str = ""
    reference: str = ""
    failure_code: str = ""
    estimate: datetime | None = None
    due_seconds: float = 1.0
    needs_review: bool = False
    waiting_for: str = ""
    confirmations: int = 0
    confirmations_needed: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """A payout that took its step, with what the books need to follow."""

    payout_id: UUID
    asset: str
    livemode: bool
    from_network: str
    to_network: str
    units_sent: int
    units_received: int
    available_account_id: int
    held_account_id: int
    door: str

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Moved:
        key, asset, livemode, source, target, sent, received, *rest = row
        return cls(key, asset, livemode, source, target, int(sent), int(received), *rest)

    @property
    def is_bridged(self) -> bool:
        return self.from_network != self.to_network


def advance(end: Status, steps: Sequence[Step]) -> list[Moved]:
    """Move payouts along one edge, with the movements and messages that go with it.

    Payouts that are no longer at a start of that edge are left as they are and not
    returned: another worker got further. Runs in the caller's transaction or its own.
    """
    if not steps:
        return []
    with transaction.atomic():
        moved = _advance_rows(end, steps)
        if end in FINAL:
            # What doors lock of their own comes before accounts.
            following = _what_follows(end, moved)
            ended = (
                _settlement(moved)
                if end == Status.DELIVERED
                else [_release(payout) for payout in moved]
            )
            move_many([*ended, *following])
        announce(end, [payout.payout_id for payout in moved])
    return moved


def _advance_rows(end: Status, steps: Sequence[Step]) -> list[Moved]:
    with connection.cursor() as cursor:
        cursor.execute(
            ADVANCE,
            {
                "end": end.value,
                "is_final": end in FINAL,
                "starts": sorted(start.value for start in starts_of(end)),
                "ids": [step.payout_id for step in steps],
                "networks": [step.network for step in steps],
                "references": [step.reference for step in steps],
                "failure_codes": [step.failure_code for step in steps],
                "estimates": [step.estimate for step in steps],
                "dues": [step.due_seconds for step in steps],
                "confirmations": [step.confirmations for step in steps],
                "needed": [step.confirmations_needed for step in steps],
                "reviews": [step.needs_review for step in steps],
            },
        )
        return [Moved.from_row(row) for row in cursor.fetchall()]


def cancel(payout_id: UUID) -> bool:
    """Give up a payout that no rail was asked for yet, and release its hold.

    False when it is too late: from `sending` on only a look-up can tell what became of it.
    """
    return bool(advance(Status.CANCELLED, [Step(payout_id, failure_code="cancelled")]))


def begin_next_leg(payout_ids: Sequence[UUID]) -> list[Moved]:
    """Book a bridge's first leg as arrived at the bridge, and make the second one due."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(NEXT_LEG, {"ids": list(payout_ids)})
        moved = [Moved.from_row(row) for row in cursor.fetchall()]
        moves, system = [], cache(open_system_account)
        for payout in moved:
            name, in_transit, custody = _crossing(payout, payout.payout_id, system)
            moves.append(Move(f"{name}:bridge_out", in_transit, custody, payout.units_received))
        move_many(moves)
    return moved


def lock(payout_ids: Sequence[UUID]) -> None:
    """Lock payouts in key order until the caller's transaction ends.

    A statement of its own: the next one's snapshot is then newer than the wait.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [list(payout_ids)])


def return_from_bridge(payout_ids: Sequence[UUID]) -> None:
    """Book back into custody what the bridge gave back; call before failing the payouts.

    The payouts stay locked until the caller's transaction ends.
    """
    if not payout_ids:
        return
    payouts = (
        Payout.objects.select_for_update()
        .filter(id__in=payout_ids, status=Status.BROADCAST, leg=2)
        .order_by("id")
    )
    moves, system = [], cache(open_system_account)
    for payout in payouts:
        name, in_transit, custody = _crossing(payout, payout.id, system)
        moves.append(
            Move(f"{name}:bridge_returned", custody, in_transit, payout.units_received)
        )
    move_many(moves)


def note_leg(steps: Sequence[Step]) -> None:
    """Add a later leg's reference to the timeline, once; the state stays broadcast."""
    if not steps:
        return
    with transaction.atomic():
        lock([step.payout_id for step in steps])
        _write_steps(NOTE_LEG, steps)


def reschedule(steps: Sequence[Step]) -> None:
    """Set when to look again, and the estimate; nothing else changes."""
    _write_steps(RESCHEDULE, steps)


def _write_steps(sql: str, steps: Sequence[Step]) -> None:
    if not steps:
        return
    ordered = sorted(steps, key=lambda step: step.payout_id)
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "ids": [step.payout_id for step in ordered],
                "networks": [step.network for step in ordered],
                "references": [step.reference for step in ordered],
                "estimates": [step.estimate for step in ordered],
                "dues": [step.due_seconds for step in ordered],
                "reviews": [step.needs_review for step in ordered],
                "waiting": [step.waiting_for for step in ordered],
                "confirmations": [step.confirmations for step in ordered],
                "needed": [step.confirmations_needed for step in ordered],
            },
        )


def _what_follows(end: Status, moved: Iterable[Moved]) -> list[Move]:
    """The movements that doors add to the end of their payouts, in the order of doors."""
    ended: dict[str, list[UUID]] = defaultdict(list)
    for payout in moved:
        ended[payout.door].append(payout.payout_id)
    return [
        move for name in sorted(ended) for move in door_named(name).follow(end, ended[name])
    ]


def _settlement(moved: Iterable[Moved]) -> list[Move]:
    """What is booked when money has arrived: it left custody, and the fee is earned."""
    # Asked once for each batch, not once for each payout.
    system = cache(open_system_account)
    moves = []
    for payout in moved:
        name, asset, livemode = f"payout:{payout.payout_id.hex}", payout.asset, payout.livemode
        custody = system(accounts.custody(payout.to_network), asset, livemode)
        held, received = payout.held_account_id, payout.units_received
        if payout.is_bridged:
            in_transit = system(accounts.in_transit(), asset, livemode)
            moves.append(Move(f"{name}:bridge_in", custody, in_transit, received))
        moves.append(Move(f"{name}:settle", held, custody, received))
        if payout.units_sent > received:
            fees = system(accounts.fees(), asset, livemode)
            moves.append(Move(f"{name}:fee", held, fees, payout.units_sent - received))
    return moves


def _release(payout: Moved) -> Move:
    return Move(
        f"payout:{payout.payout_id.hex}:release",
        payout.held_account_id,
        payout.available_account_id,
        payout.units_sent,
    )


def _crossing(
    payout: Moved | Payout, payout_id: UUID, system: Callable[[str, str, bool], int]
) -> tuple[str, int, int]:
    """The name of a payout's bridge movements, and the accounts at its source."""
    return (
        f"payout:{payout_id.hex}",
        system(accounts.in_transit(), payout.asset, payout.livemode),
        system(accounts.custody(payout.from_network), payout.asset, payout.livemode),
    )
