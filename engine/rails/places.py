"""Where money can be paid, in words for people: chains, mobile-money operators, banks.

Calling codes are of one to three digits and none begins another (ITU-T E.164, list of
assigned country codes): those of one and two digits are listed here, the rest have three.
So a number is masked without the tables of phonenumbers, which take a second to load.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from django.utils.translation import gettext

from engine.rails.networks import NETWORKS


class Kind(StrEnum):
    """Who carries the money there: everybody, a telephone company, or a bank."""

    CHAIN = "chain"
    OPERATOR = "operator"
    BANK = "bank"


@dataclass(frozen=True, slots=True)
class Place:
    """`carrier` is what people call whoever has the money on its last way, such as MTN."""

    code: str
    english: str
    carrier: str
    kind: Kind

    @property
    def name(self) -> str:
        """Its name for people; a proper name is the same in every language."""
        return gettext(self.english) if self.kind is Kind.BANK else self.english

    @property
    def has_explorer(self) -> bool:
        """Whether anybody can look there for what was paid."""
        return self.kind is Kind.CHAIN


SEPA = "sepa"
_PLACES = (
    *(Place(one.code, one.name, one.name, Kind.CHAIN) for one in NETWORKS.values()),
    Place("mtn_momo", "MTN Mobile Money", "MTN", Kind.OPERATOR),
    Place("orange_money", "Orange Money", "Orange", Kind.OPERATOR),
    Place(SEPA, "Bank transfer (SEPA)", "SEPA", Kind.BANK),
)
PLACES = MappingProxyType({place.code: place for place in _PLACES})

HIDDEN = "…"
HEAD_CHARACTERS, TAIL_CHARACTERS = 6, 4
# Of a number's own digits at most this many, and never more than a third of them.
NUMBER_DIGITS_SHOWN, NUMBER_SHARE_SHOWN = 3, 3
_E164 = re.compile(r"\+[1-9][0-9]{5,14}\Z", re.ASCII)
# ISO 13616: country, two check digits, and up to 30 more; Norway's 15 are the shortest.
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}\Z", re.ASCII)
_CODES_OF_ONE = frozenset("17")
_CODES_OF_TWO = frozenset(
    (
        *("20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41"),
        *("43", "44", "45", "46", "47", "48", "49", "51", "52", "53", "54"),
        *("55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66"),
        *("81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98"),
    )
)


def place_of(network: str) -> Place:
    """The place that APIs call `network`. Raises KeyError."""
    return PLACES[network]


def mask(destination: str, *, network: str) -> str:
    """Enough of a destination to know it again, too little to use.

    A number's country code and last two or three digits, an IBAN's country and last four,
    an address's first six and last four. What is not in the shape of its network is hidden
    whole, since nobody knows what it is.
    """
    place = PLACES.get(network)
    if place is None:
        return HIDDEN
    match place.kind:
        case Kind.CHAIN:
            return shorten(destination)
        case Kind.OPERATOR:
            return _mask_number(destination)
        case Kind.BANK:
            return _mask_iban(destination)


def shorten(text: str) -> str:
    """First six, last four: enough to compare. For what is public, such as a hash."""
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    return f"{text[:HEAD_CHARACTERS]}{HIDDEN}{text[-TAIL_CHARACTERS:]}"


def _mask_number(e164: str) -> str:
    if not _E164.match(e164):
        return HIDDEN
    digits = e164[1:]
    country = 1 if digits[0] in _CODES_OF_ONE else 2 if digits[:2] in _CODES_OF_TWO else 3
    own = digits[country:]
    shown = min(NUMBER_DIGITS_SHOWN, len(own) // NUMBER_SHARE_SHOWN)
    return f"+{digits[:country]} {HIDDEN} {own[len(own) - shown :]}".rstrip()


def _mask_iban(text: str) -> str:
    iban = "".join(text.split()).upper()
    if not _IBAN.match(iban):
        return HIDDEN
    return f"{iban[:2]} {HIDDEN} {iban[-TAIL_CHARACTERS:]}"
