"""Whose a telephone number is: its country, its operator, and whether we could pay it.

A number is taken as it is possible, not as it is assigned: numbering plans grow faster
than tables, and the operator decides in the end. Whose it is is a prediction, since
numbers are carried from one operator to another.

Sources: which currency a country has, and how many decimals that has, from ISO 4217;
names of operators from the carrier tables of phonenumbers (Google's libphonenumber).
Prefixes of our own stand before those tables, which may be silent, behind, or told in
words that nobody expects. Cameroon's of 650-654, 67 and 69 are from its regulator's notice
to the ITU of 6 October 2014, its later blocks and Liberia's from the tables of 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.rails.errors import DestinationInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phonenumbers import PhoneNumber

# Gateways by the operator's name; a network is a gateway's name in lower case.
GATEWAYS = MappingProxyType({"mtn": "mtn_momo", "orange": "orange_money"})
# Smallest units of one of a currency are ten to the power of this (ISO 4217).
CURRENCIES = MappingProxyType(
    {
        "EUR": 2,
        "GHS": 2,
        "GNF": 0,
        "LRD": 2,
        "NGN": 2,
        "RWF": 0,
        "SSP": 2,
        "SZL": 2,
        "UGX": 0,
        "XAF": 0,
        "XOF": 0,
        "ZAR": 2,
        "ZMW": 2,
    }
)
# What is paid in each country. Sweden is where MTN's sandbox has its numbers, in euros.
COUNTRY_CURRENCIES = MappingProxyType(
    {
        "BF": ("XOF",),
        "BJ": ("XOF",),
        "CF": ("XAF",),
        "CG": ("XAF",),
        "CI": ("XOF",),
        "CM": ("XAF",),
        "GA": ("XAF",),
        "GH": ("GHS",),
        "GN": ("GNF",),
        "GQ": ("XAF",),
        "GW": ("XOF",),
        "LR": ("LRD",),
        "ML": ("XOF",),
        "NE": ("XOF",),
        "NG": ("NGN",),
        "RW": ("RWF",),
        "SE": ("EUR",),
        "SN": ("XOF",),
        "SS": ("SSP",),
        "SZ": ("SZL",),
        "TD": ("XAF",),
        "TG": ("XOF",),
        "UG": ("UGX",),
        "ZA": ("ZAR",),
        "ZM": ("ZMW",),
    }
)
# The longest prefix of the national number wins.
PREFIXES = MappingProxyType(
    {
        "CM": MappingProxyType(
            dict.fromkeys(
                ("650", "651", "652", "653", "654", "67", "680", "681", "682", "683"), "mtn"
            )
            | dict.fromkeys(
                ("640", "655", "656", "657", "658", "659", "686", "687", "688", "689", "69"),
                "orange",
            )
        ),
        "LR": MappingProxyType({"88": "mtn"}),
    }
)
# What the carrier tables call the two, in part of the name and lower case.
CARRIER_WORDS = MappingProxyType(
    {"mtn": "mtn", "areeba": "mtn", "lonestar": "mtn", "orange": "orange"}
)


@dataclass(frozen=True, slots=True)
class Msisdn:
    """A number that could be paid: `e164` with its plus, `country` by ISO 3166."""

    e164: str
    country: str

    @property
    def currencies(self) -> tuple[str, ...]:
        """What is paid in that country; nothing where we know none."""
        return COUNTRY_CURRENCIES.get(self.country, ())

    @property
    def operator(self) -> str:
        """`mtn`, `orange`, another one's name, or empty when nobody can tell."""
        return _operator(self.e164, self.country)

    @property
    def gateway(self) -> str:
        """The network of that operator; empty when we have none for it."""
        return GATEWAYS.get(self.operator, "")


def read_msisdn(text: str, *, currency: str) -> Msisdn:
    """Read a number in E.164, such as +237612345678, that is to be paid in `currency`.

    Raises DestinationInvalid: `not_e164`, `not_possible` or `currency_mismatch`.
    """
    number = read_number(text)
    if currency not in number.currencies:
        raise DestinationInvalid(
            f"A number of {number.country or 'no country that we know'} is not paid in"
            f" {currency}.",
            reason="currency_mismatch",
        )
    return number


def read_number(text: str) -> Msisdn:
    """Read a number in E.164 of any country. Raises DestinationInvalid as read_msisdn does."""
    # Here, since its tables take a second to load and most requests need none of them.
    import phonenumbers

    if not (text.startswith("+") and text[1:].isascii() and text[1:].isdigit()):
        raise DestinationInvalid(
            "Write the number as + and digits, such as +237612345678.", reason="not_e164"
        )
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        raise DestinationInvalid(
            "No country has such numbers.", reason="not_possible"
        ) from None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_possible_number(number) or e164 != text:
        raise DestinationInvalid("The number is too long or short.", reason="not_possible")
    return Msisdn(e164, _country(number))


def _country(number: PhoneNumber) -> str:
    """By its calling code alone where the number is possible and not assigned."""
    import phonenumbers

    return phonenumbers.region_code_for_number(number) or next(
        (
            code
            for code in phonenumbers.region_codes_for_country_code(number.country_code or 0)
            if code in COUNTRY_CURRENCIES
        ),
        "",
    )


def _operator(e164: str, country: str) -> str:
    """Predict it: our prefixes, then the carrier tables."""
    import phonenumbers

    number = phonenumbers.parse(e164)
    national = phonenumbers.national_significant_number(number)
    prefixes: Mapping[str, str] = PREFIXES.get(country, {})
    for length in range(len(national), 0, -1):
        if national[:length] in prefixes:
            return prefixes[national[:length]]
    # A second and 40 MB, for those alone whom our own table does not tell.
    from phonenumbers import carrier

    name: str = carrier.name_for_number(number, "en").lower()
    return next((ours for word, ours in CARRIER_WORDS.items() if word in name), name)
