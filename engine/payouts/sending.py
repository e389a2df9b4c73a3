"""Steps 3 to 5 of settlement: prepare, keep, and only then hand over.

The reference and the bytes of every attempt are committed before the rail is asked, so a
crash after any line leaves something that can be looked up by name.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from engine.payouts import fence, services
from engine.payouts.models import BlockedDestination, Freeze, Payout
from engine.payouts.rail_choice import rail_of_leg
from engine.payouts.states import Status
from engine.rails.attempts import note_evidence, open_attempts
from engine.rails.base import Order, Prepared, rail_named
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.explorers import HOUSE
from engine.rails.house import release as release_crossings
from engine.rails.models import Attempt, EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

logger = structlog.get_logger(__name__)

# While frozen, a payout that was accepted waits; this is how often it asks.
FROZEN_SECONDS = 5.0
# What a rail cannot send for now is tried again this soon, and ever less often: after a
# quarter of the time that it has waited, so that a crowd asks the nodes no more than it must.
UNAVAILABLE_SECONDS_MIN, UNAVAILABLE_SECONDS_MAX = 2.0, 30.0
UNAVAILABLE_SHARE = 0.25
# What only a person can decide is looked at again this often.
REVIEWED_SECONDS = 60.0
# Whoever sets a freeze waits for those who are taking payouts up, and they for her: once
# the freeze is committed, none is taken up that it should have stopped. A batch that has
# passed fence.let_out by then is finished; the next one is not begun.
LOCK_GUARDS = "LOCK TABLE payouts_freeze, payouts_blockeddestination IN SHARE MODE"

LIVE_ATTEMPTS = """
SELECT a.id, a.payout_id, a.leg, a.rail, a.network, a.reference, a.payload, a.created_at,
       sent.at < clock_timestamp() - make_interval(secs => %(resubmit)s) OR sent.at IS NULL,
       p.status, p.livemode, p.from_network, p.to_network,
       p.estimated_delivery_at
FROM rails_attempt a
JOIN payouts_payout p ON p.id = a.payout_id AND p.leg = a.leg
LEFT JOIN LATERAL (
    SELECT at FROM rails_sendevidence e WHERE e.attempt_id = a.id AND e.kind = 'submit'
    ORDER BY e.id DESC LIMIT 1
) sent ON true
WHERE a.payout_id = ANY(%(ids)s::uuid[]) AND a.state = 'live'
ORDER BY a.id
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """A live attempt, and the payout it belongs to, as a worker leased them."""

    attempt_id: int
    payout_id: UUID
    leg: int
    prepared: Prepared
    created_at: datetime
    is_due_to_submit: bool
    status: str
    livemode: bool
    from_network: str
    to_network: str
    estimate: datetime

    @property
    def is_last_leg(self) -> bool:
        return self.from_network == self.to_network or self.leg > 1


def prepare_due(payout_ids: Sequence[UUID]) -> None:
    """Give every payout that has none an attempt at its current leg, and commit it.

    What the rail refuses to prepare, or nobody may be paid any more, was never sent: such
    a payout fails, funds released. But once money is on a bridge only a person can say
    what becomes of it. What the rail cannot send for now waits, and says for what.
    """
    checked = _preflight(payout_ids)
    if not checked:
        return
    with transaction.atomic():
        ready = _not_stopped(_without_attempt(list(checked)))
        orders = [(payout, checked[payout.id]) for payout in ready]
        # Checked before the lock; should the payout have gone on since, so must the check.
        orders = [(payout, found) for payout, found in orders if found.leg == payout.leg]
        _settle_refusals(orders)
        for rail in sorted({found.rail for _, found in orders if found.order}):
            _prepare_on(
                rail,
                [(p, found.order) for p, found in orders if found.rail == rail and found.order],
            )


@dataclass(frozen=True, slots=True)
class Checked:
    """What a rail said of a payout's leg before anything was taken; `order` when it may go."""

    leg: int
    rail: str
    order: Order | None
    refusal: RailRejected | RailUnavailable | None


