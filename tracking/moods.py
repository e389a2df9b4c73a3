"""What the page is about at one moment, in a sentence for a worried person.

Three kinds of places, three ways of saying where the money is: everybody can look at a
chain; an operator has it and says so by itself; a bank has it and works on working days.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from engine.payouts.states import Status
from engine.rails.bank.failures import CATALOGUE as BY_BANKS
from engine.rails.momo.failures import CATALOGUE as BY_OPERATORS
from engine.rails.places import Kind, Place, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from engine.payouts.models import Payout
    from engine.rails.bank.failures import BankFailure
    from engine.rails.momo.failures import MomoFailure

# Estimates breathe by a second or two; a page that cries late at that is wrong more often
# than right. A bank's promise of a day may run into a weekend and a holiday.
LATE_AFTER, BANK_LATE_AFTER = timedelta(seconds=5), timedelta(days=4)
OPERATOR_DOWN, LIQUIDITY = "operator_down", "liquidity"
# What is wrong with what the recipient gave, so that somebody has to look at it.
WRONG_DETAILS = frozenset(
    {"payee_not_found", "payee_number_invalid"}
    | {code for code, failure in BY_BANKS.items() if failure.is_mendable}
)
CATALOGUE: Mapping[str, BankFailure | MomoFailure] = MappingProxyType(
    {**BY_OPERATORS, **BY_BANKS}
)


class Mood(StrEnum):
    """What the page is about, at one moment. Its colour and its first sentence follow."""

    PREPARING = "preparing"
    MOVING = "moving"
    LATE = "late"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Fate(StrEnum):
    """What becomes of the money of a payout that failed."""

    RETURNED = "returned"
    # It waits for the recipient to say anew how to be paid.
    KEPT = "kept"
    # She has said so, or too late: this payout is not what tells her how it went on.
    ELSEWHERE = "elsewhere"


def mood_of(payout: Payout, now: datetime) -> Mood:
    """What to tell the recipient at `now`. Late means later than was promised."""
    match payout.status:
        case Status.DELIVERED:
            return Mood.DELIVERED
        case Status.FAILED:
            return Mood.FAILED
        case Status.CANCELLED:
            return Mood.CANCELLED
    is_bank = place_of(payout.to_network).kind is Kind.BANK
    late_after = BANK_LATE_AFTER if is_bank else LATE_AFTER
    if max(payout.estimated_delivery_at, now) > payout.promised_at + late_after:
        return Mood.LATE
    return Mood.MOVING if payout.status == Status.BROADCAST else Mood.PREPARING


def waits_for(payout: Payout) -> str:
    """Why nothing was sent yet, in the engine's stable word; "" when nothing is in the way."""
    return payout.waiting_for if payout.status in {Status.PENDING, Status.SENDING} else ""


def sentence_of(
    mood: Mood, payout: Payout, payer: str, *, fate: Fate = Fate.RETURNED
) -> tuple[str, str]:
    """The sentence that is announced and is the page's title: the news, and the comfort."""
    place, named = place_of(payout.to_network), {"payer": payer}
    comfort = ""
    match mood:
        case Mood.PREPARING:
            headline, comfort = _preparing(payout, place)
        case Mood.MOVING:
            headline, comfort = _moving(place)
        case Mood.LATE:
            headline, comfort = gettext("Taking longer than usual."), _late(payout, place)
        case Mood.DELIVERED:
            headline, comfort = gettext("Delivered."), _delivered(place)
        case Mood.FAILED:
            headline, comfort = gettext("Not delivered."), _comfort(fate) % named
        case Mood.CANCELLED:
            headline = gettext("Cancelled before it was sent.")
            comfort = gettext("Nothing was lost: the money stayed with %(payer)s.") % named
    return headline, comfort


