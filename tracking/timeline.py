"""Events of a payout → what a stranger may see of it, in words for a worried person.

Pure functions over rows already read: nothing here asks the database or a rail. What is
true inside and means nothing to a recipient (`sending`, a review, a lease) stays inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from engine.payouts.states import FINAL, Status
from engine.rails.explorers import SIMULATED, explorer_url, is_of_the_house
from engine.rails.networks import NETWORKS
from engine.rails.places import Kind, place_of, shorten
from tracking.moods import Fate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.payouts.models import Payout, PayoutEvent
    from engine.rails.networks import Network
    from engine.rails.places import Place


class Mark(StrEnum):
    """How a line of the timeline is drawn."""

    DONE = "done"
    CURRENT = "current"
    AHEAD = "ahead"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the outside calls a step, and where anybody may check it ("" when nowhere)."""

    reference: str
    short: str
    url: str
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline: what, when, proof. `moment` is None for what is to come.

    `happened` is the sentence without what everybody waits for: it stays as it is.
    """

    key: str
    sentence: str
    moment: datetime | None
    mark: Mark
    proof: Proof | None = None
    happened: str = ""


def timeline_of(
    payout: Payout,
    events: Sequence[PayoutEvent],
    payer: str,
    *,
    fate: Fate = Fate.RETURNED,
) -> list[Line]:
    """Every step so far, oldest first, and the one that everybody waits for."""
    words = partial(_words, payout, payer=payer, fate=fate)
    public = [event for event in events if event.status != Status.SENDING]
    shown: set[str] = set()
    lines = []
    for event in public:
        is_last = event is public[-1] and payout.status not in FINAL
        lines.append(
            Line(
                key=str(event.number),
                sentence=words(event, is_waiting=is_last),
                moment=event.happened_at,
                mark=_mark(event, is_waiting=is_last),
                # Delivered under the reference it was sent under: once is enough.
                proof=None if event.reference in shown else proof_of(payout, event),
                happened=words(event, is_waiting=False),
            )
        )
        shown.add(event.reference)
    if payout.status not in FINAL:
        arrival = _arrival(place_of(payout.to_network))
        lines.append(Line("arrival", arrival, None, Mark.AHEAD))
    return lines


def proof_of(payout: Payout, event: PayoutEvent) -> Proof | None:
    """What anybody may check a step by; nobody outside has heard of what the house did."""
    if not event.reference or is_of_the_house(event.reference):
        return None
    return Proof(
        reference=event.reference,
        short=shorten(event.reference),
        url=explorer_url(rail=payout.rail, network=event.network, reference=event.reference),
        is_simulated=payout.rail == SIMULATED,
    )


def _mark(event: PayoutEvent, *, is_waiting: bool) -> Mark:
    if event.status in {Status.FAILED, Status.CANCELLED}:
        return Mark.BROKEN
    return Mark.CURRENT if is_waiting else Mark.DONE


def _words(
    payout: Payout, event: PayoutEvent, *, payer: str, is_waiting: bool, fate: Fate
) -> str:
    place = place_of(payout.to_network)
    match event.status:
        case Status.PENDING:
            words = gettext("%(payer)s ordered this payout")
        case Status.FAILED:
            words = _words_of_failure(fate)
        case Status.CANCELLED:
            words = gettext("Cancelled before it was sent")
        case _ if place.kind is Kind.CHAIN:
            return _words_on_chain(payout, event, is_waiting=is_waiting)
        case _:
            return _words_of_carrier(event, place)
    return words % {"payer": payer}


def _words_of_failure(fate: Fate) -> str:
    match fate:
        case Fate.RETURNED:
            return gettext("Failed; the money went back to %(payer)s")
        case Fate.KEPT:
            return gettext("Failed; the money is kept for you")
        case Fate.ELSEWHERE:
            return gettext("Failed")


def _arrival(place: Place) -> str:
    match place.kind:
        case Kind.CHAIN:
            return gettext("Delivery on %(network)s") % {"network": place.name}
        case Kind.OPERATOR:
            words = gettext("Arrival in your %(network)s account")
            return words % {"network": place.name}
        case Kind.BANK:
            return gettext("Arrival in your bank account")


def _words_of_carrier(event: PayoutEvent, place: Place) -> str:
    """An operator or a bank took it, or says that it is paid."""
    is_paid = event.status == Status.DELIVERED
    if place.kind is Kind.BANK:
        return gettext("Paid by the bank") if is_paid else gettext("Handed to the bank")
    words = gettext("Confirmed by %(carrier)s") if is_paid else gettext("Sent to %(carrier)s")
    return words % {"carrier": place.carrier}


def _words_on_chain(payout: Payout, event: PayoutEvent, *, is_waiting: bool) -> str:
    network = NETWORKS.get(event.network)
    named = {"network": event.network if network is None else network.name}
    match event.status:
        case Status.DELIVERED:
            words = gettext("Delivered on %(network)s")
        case _ if is_of_the_house(event.reference):
            return _words_of_the_house(payout)
        case _ if (
            network is not None and payout.is_bridged and payout.from_network == network.code
        ):
            return _words_before_the_bridge(payout, network, is_waiting=is_waiting)
        case _ if is_waiting and network is not None:
            return _waiting_words(payout, network)
        case _:
            words = gettext("Sent on %(network)s")
    return words % named


def _words_of_the_house(payout: Payout) -> str:
    """Nothing left by leg 1: the house pays there from what it has there already."""
    words = gettext("Moved from %(start)s to %(end)s by the house's own liquidity")
    return words % {
        "start": NETWORKS[payout.from_network].name,
        "end": NETWORKS[payout.to_network].name,
    }


def _words_before_the_bridge(payout: Payout, network: Network, *, is_waiting: bool) -> str:
    if not is_waiting:
        return gettext("Sent on %(network)s to the bridge") % {"network": network.name}
    if payout.leg > 1:
        target = NETWORKS[payout.to_network].name
        return gettext("Across the bridge, next is %(network)s") % {"network": target}
    if not payout.confirmations_needed:
        words = gettext("Sent on %(network)s to the bridge, waiting for confirmations")
    else:
        words = gettext(
            "Sent on %(network)s to the bridge, "
            "waiting for confirmations (%(count)d of %(needed)d)"
        )
    return words % {"network": network.name, **_depth(payout)}


def _waiting_words(payout: Payout, network: Network) -> str:
    """How deep it is, of how deep it must be; no figure where nobody has looked yet."""
    if not payout.confirmations_needed:
        words = gettext("Sent on %(network)s, waiting for confirmations")
    else:
        words = gettext(
            "Sent on %(network)s, waiting for confirmations (%(count)d of %(needed)d)"
        )
    return words % {"network": network.name, **_depth(payout)}


def _depth(payout: Payout) -> dict[str, int]:
    """As the words name it. A chain goes on growing, and 21 of 20 would be odd to read."""
    needed = payout.confirmations_needed
    return {"count": min(payout.confirmations, needed), "needed": needed}