def _preflight(payout_ids: Sequence[UUID]) -> dict[UUID, Checked]:
    """Ask the rails whether each payout without an attempt could be sent. Locks nothing."""
    waiting = _drop_begun(
        list(
            Payout.objects.filter(
                id__in=payout_ids, status__in=[Status.PENDING, Status.BROADCAST]
            ).order_by("id")
        )
    )
    checked: dict[UUID, Checked] = {}
    by_rail: dict[str, list[Payout]] = defaultdict(list)
    for payout in waiting:
        by_rail[rail_of_leg(payout)].append(payout)
    for rail, payouts in by_rail.items():
        told: Sequence[Order | RailRejected | RailUnavailable]
        try:
            told = rail_named(rail).preflight([order_for(payout) for payout in payouts])
        except RailUnavailable as error:
            told = [error] * len(payouts)
        for payout, answer in zip(payouts, told, strict=True):
            if isinstance(answer, Order):
                checked[payout.id] = Checked(payout.leg, rail, answer, None)
            else:
                checked[payout.id] = Checked(payout.leg, rail, None, answer)
    return checked


def _settle_refusals(checked: Sequence[tuple[Payout, Checked]]) -> None:
    """Give up what the rail refuses for good; let wait what it cannot send for now."""
    _give_up(
        [
            (payout, found.refusal.failure_code)
            for payout, found in checked
            if isinstance(found.refusal, RailRejected)
        ]
    )
    _let_wait(
        [
            (payout, found.refusal)
            for payout, found in checked
            if isinstance(found.refusal, RailUnavailable)
        ]
    )


def _let_wait(unavailable: Sequence[tuple[Payout, RailUnavailable]]) -> None:
    """Nothing was taken and nothing sent: the funds stay held, and it is tried again.

    One that has waited for REVIEW_SECONDS is shown to a person, and tried again all the same.
    """
    if not unavailable:
        return
    reasons = sorted({error.waiting_for for _, error in unavailable})
    logger.warning("payouts_wait", payouts=len(unavailable), waiting_for=reasons)
    now = timezone.now()
    services.reschedule(
        [
            _wait_step(payout, error, (now - payout.created_at).total_seconds())
            for payout, error in unavailable
        ]
    )


def _wait_step(payout: Payout, error: RailUnavailable, waited: float) -> services.Step:
    soon = max(waited * UNAVAILABLE_SHARE, UNAVAILABLE_SECONDS_MIN)
    return services.Step(
        payout.id,
        due_seconds=min(soon, UNAVAILABLE_SECONDS_MAX),
        waiting_for=error.waiting_for,
        needs_review=waited > settings.REVIEW_SECONDS,
    )


def _not_stopped(waiting: list[Payout]) -> list[Payout]:
    """Hold back what is frozen, give up what is blocked, and return the rest."""
    if not waiting:
        return []
    with connection.cursor() as cursor:
        cursor.execute(LOCK_GUARDS)
    frozen = set(
        Freeze.objects.filter(lifted_at__isnull=True).values_list("network", flat=True)
    )
    blocked = set(
        BlockedDestination.objects.filter(
            destination__in={payout.destination for payout in waiting}
        ).values_list("destination", flat=True)
    )
    held_back, given_up, ready = [], [], []
    for payout in waiting:
        if frozen & {"", payout.from_network, payout.to_network}:
            held_back.append(
                services.Step(payout.id, due_seconds=FROZEN_SECONDS, waiting_for="frozen")
            )
        elif payout.destination in blocked:
            given_up.append((payout, "destination_blocked"))
        else:
            ready.append(payout)
    services.reschedule(held_back)
    _give_up(given_up)
    return ready


def _give_up(refused: Sequence[tuple[Payout, str]]) -> None:
    """Fail what was never sent, each with its failure code.

    Of a later leg only that leg was never sent: the earlier one took the money out of
    custody, so its hold stays until a person has seen where it is. Where the house itself
    was the bridge, nothing has left, and all of it is back at once.
    """
    if not refused:
        return
    crossed = _crossed_in_the_house([payout for payout, _ in refused if payout.leg > 1])
    services.return_from_bridge(sorted(crossed))
    release_crossings(sorted(crossed))
    services.advance(
        Status.FAILED,
        [
            services.Step(payout.id, failure_code=failure_code)
            for payout, failure_code in refused
            if payout.leg == 1 or payout.id in crossed
        ],
    )
    stranded = [
        (payout, code)
        for payout, code in refused
        if payout.leg > 1 and payout.id not in crossed
    ]
    for payout, failure_code in stranded:
        logger.error("later_leg_refused", payout=payout.public_id, failure_code=failure_code)
    services.reschedule(
        [
            services.Step(payout.id, due_seconds=REVIEWED_SECONDS, needs_review=True)
            for payout, _ in stranded
        ]
    )


