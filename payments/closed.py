"""What the form says where it does not ask: it was used, it ended, or it cannot go on."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from engine.partners.validation import visible_text
from engine.payouts import errors
from engine.payouts.models import Payout
from engine.payouts.states import GIVEN_UP, Status
from engine.rails.places import Kind, mask, place_of
from payments import stablecoin
from payments.models import PaymentStatus
from payments.page_words import amount_of, failure_words

if TYPE_CHECKING:
    from uuid import UUID

    from engine.common.errors import RequestRefused
    from payments.models import Payment


@dataclass(frozen=True, slots=True)
class Said:
    """A page without a question. `mood` colours it; `payout_id` is what can be watched."""

    mood: str
    headline: str
    words: str
    status: int = HTTPStatus.OK
    payout_id: UUID | None = None
    amount: str = ""
    asset: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """The last try: where it should have gone, masked, and why it did not arrive."""

    where: str
    reason: str


def state_of(payment: Payment) -> Said:
    """What has become of a payment whose form is not open."""
    payout = _paid_by(payment)
    if payout is None:
        return _ended(payment)
    where = _where(payout)
    if payment.status == PaymentStatus.SUCCEEDED:
        mood, headline = "delivered", gettext("It has arrived.")
        words = gettext("This link has done its work: the money went to %(where)s.")
    else:
        mood, headline = "moving", gettext("It is on its way.")
        words = gettext(
            "This form was filled in already: the money goes to %(where)s. The first answer"
            " counts, and nothing is paid twice."
        )
    return Said(
        mood=mood,
        headline=headline,
        words=words % {"where": where},
        payout_id=payout.pk,
        amount=amount_of(payout.units_received, payout.asset),
        asset=payout.asset,
    )


def _paid_by(payment: Payment) -> Payout | None:
    """The payout under way, or the one that arrived; None where it has come to nothing."""
    if payment.payout_id is None or payment.status == PaymentStatus.FAILED:
        return None
    return Payout.objects.exclude(status__in=GIVEN_UP).filter(pk=payment.payout_id).first()


def failure_of(payment: Payment) -> Failure | None:
    """What went wrong last time, while the form is open again; None at the first try."""
    if payment.payout_id is None:
        return None
    payout = Payout.objects.filter(pk=payment.payout_id, status__in=GIVEN_UP).first()
    if payout is None:
        return None
    code = "cancelled" if payout.status == Status.CANCELLED else payout.failure_code
    return Failure(where=_where(payout), reason=failure_words(code))


def no_way(payment: Payment) -> Said:
    """Nothing of ours pays this currency at the moment."""
    words = gettext(
        "None of our ways to pay %(currency)s works at this moment. Your money is kept for"
        " you: open this link again in an hour."
    )
    return Said(
        mood="late",
        headline=gettext("We cannot pay you just now."),
        words=words % {"currency": payment.currency},
        status=HTTPStatus.SERVICE_UNAVAILABLE,
    )


def stop_of(payment: Payment, refusal: RequestRefused) -> Said:
    """Why an agreed payment was not begun. Nothing has moved, and the form is open still."""
    payer = visible_text(payment.partner.name)
    kept = gettext("Nothing was sent, and your money is kept for you.")
    match refusal:
        case errors.PayoutsFrozen():
            headline = gettext("Payments are paused.")
            advice = gettext("Try again in a few minutes.")
        case errors.LimitReached():
            headline = gettext("A limit is reached.")
            advice = gettext("Ask %(payer)s to have it raised, or try again tomorrow.")
        case errors.DestinationBlocked():
            headline = gettext("Nobody may be paid there.")
            advice = gettext("Give another account, or choose another way.")
        case _:
            headline = gettext("This way cannot be paid just now.")
            advice = gettext("Try again later, or choose another way.")
    return Said(
        mood="late",
        headline=headline,
        words=f"{kept} {advice % {'payer': payer}}",
        status=refusal.http_status,
    )


def too_small(method: str) -> str:
    """Where the fee is more than what is owed."""
    if method == stablecoin.CODE:
        return gettext("The fee of this network is more than the amount. Choose another one.")
    return gettext("The fee of this way is more than the amount. Choose another way.")


def _ended(payment: Payment) -> Said:
    payer = visible_text(payment.partner.name)
    reason = ""
    if not payment.is_final:
        # Its time is over, and the sweep that gives the money back has yet to come.
        headline = gettext("This link has expired.")
        words = gettext(
            "Nobody filled in the form before its time ran out. The money goes back to"
            " %(payer)s: ask them for a new link."
        )
    elif payment.failure_code == "expired":
        headline = gettext("This link has expired.")
        words = gettext(
            "Nobody filled in the form before its time ran out. The money went back to"
            " %(payer)s: ask them for a new link."
        )
    elif payment.failure_code == "cancelled":
        headline = gettext("This payment was cancelled.")
        words = gettext("The money went back to %(payer)s. Ask them if you expected it.")
    else:
        reason = failure_words(payment.failure_code)
        headline = gettext("This could not be paid.")
        words = gettext("The money went back to %(payer)s. Ask them to pay you in another way.")
    said = words % {"payer": payer}
    return Said(mood="failed", headline=headline, words=f"{reason} {said}".lstrip())


def _where(payout: Payout) -> str:
    """A masked destination and who keeps it: ``+237 … 456 (MTN Mobile Money)``."""
    masked, place = (
        mask(payout.destination, network=payout.to_network),
        place_of(payout.to_network),
    )
    return f"{masked} ({place.carrier if place.kind is Kind.BANK else place.name})"
