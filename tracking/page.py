"""Everything the page shows of one payout, ready for the template to lay out.

Nobody's key, no reference of the partner's, no part of a fee: what is not in `Page` cannot
be on the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.formats import get_format
from django.utils.translation import get_language, gettext

from engine.common.times import format_time
from engine.common.units import format_units, format_usd
from engine.partners.validation import visible_text
from engine.payouts.doors import door_named, nowhere
from engine.payouts.failures import failure_of
from engine.payouts.models import Payout, PayoutEvent
from engine.payouts.states import Status
from engine.rails.connections import is_devnet
from engine.rails.explorers import SIMULATED
from engine.rails.places import PLACES, Kind, mask, place_of
from engine.rails.scales import scale_of
from tracking.moods import Fate, Mood, mood_of, reason_of, sentence_of, waits_for
from tracking.route import Route, route_of
from tracking.timeline import Line, timeline_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.rails.places import Place

# Read in one query; `only` keeps the partner's stored answer and the ids out of reach.
COLUMNS = (
    *("status", "leg", "steps", "rail", "livemode", "asset", "from_network", "to_network"),
    *("door", "destination", "units_sent", "units_received", "failure_code", "created_at"),
    *("promised_at", "estimated_delivery_at", "finished_at"),
    *("confirmations", "confirmations_needed", "waiting_for"),
    *("partner__name", "partner__frame_hosts"),
    *("quote__network_fee_usd_micros", "quote__provider_fee_usd_micros"),
    *("quote__zopay_fee_usd_micros", "quote__units_fee"),
)
# Milliseconds between two looks of one browser: often when something is about to happen,
# less so when it is far off or late, rarely where a day is what counts, and never again
# once it is over.
POLL_OFTEN, POLL_SELDOM, POLL_RARELY, POLL_NEVER = 1500, 4000, 30_000, 0
SOON = timedelta(seconds=60)
# A bank tells days, not seconds: a countdown of hours would promise what nobody knows.
BANK_COUNTS_WITHIN = timedelta(hours=1)
SATURDAY = 5
DECIMALS_MIN = 2
RELOAD_SECONDS_MIN = 5


@dataclass(frozen=True, slots=True)
class End:
    """What becomes of a payout that failed: `mend_url` is where its recipient goes on."""

    fate: Fate = Fate.RETURNED
    mend_url: str = ""


@dataclass(frozen=True, slots=True)
class Fee:
    """One line about the fee; `unit` is "" where `value` is words."""

    name: str
    value: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One payout at one moment, in the reader's language.

    `kind` is of the place that pays. `mend_url` is where the recipient may put right what
    made it fail, "" if nowhere; `can_be_mended` that there could be such a place.
    `is_by_day` says that the estimate is a day, not a minute.
    """

    mood: Mood
    kind: Kind
    payer: str
    amount: str
    asset: str
    network: str
    destination: str
    headline: str
    comfort: str
    reason: str
    can_be_mended: bool
    mend_url: str
    mend_words: str
    note: str
    estimate: datetime | None
    is_by_day: bool
    is_overdue: bool
    delivered_at: datetime | None
    took: str
    route: Route
    lines: list[Line]
    fees: list[Fee]
    payout_id: str
    poll_milliseconds: int

    @property
    def title(self) -> str:
        return f"{self.headline} {self.comfort}".rstrip()

    @property
    def reload_seconds(self) -> int:
        """How often a browser without a script asks for the whole page; 0 for never."""
        seconds = self.poll_milliseconds // 1000
        return max(seconds, RELOAD_SECONDS_MIN) if self.poll_milliseconds else 0


def read_payout(payout_id: UUID) -> Payout | None:
    """The payout, its partner's name and its quoted fee, in one query."""
    return (
        Payout.objects.select_related("partner", "quote")
        .only(*COLUMNS)
        # A page tells of places that it has words for.
        .filter(pk=payout_id, to_network__in=list(PLACES))
        .first()
    )


def read_events(payout: Payout) -> Sequence[PayoutEvent]:
    """Its events, oldest first, in one query."""
    return list(PayoutEvent.objects.filter(payout_id=payout.pk).order_by("number"))


def end_of(payout: Payout) -> End:
    """What its door says of a payout that failed; of any other there is nothing to say."""
    if payout.status != Status.FAILED:
        return End()
    door = door_named(payout.door)
    mend_url = door.mend_url(payout.pk)
    if mend_url:
        return End(Fate.KEPT, mend_url)
    was_kept = door.mend_url is not nowhere and failure_of(payout.failure_code).is_mendable
    return End(Fate.ELSEWHERE if was_kept else Fate.RETURNED)


def etag_of(payout: Payout, now: datetime, end: End) -> str:
    """A name for what the page shows: equal names, equal pages.

    Made of what can change, not of the page itself, so that a look at an unchanged payout
    costs one query and no drawing.
    """
    changing = (
        get_language(),
        mood_of(payout, now),
        end.fate,
        end.mend_url,
        waits_for(payout),
        _is_by_day(payout, now),
        payout.steps,
        payout.leg,
        payout.confirmations,
        payout.confirmations_needed,
        payout.partner.name,
        format_time(payout.estimated_delivery_at),
        payout.estimated_delivery_at < now,
    )
    return f'"{sha256(repr(changing).encode()).hexdigest()[:32]}"'