def _crossed_in_the_house(payouts: Sequence[Payout]) -> set[UUID]:
    """Those whose leg before this one was the house's own promise, and no send."""
    if not payouts:
        return set()
    before = {payout.id: payout.leg - 1 for payout in payouts}
    return {
        payout_id
        for payout_id, leg in Attempt.objects.filter(
            payout_id__in=list(before), rail=HOUSE
        ).values_list("payout_id", "leg")
        if before[payout_id] == leg
    }


def _without_attempt(payout_ids: Sequence[UUID]) -> list[Payout]:
    """Lock the payouts that need an attempt; whoever comes second finds it made."""
    payouts = (
        Payout.objects.select_for_update()
        .filter(id__in=payout_ids, status__in=[Status.PENDING, Status.BROADCAST])
        .order_by("id")
    )
    return _drop_begun(list(payouts))


def _drop_begun(payouts: list[Payout]) -> list[Payout]:
    """Those whose current leg has no attempt yet."""
    if not payouts:
        return []
    begun = set(
        Attempt.objects.filter(payout_id__in=[payout.id for payout in payouts]).values_list(
            "payout_id", "leg"
        )
    )
    return [payout for payout in payouts if (payout.id, payout.leg) not in begun]


def _prepare_on(rail: str, waiting: Sequence[tuple[Payout, Order]]) -> None:
    outcomes = rail_named(rail).prepare([order for _, order in waiting])
    refused, unavailable, sends = [], [], []
    for (payout, order), outcome in zip(waiting, outcomes, strict=True):
        if isinstance(outcome, RailRejected):
            refused.append((payout, outcome.failure_code))
        elif isinstance(outcome, RailUnavailable):
            unavailable.append((payout, outcome))
        else:
            sends.append((order, outcome))
    open_attempts(sends=sends)
    _give_up(refused)
    _let_wait(unavailable)
    pending = {payout.id for payout, _ in waiting if payout.status == Status.PENDING}
    services.advance(
        Status.SENDING,
        [services.Step(order.payout_id) for order, _ in sends if order.payout_id in pending],
    )


def order_for(payout: Payout) -> Order:
    """What the rail is asked for at the payout's current leg."""
    return Order(
        payout_id=payout.id,
        leg=payout.leg,
        attempt=1,
        livemode=payout.livemode,
        network=payout.network_of_leg,
        asset=payout.asset,
        units=payout.units_received,
        destination=payout.destination,
        asked_units=payout.units_sent,
        is_last_leg=payout.leg == payout.legs,
        to_network=payout.to_network,
    )


def live_attempts(payout_ids: Sequence[UUID]) -> list[Sent]:
    """The live attempts at the current legs of these payouts."""
    with connection.cursor() as cursor:
        cursor.execute(
            LIVE_ATTEMPTS,
            {"ids": list(payout_ids), "resubmit": settings.RESUBMIT_SECONDS},
        )
        return [
            Sent(
                attempt_id=row[0],
                payout_id=row[1],
                leg=row[2],
                prepared=Prepared(row[3], row[4], row[5], bytes(row[6])),
                created_at=row[7],
                is_due_to_submit=row[8],
                status=row[9],
                livemode=row[10],
                from_network=row[11],
                to_network=row[12],
                estimate=row[13],
            )
            for row in cursor.fetchall()
        ]


def submit_due(sent: Sequence[Sent]) -> None:
    """Hand over what was never handed over, or not for a while, and keep what came back.

    Nothing is decided here: whatever the rail answers, only a look-up moves money.
    """
    # In the journal before it is anywhere else, and nowhere at all while frozen.
    due = fence.let_out([one for one in sent if one.is_due_to_submit])
    for rail in {one.prepared.rail for one in due}:
        batch = [one for one in due if one.prepared.rail == rail]
        try:
            receipts = rail_named(rail).submit([one.prepared for one in batch])
        except RailUnavailable as error:
            logger.warning("rail_unavailable", rail=rail, verb="submit", error=error.message)
            continue
        note_evidence(
            kind=EvidenceKind.SUBMIT,
            bodies={
                one.attempt_id: {"accepted": receipt.accepted, **receipt.evidence}
                for one, receipt in zip(batch, receipts, strict=True)
                if receipt.is_news
            },
        )
