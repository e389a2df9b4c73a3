"""Events of a payout → what a stranger may see of it, in words for a worried person.

Pure functions over rows already read: nothing here asks the database or a rail. What is
true inside and means nothing to a recipient (`sending`, a review, a lease) stays inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from engine.payouts.states import FINAL, Status
from engine.rails.explorers import SIMULATED, explorer_url, is_of_the_house
from engine.rails.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.payouts.models import Payout, PayoutEvent
    from engine.rails.networks import Network

# Estimates breathe by a second or two; a page that cries late at that is wrong more often
# than right.
LATE_AFTER = timedelta(seconds=5)
HEAD_CHARACTERS, TAIL_CHARACTERS = 6, 4


class Mood(StrEnum):
    """What the page is about, at one moment. Its colour and its first sentence follow."""

    PREPARING = "preparing"
    MOVING = "moving"
    LATE = "late"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


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


def mood_of(payout: Payout, now: datetime) -> Mood:
    """What to tell the recipient at `now`. Late means later than was promised."""
    match payout.status:
        case Status.DELIVERED:
            return Mood.DELIVERED
        case Status.FAILED:
            return Mood.FAILED
        case Status.CANCELLED:
            return Mood.CANCELLED
    if max(payout.estimated_delivery_at, now) > payout.promised_at + LATE_AFTER:
        return Mood.LATE
    return Mood.MOVING if payout.status == Status.BROADCAST else Mood.PREPARING


def sentence_of(mood: Mood, payer: str) -> tuple[str, str]:
    """The sentence that is announced and is the page's title: the news, and the comfort.

    Only bad news has a comfort: where the money is now.
    """
    match mood:
        case Mood.PREPARING:
            return gettext("Preparing your payout."), ""
        case Mood.MOVING:
            return gettext("On its way."), ""
        case Mood.LATE:
            return gettext("Taking longer than usual."), ""
        case Mood.DELIVERED:
            return gettext("Delivered."), ""
        case Mood.FAILED:
            comfort = gettext("Nothing was lost: the money went back to %(payer)s.")
            return gettext("Not delivered."), comfort % {"payer": payer}
        case Mood.CANCELLED:
            comfort = gettext("Nothing was lost: the money stayed with %(payer)s.")
            return gettext("Cancelled before it was sent."), comfort % {"payer": payer}


def reason_of(payout: Payout, payer: str) -> str:
    """Why it failed, and what to do now, without a word of ours in it; "" if it did not."""
    if payout.status != Status.FAILED:
        return ""
    reasons = {
        "destination_rejected": gettext("The network did not accept this address."),
        "transfer_reverted": gettext("The network could not complete the transfer."),
        "asset_not_on_network": gettext("This asset cannot be received on that network."),
    }
    why = reasons.get(payout.failure_code, gettext("The transfer could not be completed."))
    what_now = gettext("Ask %(payer)s to check the details and send it again.")
    return f"{why} {what_now % {'payer': payer}}"


def timeline_of(payout: Payout, events: Sequence[PayoutEvent], payer: str) -> list[Line]:
    """Every step so far, oldest first, and the one that everybody waits for."""
    public = [event for event in events if event.status != Status.SENDING]
    shown: set[str] = set()
    lines = []
    for event in public:
        is_last = event is public[-1] and payout.status not in FINAL
        lines.append(
            Line(
                key=str(event.number),
                sentence=_words(payout, event, payer, is_waiting=is_last),
                moment=event.happened_at,
                mark=_mark(event, is_waiting=is_last),
                # Delivered under the reference it was sent under: once is enough.
                proof=None if event.reference in shown else proof_of(payout, event),
                happened=_words(payout, event, payer, is_waiting=False),
            )
        )
        shown.add(event.reference)
    if payout.status not in FINAL:
        place = NETWORKS[payout.to_network].name
        arrival = gettext("Delivery on %(network)s") % {"network": place}
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


def shorten(text: str) -> str:
    """First six, last four: enough to compare, too little to use."""
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    return f"{text[:HEAD_CHARACTERS]}…{text[-TAIL_CHARACTERS:]}"


def _mark(event: PayoutEvent, *, is_waiting: bool) -> Mark:
    if event.status in {Status.FAILED, Status.CANCELLED}:
        return Mark.BROKEN
    return Mark.CURRENT if is_waiting else Mark.DONE


def _words(payout: Payout, event: PayoutEvent, payer: str, *, is_waiting: bool) -> str:
    network = NETWORKS.get(event.network)
    named = {"payer": payer, "network": event.network if network is None else network.name}
    match event.status:
        case Status.PENDING:
            words = gettext("%(payer)s ordered this payout")
        case Status.DELIVERED:
            words = gettext("Delivered on %(network)s")
        case Status.FAILED:
            words = gettext("Failed; the money went back to %(payer)s")
        case Status.CANCELLED:
            words = gettext("Cancelled before it was sent")
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
