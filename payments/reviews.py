"""What a recipient agrees to, ready for the page that looks like what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from engine.partners.validation import visible_text
from engine.rails.places import Kind, mask, place_of
from payments.methods import keeper_of
from payments.page_words import amount_of, masked_name, rate_words, soon, source_words
from payments.sessions import review_of

if TYPE_CHECKING:
    from datetime import datetime

    from engine.rails.places import Place
    from payments.models import FormSession, Payment
    from payments.sessions import Rate

# What fits beside a masked destination on a screen of 360 px.
CAPTION_CHARACTERS_MAX = 24
AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """One promise in the reader's language. `kind` is of the place that pays."""

    kind: Kind
    amount: str
    asset: str
    owed: str
    currency: str
    fee: str
    fee_asset: str
    rate: str
    rate_source: str
    rate_as_of: datetime | None
    network: str
    destination: str
    holder: str
    keeper: str
    when: str
    expires_at: datetime
    is_expired: bool
    route: dict[str, object]


def review_page(payment: Payment, session: FormSession, now: datetime) -> ReviewPage:
    """Put together what is promised, as it reads at `now`."""
    review = review_of(session)
    place = place_of(review.network)
    masked = mask(review.destination, network=review.network)
    rate: Rate | None = review.rate
    return ReviewPage(
        kind=place.kind,
        amount=amount_of(review.arrives_units, review.arrives_asset),
        asset=review.arrives_asset,
        owed=amount_of(review.pays_units, review.pays_currency),
        currency=review.pays_currency,
        fee=amount_of(review.fee_units, review.fee_asset),
        fee_asset=review.fee_asset,
        rate="" if rate is None else rate_words(rate.text),
        rate_source="" if rate is None else source_words(rate.source),
        rate_as_of=None if rate is None else rate.as_of,
        network=place.name,
        destination=masked,
        holder=masked_name(review.holder),
        keeper=keeper_of(review.method, review.destination),
        when=soon(review.seconds),
        expires_at=review.expires_at,
        is_expired=review.expires_at <= now,
        route=_route(visible_text(payment.partner.name), place, masked),
    )


def _route(payer: str, place: Place, destination: str) -> dict[str, object]:
    """The picture of the tracking page before anything has left."""
    names = _stops(payer, place)
    last = len(names) - 1
    captions = [
        "" if names[0] == _fitted(payer) else _fitted(payer),
        *[""] * (last - 1),
        destination,
    ]
    at = [100 * number // last for number in range(last + 1)]
    said = gettext("%(start)s to %(end)s: not started")
    return {
        "described": ". ".join(
            said % {"start": start, "end": end} for start, end in pairwise(names)
        ),
        "legs": [{"mark": AHEAD, "start": start, "end": end} for start, end in pairwise(at)],
        "places": [
            _stop(name, caption, number, last)
            for number, (name, caption) in enumerate(zip(names, captions, strict=True))
        ],
    }


def _stops(payer: str, place: Place) -> list[str]:
    """The hands that the money goes through."""
    match place.kind:
        case Kind.CHAIN:
            return [_fitted(payer), place.name]
        case Kind.OPERATOR:
            return [gettext("Sender"), place.carrier, gettext("Your phone")]
        case Kind.BANK:
            return [gettext("Sender"), gettext("Bank"), gettext("Your account")]


def _stop(name: str, caption: str, number: int, last: int) -> dict[str, object]:
    return {
        "name": name,
        "caption": caption,
        "at": 100 * number // last,
        "anchor": "start" if number == 0 else "end" if number == last else "middle",
        "shift": -12 if number == 0 else 12 if number == last else 0,
        "mark": AHEAD,
    }


def _fitted(text: str) -> str:
    if len(text) <= CAPTION_CHARACTERS_MAX:
        return text
    return f"{text[: CAPTION_CHARACTERS_MAX - 1].rstrip()}…"
