"""Bank transfer in euros: an IBAN of the SEPA zone, and the name of its holder.

An IBAN carries two check digits over all of it (ISO 13616, mod 97), so one mistyped
character or two that changed places are noticed before any bank is asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from engine.payouts.float_quotes import gateway_fees
from engine.payouts.rail_choice import can_pay
from engine.rails.bank.ibans import read_iban
from engine.rails.bank.payees import payable_name
from engine.rails.errors import DestinationInvalid
from payments.fields import DetailsInvalid, Field, Method, answer, closed_up
from payments.payees import Payee

if TYPE_CHECKING:
    from collections.abc import Mapping

    from payments.models import Payment

CODE = "bank_transfer"
NETWORK, CURRENCY = "sepa", "EUR"
# As long as a name may be in a SEPA message (EPC rulebooks: Max70Text).
HOLDER_LENGTH_MAX = 70
# The longest IBAN has 34 characters; written in fours, eight spaces more.
IBAN_LENGTH_MAX = 34 + 8
IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]+\Z", re.ASCII)


def offer(payment: Payment) -> Method | None:
    """Ask for an IBAN where the payment is in euros and we have a bank to send them from."""
    is_priced = payment.currency == CURRENCY and (NETWORK, CURRENCY) in gateway_fees()
    if not is_priced or not can_pay(NETWORK, livemode=payment.livemode):
        return None
    return Method(
        code=CODE,
        title=gettext("Bank transfer"),
        description=gettext("To a bank account in euros, by its IBAN."),
        question=gettext("Which account should receive the money?"),
        fields=(
            Field(
                name="holder",
                label=gettext("Name of the account holder"),
                hint=gettext("As the bank writes it."),
                length_max=HOLDER_LENGTH_MAX,
                autocomplete="name",
            ),
            Field(
                name="iban",
                label=gettext("IBAN"),
                hint=gettext("On your card, your statement or in your bank's app."),
                length_max=IBAN_LENGTH_MAX,
            ),
        ),
    )


def read(payment: Payment, raw: Mapping[str, str]) -> Payee:  # noqa: ARG001 - every method's own signature
    """An IBAN as banks hold it, and a name. Both are checked before either is refused."""
    holder, iban = answer(raw, "holder"), closed_up(answer(raw, "iban")).upper()
    wrong = {"holder": _holder_trouble(holder), "iban": _iban_trouble(iban)}
    errors = {name: words for name, words in wrong.items() if words}
    if errors:
        raise DetailsInvalid(errors)
    return Payee(
        network=NETWORK, asset=CURRENCY, destination=iban, country=iban[:2], holder=holder
    )


def written(payee: Payee) -> dict[str, str]:
    """The IBAN in groups of four, as it stands on paper."""
    iban = payee.destination
    fours = (iban[start : start + 4] for start in range(0, len(iban), 4))
    return {"holder": payee.holder, "iban": " ".join(fours)}


def bank_of(iban: str) -> str:
    """The bank's name, as its country lists it; "" where nobody does."""
    try:
        return read_iban(iban).bank
    except DestinationInvalid:
        return ""


def _holder_trouble(holder: str) -> str:
    if not holder:
        return gettext("Write the name that the account is in.")
    if len(holder) > HOLDER_LENGTH_MAX:
        return gettext("A name may have 70 characters. Leave out what the bank does not need.")
    try:
        payable_name(holder)
    except DestinationInvalid:
        return gettext("Write the name in Latin letters, as on your bank card.")
    return ""


def _iban_trouble(iban: str) -> str:
    if not iban:
        return gettext("Write the IBAN of the account.")
    if IBAN.match(iban) is None:
        return gettext("An IBAN begins with two letters and two digits, such as FR76 or DE89.")
    try:
        read_iban(iban)
    except DestinationInvalid as refusal:
        return _words(refusal.reason, iban)
    return ""


def _words(reason: str, iban: str) -> str:
    """The sentence for a reason of read_iban."""
    match reason:
        case "country_unknown":
            words = gettext("No country's IBANs begin with %(letters)s.")
            return words % {"letters": iban[:2]}
        case "length_wrong":
            return _length_words(iban)
        case "checksum_mismatch":
            return gettext(
                "This IBAN has a typing error: its check digits do not fit. Compare it."
            )
        case "not_in_sepa":
            return gettext(
                "Banks of that country are not reached by euro transfers of this kind."
            )
    return gettext("This IBAN is not built like one of its country. Compare it.")


def _length_words(iban: str) -> str:
    # Here, as in read_iban: only who asks for IBANs needs the tables.
    import schwifty

    needed = schwifty.IBAN(iban, allow_invalid=True).spec.iban_length
    words = gettext(
        "An IBAN that begins with %(letters)s has %(needed)d characters, not %(count)d."
    )
    return words % {"letters": iban[:2], "needed": needed, "count": len(iban)}