def reason_of(payout: Payout, payer: str, *, fate: Fate = Fate.RETURNED) -> str:
    """Why it failed, and what to do now, without a word of ours in it; "" if it did not.

    What can be mended needs no advice: there is a button for it. Nor does what is mended.
    """
    match payout.status, fate:
        case Status.FAILED, Fate.RETURNED:
            advice = _advice(payout.failure_code) % {"payer": payer}
            return f"{_why(payout.failure_code)} {advice}"
        case Status.FAILED, _:
            return _why(payout.failure_code)
    return ""


def _comfort(fate: Fate) -> str:
    """Where the money is now that it was not delivered."""
    match fate:
        case Fate.RETURNED:
            return gettext("Nothing was lost: the money went back to %(payer)s.")
        case Fate.KEPT:
            return gettext("Nothing was lost: the money is kept for you.")
        case Fate.ELSEWHERE:
            return gettext(
                "Nothing was lost. What happened next is on the page where you gave your "
                "details."
            )


def _moving(place: Place) -> tuple[str, str]:
    match place.kind:
        case Kind.CHAIN:
            return gettext("On its way."), ""
        case Kind.OPERATOR:
            words = gettext("Sent to %(carrier)s, waiting for them to confirm.")
            return words % {"carrier": place.carrier}, ""
        case Kind.BANK:
            return gettext("In the bank's hands."), _working_days()


def _preparing(payout: Payout, place: Place) -> tuple[str, str]:
    if waits_for(payout):
        return _waiting(payout, place)
    # Until a bank says that it has the order, which some never do, nobody knows more.
    if place.kind is Kind.BANK and payout.status == Status.SENDING:
        return gettext("On its way to the bank."), _working_days()
    return gettext("Preparing your payout."), ""


def _waiting(payout: Payout, place: Place) -> tuple[str, str]:
    """Nothing has left. What is in the way is told as far as it helps to know."""
    if waits_for(payout) == OPERATOR_DOWN and place.kind is Kind.OPERATOR:
        headline = gettext("Waiting for %(carrier)s.") % {"carrier": place.carrier}
        comfort = gettext(
            "They do not answer just now. Your payout leaves by itself as soon as they do."
        )
        return headline, comfort
    if waits_for(payout) == LIQUIDITY:
        comfort = gettext(
            "The account it is paid from is being topped up. Your money is set aside, and "
            "leaves by itself after that."
        )
    else:
        comfort = gettext(
            "Your money is set aside, and leaves by itself as soon as it can. There is "
            "nothing you need to do."
        )
    return gettext("Waiting to leave."), comfort


def _late(payout: Payout, place: Place) -> str:
    if waits_for(payout):
        return _waiting(payout, place)[1]
    if payout.status != Status.BROADCAST:
        return ""
    match place.kind:
        case Kind.CHAIN:
            return ""
        case Kind.OPERATOR:
            words = gettext("%(carrier)s has not confirmed it yet. It is never sent twice.")
            return words % {"carrier": place.carrier}
        case Kind.BANK:
            return _working_days()


def _working_days() -> str:
    return gettext(
        "Banks work on working days: the next one may pass before you see it in your account."
    )


def _delivered(place: Place) -> str:
    match place.kind:
        case Kind.CHAIN:
            return ""
        case Kind.OPERATOR:
            words = gettext("The money is in your %(network)s account.")
            return words % {"network": place.name}
        case Kind.BANK:
            return gettext("The bank has paid it. Your own bank may show it a little later.")


def _why(code: str) -> str:
    said = CATALOGUE.get(code)
    if said is not None:
        return gettext(said.recipient)
    reasons = {
        "destination_rejected": gettext("The network did not accept this address."),
        "transfer_reverted": gettext("The network could not complete the transfer."),
        "asset_not_on_network": gettext("This asset cannot be received on that network."),
    }
    return reasons.get(code, gettext("The transfer could not be completed."))


def _advice(code: str) -> str:
    said = CATALOGUE.get(code)
    if said is None or code in WRONG_DETAILS:
        return gettext("Ask %(payer)s to check the details and send it again.")
    if said.is_retryable:
        return gettext("Ask %(payer)s to send it again.")
    return gettext("Ask %(payer)s to pay you in another way.")
