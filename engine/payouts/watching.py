"""Steps 6 to 8 of settlement: look, and let only what was seen move a payout."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from engine.payouts import services
from engine.payouts.costs import NetworkCost, book_network_costs
from engine.payouts.pricing import price_book
from engine.payouts.states import Status
from engine.rails.attempts import close_attempts, note_evidence
from engine.rails.base import Outcome, Sighting, rail_named
from engine.rails.errors import RailUnavailable
from engine.rails.models import AttemptState, EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from engine.payouts.sending import Sent

    Look = tuple[Sent, Sighting]

logger = structlog.get_logger(__name__)

# An estimate is rewritten only when it moves by more than people notice.
ESTIMATE_SECONDS_MIN = 1.0
LOOK_UP_SECONDS_MAX = 15.0
RAIL_AWAY_SECONDS = 5.0
SEEN = frozenset({Outcome.SEEN, Outcome.FINAL})
CLOSES = {AttemptState.DONE: Outcome.FINAL, AttemptState.DEAD: Outcome.DEAD}


class AttemptOfAnotherState(Exception):
    """An attempt has ended whose payout is not where such an end leads on: ask a person."""


def watch(sent: Sequence[Sent]) -> None:
    """Ask the rails what became of each attempt, and take the steps that follow."""
    looks: list[Look] = []
    for rail in {one.prepared.rail for one in sent}:
        batch = [one for one in sent if one.prepared.rail == rail]
        try:
            sightings = rail_named(rail).look_up([one.prepared for one in batch])
        except RailUnavailable as error:
            logger.warning("rail_unavailable", rail=rail, verb="look_up", error=error.message)
            services.reschedule(
                [services.Step(one.payout_id, due_seconds=RAIL_AWAY_SECONDS) for one in batch]
            )
            continue
        looks += zip(batch, sightings, strict=True)
    _keep_evidence(looks)
    _take_steps(looks)


def _keep_evidence(looks: Iterable[Look]) -> None:
    """Append what a look-up said, where it says something new."""
    note_evidence(
        kind=EvidenceKind.LOOK_UP,
        bodies={
            one.attempt_id: {"outcome": sighting.outcome.value, **sighting.evidence}
            for one, sighting in looks
            # Whoever must decide wants to know what about.
            if sighting.outcome is not Outcome.UNKNOWN or sighting.needs_person
        },
    )


def _take_steps(looks: Sequence[Look]) -> None:
    """Sort the news by what it asks for; each group is one database transaction."""
    by_news: dict[str, list[Look]] = defaultdict(list)
    for one, sighting in looks:
        by_news[_news(one, sighting)].append((one, sighting))
    # What died after it was seen was broadcast first, and its timeline says so. What is
    # final was seen, whether or not the outside remembers when.
    seen = [look for look in looks if look[1].seen_at or look[1].outcome in SEEN]
    services.advance(Status.BROADCAST, _steps(s for s in seen if s[0].status == Status.SENDING))
    services.note_leg(_steps(look for look in seen if look[0].leg > 1))
    _close(by_news["dead"], _fail)
    _close(by_news["arrived"], lambda looks: services.advance(Status.DELIVERED, _steps(looks)))
    _close(
        by_news["leg arrived"],
        lambda looks: services.begin_next_leg([one.payout_id for one, _ in looks]),
    )
    services.reschedule(_steps(by_news["waiting"]))


def _news(one: Sent, sighting: Sighting) -> str:
    if sighting.outcome is Outcome.DEAD:
        return "dead"
    if sighting.outcome is Outcome.FINAL:
        return "arrived" if one.is_last_leg else "leg arrived"
    return "waiting"


def _fail(looks: Sequence[Look]) -> list[services.Moved]:
    """Fail what is proven dead, and bring back what a bridge returned."""
    services.return_from_bridge([one.payout_id for one, _ in looks if one.leg > 1])
    return services.advance(
        Status.FAILED,
        [
            services.Step(
                one.payout_id,
                network=one.prepared.network,
                reference=_shown(one, sighting) if one.status == Status.BROADCAST else "",
                failure_code=sighting.failure_code,
                needs_review=sighting.needs_person,
            )
            for one, sighting in looks
        ],
    )


def _close(
    looks: Sequence[Look], step: Callable[[Sequence[Look]], list[services.Moved]]
) -> None:
    """End attempts and take the step that they lead to, all or nothing.

    Only an attempt that is still live moves its payout. One that another worker has closed
    since we looked may have a successor by now, and releasing the hold on the old one's
    death would pay twice.
    """
    if not looks:
        return
    with transaction.atomic():
        services.lock([one.payout_id for one, _ in looks])
        closed: set[int] = set()
        for state, outcome in CLOSES.items():
            closed |= close_attempts(
                state=state,
                proofs={
                    one.attempt_id: {"outcome": outcome.value, **sighting.evidence}
                    for one, sighting in looks
                    if sighting.outcome is outcome
                },
            )
        news = [look for look in looks if look[0].attempt_id in closed]
        moved = {payout.payout_id for payout in step(news)}
        book_network_costs(_costs(news))
        if stuck := {one.payout_id for one, _ in news} - moved:
            raise AttemptOfAnotherState(stuck)


def _shown(one: Sent, sighting: Sighting) -> str:
    """What people are shown: a hash that a block holds says more than a wallet's number."""
    return sighting.reference or one.prepared.reference


