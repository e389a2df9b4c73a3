"""Mobile money: a number, and the operator whom it most likely belongs to.

Numbers are carried from one operator to another, so the prediction is an offer: who is
paid may name the operator herself.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.utils.translation import gettext, gettext_lazy

from engine.payouts.float_quotes import gateway_fees
from engine.payouts.rail_choice import payable_countries
from engine.rails.errors import DestinationInvalid
from engine.rails.operators import COUNTRY_CURRENCIES, GATEWAYS, read_number
from engine.rails.places import place_of
from payments.fields import (
    CHOICE,
    Choice,
    DetailsInvalid,
    Field,
    Method,
    answer,
    closed_up,
    in_words,
)
from payments.payees import Payee

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phonenumbers import PhoneNumber

    from engine.rails.operators import Msisdn
    from payments.models import Payment

    Places = Mapping[str, list[str]]

CODE = "mobile_money"
# Where people have accounts in it. MTN's sandbox speaks euros, and nobody lives there.
CURRENCIES = frozenset({"XAF", "XOF"})
GATEWAY_NAMES = MappingProxyType({code: place_of(code).name for code in GATEWAYS.values()})
COUNTRY_NAMES = MappingProxyType(
    {
        "BF": gettext_lazy("Burkina Faso"),
        "BJ": gettext_lazy("Benin"),
        "CF": gettext_lazy("Central African Republic"),
        "CG": gettext_lazy("Congo"),
        "CI": gettext_lazy("Ivory Coast"),
        "CM": gettext_lazy("Cameroon"),
        "GA": gettext_lazy("Gabon"),
        "GQ": gettext_lazy("Equatorial Guinea"),
        "GW": gettext_lazy("Guinea-Bissau"),
        "ML": gettext_lazy("Mali"),
        "NE": gettext_lazy("Niger"),
        "SN": gettext_lazy("Senegal"),
        "TD": gettext_lazy("Chad"),
        "TG": gettext_lazy("Togo"),
    }
)
# The country that stands there at first: of those with the currency, the most people.
FIRST_COUNTRIES = MappingProxyType({"XAF": "CM", "XOF": "CI"})
# 15 digits and a plus are the longest number of E.164; two zeros may stand for the plus.
DIGITS = re.compile(r"\+?[0-9]{4,18}\Z", re.ASCII)


def offer(payment: Payment) -> Method | None:
    """Ask for a number of a country where an operator of ours pays the currency."""
    places = _places(payment)
    if not places:
        return None
    names = [GATEWAY_NAMES[gateway] for gateway in places]
    return Method(
        code=CODE,
        title=gettext("Mobile money"),
        description=gettext("To your %(operators)s account.")
        % {"operators": in_words(names, last=gettext("or"))},
        question=gettext("Which number should receive the money?"),
        fields=(_country_field(payment, places), _number_field(), _gateway_field(places)),
    )


def read(payment: Payment, raw: Mapping[str, str]) -> Payee:
    """A number in international or national form, of the operator named or predicted."""
    places = _places(payment)
    countries = _countries(places)
    country = answer(raw, "country").upper() or (countries[0] if len(countries) == 1 else "")
    number = _number(answer(raw, "number"), country, countries)
    if number.country not in countries:
        raise DetailsInvalid({"number": _elsewhere(payment.currency, countries)})
    gateway = answer(raw, "gateway").lower() or _predicted(number, places)
    if number.country not in places.get(gateway, ()):
        raise DetailsInvalid({"gateway": _not_by(gateway, number)})
    return Payee(
        network=gateway,
        asset=payment.currency,
        destination=number.e164,
        country=number.country,
    )


def written(payee: Payee) -> dict[str, str]:
    """The number in international form with its spaces."""
    import phonenumbers

    number = phonenumbers.parse(payee.destination)
    style = phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return {
        "country": payee.country,
        "number": phonenumbers.format_number(number, style),
        "gateway": payee.network,
    }


def _places(payment: Payment) -> Places:
    """The countries that each operator pays the payment's currency in, if any."""
    currency = payment.currency
    if currency not in CURRENCIES:
        return {}
    priced = {gateway for gateway, paid in gateway_fees() if paid == currency}
    paid_there = [
        country for country in COUNTRY_NAMES if currency in COUNTRY_CURRENCIES[country]
    ]
    reached = {
        gateway: payable_countries(
            gateway, paid_there, currency=currency, livemode=payment.livemode
        )
        for gateway in sorted(priced.intersection(GATEWAYS.values()))
    }
    return {gateway: countries for gateway, countries in reached.items() if countries}


