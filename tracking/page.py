"""Everything the page shows of one payout, ready for the template to lay out.

Nobody's key, no reference of the partner's, no part of a fee: what is not in `Page` cannot
be on the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from django.utils.formats import get_format
from django.utils.translation import get_language, gettext

from engine.common.times import format_time
from engine.common.units import format_units, format_usd
from engine.partners.validation import visible_text
from engine.payouts.models import Payout, PayoutEvent
from engine.payouts.states import Status
from engine.rails.connections import is_devnet
from engine.rails.explorers import SIMULATED
from engine.rails.networks import ASSETS, NETWORKS
from tracking.route import Route, route_of
from tracking.timeline import (
    Line,
    Mood,
    mood_of,
    reason_of,
    sentence_of,
    shorten,
    timeline_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

# Read in one query; `only` keeps the partner's stored answer and the ids out of reach.
COLUMNS = (
    *("status", "leg", "steps", "rail", "livemode", "asset", "from_network", "to_network"),
    *("destination", "units_sent", "units_received", "failure_code", "created_at"),
    *("promised_at", "estimated_delivery_at", "finished_at"),
    *("confirmations", "confirmations_needed"),
    *("partner__name", "partner__frame_hosts"),
    *("quote__network_fee_usd_micros", "quote__provider_fee_usd_micros"),
    "quote__zopay_fee_usd_micros",
)
# Milliseconds between two looks of one browser: often when something is about to happen,
# less so when it is far off or late, and never again once it is over.
POLL_OFTEN, POLL_SELDOM, POLL_NEVER = 1500, 4000, 0
SOON = timedelta(seconds=60)
DECIMALS_MIN = 2


@dataclass(frozen=True, slots=True)
class Page:
    """One payout at one moment, in the reader's language."""

    mood: Mood
    payer: str
    amount: str
    asset: str
    network: str
    destination: str
    headline: str
    comfort: str
    reason: str
    note: str
    estimate: datetime | None
    is_overdue: bool
    delivered_at: datetime | None
    took: str
    route: Route
    lines: list[Line]
    fee_quoted: str
    fee_paid: str
    payout_id: str
    poll_milliseconds: int

    @property
    def title(self) -> str:
        return f"{self.headline} {self.comfort}".rstrip()


def read_payout(payout_id: UUID) -> Payout | None:
    """The payout, its partner's name and its quoted fee, in one query."""
    return (
        Payout.objects.select_related("partner", "quote")
        .only(*COLUMNS)
        # A page tells of networks that anybody can look at; an operator is none.
        .filter(pk=payout_id, to_network__in=list(NETWORKS))
        .first()
    )


def read_events(payout: Payout) -> Sequence[PayoutEvent]:
    """Its events, oldest first, in one query."""
    return list(PayoutEvent.objects.filter(payout_id=payout.pk).order_by("number"))


def etag_of(payout: Payout, now: datetime) -> str:
    """A name for what the page shows: equal names, equal pages.

    Made of what can change, not of the page itself, so that a look at an unchanged payout
    costs one query and no drawing.
    """
    changing = (
        get_language(),
        mood_of(payout, now),
        payout.steps,
        payout.leg,
        payout.confirmations,
        payout.confirmations_needed,
        payout.partner.name,
        format_time(payout.estimated_delivery_at),
        payout.estimated_delivery_at < now,
    )
    return f'"{sha256(repr(changing).encode()).hexdigest()[:32]}"'


def page_of(payout: Payout, events: Sequence[PayoutEvent], now: datetime) -> Page:
    """Put together what is shown at `now`."""
    mood = mood_of(payout, now)
    payer = visible_text(payout.partner.name)
    is_final = payout.is_final
    headline, comfort = sentence_of(mood, payer)
    scale = ASSETS[payout.asset].scale
    paid = format_units(payout.units_sent - payout.units_received, scale=scale)
    return Page(
        mood=mood,
        payer=payer,
        amount=readable(format_units(payout.units_received, scale=scale)),
        asset=payout.asset,
        network=NETWORKS[payout.to_network].name,
        destination=shorten(payout.destination),
        headline=headline,
        comfort=comfort,
        reason=reason_of(payout, payer),
        note=_note(payout),
        estimate=None if is_final else payout.estimated_delivery_at,
        is_overdue=not is_final and payout.estimated_delivery_at < now,
        delivered_at=payout.finished_at if mood is Mood.DELIVERED else None,
        took=_took(payout),
        route=route_of(payout, payer, has_left=any(event.reference for event in events)),
        lines=timeline_of(payout, events, payer),
        fee_quoted=readable(format_usd(payout.quote.fee_usd_micros)),
        fee_paid=readable(paid),
        payout_id=payout.public_id,
        poll_milliseconds=_poll(payout, mood, now),
    )


def readable(amount: str) -> str:
    """Write an exact amount as the reader's language does; no digit is lost or rounded.

    ``"1234.5"`` is ``1,234.50`` in English and ``1 234,50`` in French.
    """
    whole, _, fraction = amount.partition(".")
    gap = get_format("THOUSAND_SEPARATOR", use_l10n=True)
    mark = get_format("DECIMAL_SEPARATOR", use_l10n=True)
    return (
        f"{int(whole):,}".replace(",", str(gap)) + f"{mark}{fraction.ljust(DECIMALS_MIN, '0')}"
    )


def _note(payout: Payout) -> str:
    if not payout.livemode:
        return gettext("Test payout: no real money moves.")
    if payout.rail == SIMULATED:
        return gettext("Demonstration: no real money moves.")
    if is_devnet(payout.to_network):
        return gettext("Development chain: no real money moves.")
    return ""


def _took(payout: Payout) -> str:
    """How long it took, as ``8 s`` or ``2 min 05 s``; "" until it is delivered."""
    if payout.finished_at is None or payout.status != Status.DELIVERED:
        return ""
    seconds = max(round((payout.finished_at - payout.created_at).total_seconds()), 1)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _poll(payout: Payout, mood: Mood, now: datetime) -> int:
    if payout.is_final:
        return POLL_NEVER
    is_soon = mood is not Mood.LATE and payout.estimated_delivery_at < now + SOON
    return POLL_OFTEN if is_soon else POLL_SELDOM
