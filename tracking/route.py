"""The route as a picture: places, and the legs between them, as data for an inline SVG.

Horizontal places are percentages of the picture's width, so that the same drawing fits a
phone and a desktop and its letters keep their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from engine.payouts.states import FINAL, Status
from engine.rails.networks import NETWORKS
from engine.rails.places import Kind, mask, place_of
from tracking.timeline import Mark

if TYPE_CHECKING:
    from engine.payouts.models import Payout

# What fits beside a masked destination on a screen of 360 px.
CAPTION_CHARACTERS_MAX = 24


@dataclass(frozen=True, slots=True)
class Place:
    """A named stop. `at` is a percentage; `anchor` and `shift` keep the ends inside."""

    name: str
    caption: str
    at: int
    anchor: str
    shift: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Leg:
    """The line from one place to the next, as percentages."""

    start: int
    end: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Route:
    places: list[Place]
    legs: list[Leg]
    described: str


def route_of(payout: Payout, payer: str, *, has_left: bool) -> Route:
    """Draw how far the money is: travelled, travelling, still to travel, or broken off.

    `has_left` says whether a network ever saw it: what fails before that stays where it was.
    """
    names = _names(payout)
    captions = [
        _fitted(payer),
        *[""] * (len(names) - 2),
        mask(payout.destination, network=payout.to_network),
    ]
    legs = _leg_marks(payout, len(names) - 1, has_left=has_left)
    last = len(names) - 1
    places = [
        Place(
            name=name,
            caption=caption,
            at=100 * number // last,
            anchor="start" if number == 0 else "end" if number == last else "middle",
            shift=-12 if number == 0 else 12 if number == last else 0,
            mark=_place_mark(payout, number, legs),
        )
        for number, (name, caption) in enumerate(zip(names, captions, strict=True))
    ]
    drawn = [
        Leg(places[number].at, places[number + 1].at, mark) for number, mark in enumerate(legs)
    ]
    return Route(places, drawn, _described(names, legs))


def _names(payout: Payout) -> list[str]:
    """The stops: networks with a bridge between them, or hands that the money goes through."""
    place = place_of(payout.to_network)
    match place.kind:
        case Kind.CHAIN if payout.is_bridged:
            return [NETWORKS[payout.from_network].name, gettext("Bridge"), place.name]
        case Kind.CHAIN:
            return [NETWORKS[payout.from_network].name, place.name]
        case Kind.OPERATOR:
            return [gettext("Sender"), place.carrier, gettext("Your phone")]
        case Kind.BANK:
            return [gettext("Sender"), gettext("Bank"), gettext("Your account")]


def _leg_marks(payout: Payout, count: int, *, has_left: bool) -> list[Mark]:
    """The leg under way is the payout's own; before it all is done, after it nothing.

    Who has taken it from us, be it an operator or a bank, is on the last one.
    """
    if payout.status == Status.DELIVERED:
        return [Mark.DONE] * count
    on_chain = place_of(payout.to_network).kind is Kind.CHAIN
    leg = payout.leg if on_chain or not has_left else count
    current = min(leg, count) - 1
    here = Mark.BROKEN if payout.status in FINAL else Mark.CURRENT
    if not has_left:
        here = Mark.AHEAD
    return [Mark.DONE] * current + [here] + [Mark.AHEAD] * (count - current - 1)


def _place_mark(payout: Payout, number: int, legs: list[Mark]) -> Mark:
    """A place is reached when the leg before it is done; the first one is left or waited at."""
    if number > 0:
        before = legs[number - 1]
        return Mark.AHEAD if before == Mark.CURRENT else before
    if legs[0] != Mark.AHEAD:
        return Mark.DONE
    return Mark.BROKEN if payout.status in FINAL else Mark.CURRENT


def _described(names: list[str], legs: list[Mark]) -> str:
    """The picture in words, for whoever cannot see it."""
    words = {
        Mark.DONE: gettext("%(start)s to %(end)s: done"),
        Mark.CURRENT: gettext("%(start)s to %(end)s: under way"),
        Mark.AHEAD: gettext("%(start)s to %(end)s: not started"),
        Mark.BROKEN: gettext("%(start)s to %(end)s: stopped"),
    }
    return ". ".join(
        words[mark] % {"start": names[number], "end": names[number + 1]}
        for number, mark in enumerate(legs)
    )


def _fitted(text: str) -> str:
    if len(text) <= CAPTION_CHARACTERS_MAX:
        return text
    return f"{text[: CAPTION_CHARACTERS_MAX - 1].rstrip()}…"