def _countries(places: Places) -> list[str]:
    """By name in the reader's language."""
    reached = {country for countries in places.values() for country in countries}
    return sorted(reached, key=lambda country: str(COUNTRY_NAMES[country]))


def _country_field(payment: Payment, places: Places) -> Field:
    # Here, since only who asks for numbers needs the tables.
    import phonenumbers

    countries = _countries(places)
    first = FIRST_COUNTRIES[payment.currency]
    return Field(
        name="country",
        label=gettext("Country of the number"),
        kind=CHOICE,
        choices=tuple(
            Choice(
                country,
                str(COUNTRY_NAMES[country]),
                f"+{phonenumbers.country_code_for_region(country)}",
            )
            for country in countries
        ),
        default=first if first in countries else countries[0],
        is_required=len(countries) > 1,
    )


def _number_field() -> Field:
    return Field(
        name="number",
        label=gettext("Mobile number"),
        hint=gettext("Spaces are fine. With + and the country code, or without."),
        length_max=32,
        inputmode="tel",
        autocomplete="tel",
    )


def _gateway_field(places: Places) -> Field:
    return Field(
        name="gateway",
        label=gettext("Operator"),
        kind=CHOICE,
        choices=(
            Choice("", gettext("Tell it from the number")),
            *(Choice(gateway, GATEWAY_NAMES[gateway]) for gateway in places),
        ),
        is_required=False,
    )


def _number(text: str, country: str, countries: list[str]) -> Msisdn:
    """Raises DetailsInvalid."""
    import phonenumbers

    digits = closed_up(text)
    if not digits:
        raise DetailsInvalid({"number": gettext("Write the number that should be paid.")})
    if DIGITS.match(digits) is None:
        raise DetailsInvalid(
            {"number": gettext("A number has digits alone, and perhaps a + before them.")}
        )
    if not digits.startswith(("+", "00")) and country not in countries:
        raise DetailsInvalid({"country": gettext("Choose the country of the number.")})
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    try:
        parsed = phonenumbers.parse(digits, country or None)
    except phonenumbers.NumberParseException:
        raise DetailsInvalid({"number": gettext("No country has such numbers.")}) from None
    _check_length(parsed)
    style = phonenumbers.PhoneNumberFormat.E164
    try:
        return read_number(phonenumbers.format_number(parsed, style))
    except DestinationInvalid:
        raise DetailsInvalid(
            {"number": gettext("This cannot be a number. Check each digit.")}
        ) from None


def _check_length(number: PhoneNumber) -> None:
    """Mobile numbers have lengths of their own. Raises DetailsInvalid."""
    import phonenumbers

    mobile = phonenumbers.PhoneNumberType.MOBILE
    result = phonenumbers.is_possible_number_for_type_with_reason(number, mobile)
    if result in {
        phonenumbers.ValidationResult.TOO_SHORT,
        phonenumbers.ValidationResult.INVALID_LENGTH,
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
    }:
        words = gettext("This number is too short for a mobile number. Is a digit missing?")
        raise DetailsInvalid({"number": words})
    if result == phonenumbers.ValidationResult.TOO_LONG:
        words = gettext("This number is too long. Is there a digit too many?")
        raise DetailsInvalid({"number": words})


def _predicted(number: Msisdn, places: Places) -> str:
    """The operator that pays it. Raises DetailsInvalid where it is one that cannot."""
    if number.gateway in places:
        return number.gateway
    names = in_words([GATEWAY_NAMES[gateway] for gateway in places], last=gettext("or"))
    if not number.operator:
        words = gettext("We cannot tell the operator from the number. Choose it: %(names)s.")
        raise DetailsInvalid({"gateway": words % {"names": names}})
    words = gettext(
        "This number seems to be with %(operator)s, whom we cannot pay. Give a number with"
        " %(names)s, or choose your operator if the number has moved there."
    )
    operator = GATEWAY_NAMES.get(number.gateway, number.operator.title())
    raise DetailsInvalid({"gateway": words % {"operator": operator, "names": names}})


def _elsewhere(currency: str, countries: list[str]) -> str:
    names = in_words([str(COUNTRY_NAMES[country]) for country in countries], last=gettext("or"))
    words = gettext(
        "This number is of another country. %(currency)s can be paid to numbers of %(names)s."
    )
    return words % {"currency": currency, "names": names}


def _not_by(gateway: str, number: Msisdn) -> str:
    name = GATEWAY_NAMES.get(gateway)
    if name is None:
        return gettext("Choose one of the operators.")
    words = gettext("%(operator)s cannot be paid in %(country)s just now. Choose another.")
    return words % {"operator": name, "country": COUNTRY_NAMES[number.country]}