def page_of(payout: Payout, events: Sequence[PayoutEvent], now: datetime, end: End) -> Page:
    """Put together what is shown at `now`."""
    mood, place = mood_of(payout, now), place_of(payout.to_network)
    payer = visible_text(payout.partner.name)
    headline, comfort = sentence_of(mood, payout, payer, fate=end.fate)
    return Page(
        mood=mood,
        kind=place.kind,
        payer=payer,
        amount=amount_of(payout.units_received, payout.asset),
        asset=payout.asset,
        network=place.name,
        destination=mask(payout.destination, network=payout.to_network),
        headline=headline,
        comfort=comfort,
        reason=reason_of(payout, payer, fate=end.fate),
        can_be_mended=door_named(payout.door).mend_url is not nowhere,
        mend_url=end.mend_url,
        mend_words=_mend_words(payout, end),
        note=_note(payout, place),
        estimate=_estimate(payout, mood),
        is_by_day=_is_by_day(payout, now),
        is_overdue=not payout.is_final and payout.estimated_delivery_at < now,
        delivered_at=payout.finished_at if mood is Mood.DELIVERED else None,
        took=_took(payout),
        route=route_of(payout, payer, has_left=any(event.reference for event in events)),
        lines=timeline_of(payout, events, payer, fate=end.fate),
        fees=_fees(payout, payer),
        payout_id=payout.public_id,
        poll_milliseconds=_poll(payout, mood, now, is_kept=end.fate is Fate.KEPT),
    )


def amount_of(units: int, asset: str) -> str:
    """Units of an asset or a currency, to be read: francs have no decimals, euros two."""
    scale = scale_of(asset)
    return readable(format_units(units, scale=scale), decimals_min=min(scale, DECIMALS_MIN))


def readable(amount: str, *, decimals_min: int = DECIMALS_MIN) -> str:
    """Write an exact amount as the reader's language does; no digit is lost or rounded.

    ``"1234.5"`` is ``1,234.50`` in English and ``1 234,50`` in French.
    """
    whole, _, fraction = amount.partition(".")
    gap = get_format("THOUSAND_SEPARATOR", use_l10n=True)
    mark = get_format("DECIMAL_SEPARATOR", use_l10n=True)
    shown = f"{int(whole):,}".replace(",", str(gap))
    fraction = fraction.ljust(decimals_min, "0")
    return f"{shown}{mark}{fraction}" if fraction else shown


def _mend_words(payout: Payout, end: End) -> str:
    """What the button says: what she gave was wrong, or the same may well do."""
    if not end.mend_url:
        return ""
    is_retryable = failure_of(payout.failure_code).is_retryable
    return gettext("Try again") if is_retryable else gettext("Correct the details")


def _estimate(payout: Payout, mood: Mood) -> datetime | None:
    """None once it is over, and while nobody can tell since nothing has left."""
    if payout.is_final or (waits_for(payout) and mood is Mood.PREPARING):
        return None
    estimate = payout.estimated_delivery_at
    if place_of(payout.to_network).kind is Kind.BANK:
        # A price promises a day later; no bank pays on a Saturday or a Sunday.
        while estimate.weekday() >= SATURDAY:
            estimate += timedelta(days=1)
    return estimate


def _is_by_day(payout: Payout, now: datetime) -> bool:
    """Whether to tell the day alone: for a bank, unless it is about to happen, or has."""
    if place_of(payout.to_network).kind is not Kind.BANK:
        return False
    return payout.is_final or payout.estimated_delivery_at > now + BANK_COUNTS_WITHIN


def _fees(payout: Payout, payer: str) -> list[Fee]:
    """What she may know of the fee, once it is final: of her own money, every unit.

    Where fees come on top, none of it was hers, and how much it was is not hers to know.
    """
    if payout.status != Status.DELIVERED:
        return []
    if door_named(payout.door).has_fees_on_top:
        return [Fee(gettext("Fees"), gettext("Paid by %(payer)s") % {"payer": payer})]
    quote = payout.quote
    if quote.fee_usd_micros:
        quoted, unit = readable(format_usd(quote.fee_usd_micros)), "USD"
    else:
        quoted, unit = amount_of(quote.units_fee, payout.asset), payout.asset
    paid = amount_of(payout.units_sent - payout.units_received, payout.asset)
    return [
        Fee(gettext("Fee quoted"), quoted, unit),
        Fee(gettext("Fee paid"), paid, payout.asset),
    ]


def _note(payout: Payout, place: Place) -> str:
    if not payout.livemode:
        return gettext("Test payout: no real money moves.")
    # A demonstration brings its own operators and banks.
    if payout.rail == SIMULATED or (settings.ZOPAY_DEMO and not place.has_explorer):
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


def _poll(payout: Payout, mood: Mood, now: datetime, *, is_kept: bool) -> int:
    is_asked = payout.status in {Status.SENDING, Status.BROADCAST}
    if is_kept or (is_asked and _is_by_day(payout, now)):
        return POLL_RARELY
    if payout.is_final:
        return POLL_NEVER
    is_soon = mood is not Mood.LATE and payout.estimated_delivery_at < now + SOON
    return POLL_OFTEN if is_soon else POLL_SELDOM