def _costs(looks: Iterable[Look]) -> list[NetworkCost]:
    """What the networks took for what is over, whether or not it arrived."""
    return [
        NetworkCost(
            network=one.prepared.network,
            asset=sighting.cost_asset,
            units=sighting.cost_units,
            hash=sighting.reference,
            livemode=one.livemode,
        )
        for one, sighting in looks
        if sighting.cost_units
    ]


def _steps(looks: Iterable[Look]) -> list[services.Step]:
    now = timezone.now()
    return [
        services.Step(
            one.payout_id,
            network=one.prepared.network,
            reference=_shown(one, sighting),
            confirmations=sighting.confirmations,
            confirmations_needed=sighting.confirmations_needed,
            estimate=_estimate(one, sighting, now),
            due_seconds=_due_seconds(sighting, now),
            needs_review=sighting.needs_person
            or (
                sighting.outcome is Outcome.UNKNOWN
                and not sighting.is_patient
                and now - one.created_at > timedelta(seconds=settings.REVIEW_SECONDS)
            ),
        )
        for one, sighting in looks
    ]


def _estimate(one: Sent, sighting: Sighting, now: datetime) -> datetime | None:
    """When it will arrive, as far as anybody can tell now; None when nothing changed.

    While the rail cannot say, the standing estimate holds until it has passed, and then
    moves: a page that counts below zero lies.
    """
    seconds = _network_seconds(one.to_network)
    if sighting.expected_at is not None:
        rest = timedelta(seconds=0 if one.is_last_leg else seconds)
        expected = max(sighting.expected_at, now) + rest
    elif one.estimate < now:
        expected = now + timedelta(seconds=seconds)
    else:
        return None
    moved = abs((expected - one.estimate).total_seconds())
    return expected if moved >= ESTIMATE_SECONDS_MIN else None


def _network_seconds(network: str) -> int:
    hop = price_book().networks.get(network)
    return 60 if hop is None else hop.seconds


def _due_seconds(sighting: Sighting, now: datetime) -> float:
    """Look again when it should be final, within sensible bounds, or when the rail says."""
    if sighting.look_seconds:
        return sighting.look_seconds
    soonest: float = settings.LOOK_UP_SECONDS
    if sighting.outcome is not Outcome.SEEN or sighting.expected_at is None:
        return soonest
    until = (sighting.expected_at - now).total_seconds()
    return min(max(until, soonest), LOOK_UP_SECONDS_MAX)
