"""Account numbers and bank codes: whether they can be paid, and by which bank they are."""

from __future__ import annotations

from dataclasses import dataclass

from engine.rails.errors import DestinationInvalid

IBAN_CHARS_MAX = 34
# A person may write it in groups.
SPACES = str.maketrans("", "", " \t\u00a0\u202f-.")


@dataclass(frozen=True, slots=True)
class Iban:
    """An account that SEPA reaches. `bic` and `bank` are empty where nobody lists them."""

    text: str
    country: str
    bic: str
    bank: str


def read_iban(text: str) -> Iban:
    """The account, in capitals and without spaces. Raises DestinationInvalid.

    Its reasons: `not_an_iban`, `country_unknown`, `length_wrong`, `checksum_mismatch`, and
    `not_in_sepa` for one that is right and lies where SEPA does not pay.
    """
    # Here, since its tables of banks are large and only payouts to banks need them.
    from schwifty import IBAN
    from schwifty import exceptions as refusals

    compact = text.translate(SPACES)
    if not compact.isascii() or not compact.isalnum():
        raise _refusal("not_an_iban")
    compact = compact.upper()
    if len(compact) > IBAN_CHARS_MAX:
        raise _refusal("length_wrong")
    try:
        iban = IBAN(compact)
    except refusals.InvalidCountryCode:
        raise _refusal("country_unknown") from None
    except refusals.InvalidLength:
        raise _refusal("length_wrong") from None
    except refusals.InvalidChecksumDigits:
        raise _refusal("checksum_mismatch") from None
    except refusals.SchwiftyException:
        raise _refusal("not_an_iban") from None
    if not iban.in_sepa_zone:
        raise _refusal("not_in_sepa")
    return Iban(str(iban), iban.country_code, str(iban.bic or ""), iban.bank_name or "")


def is_bic(text: str) -> bool:
    """Whether it is a bank's code as ISO 9362 has them: 8 or 11 letters and digits."""
    from schwifty import BIC
    from schwifty.exceptions import SchwiftyException

    try:
        return text.isascii() and str(BIC(text)) == text
    except SchwiftyException:
        return False


WORDS = {
    "not_an_iban": "That is not an IBAN.",
    "country_unknown": "No country's IBANs begin like that.",
    "length_wrong": "That IBAN is too short or too long for its country.",
    "checksum_mismatch": "That IBAN has a slip in it: its check digits do not match.",
    "not_in_sepa": "SEPA transfers do not reach accounts in that country.",
}


def _refusal(reason: str) -> DestinationInvalid:
    return DestinationInvalid(WORDS[reason], reason=reason)
