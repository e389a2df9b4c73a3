"""Public names that nobody can guess: 26 characters of Crockford's base32, 130 random bits."""

from __future__ import annotations

import re
import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CHARACTERS = 26
BITS_EACH = 5
# As PostgreSQL and Python both read it.
PATTERN = f"^[{ALPHABET}]{{{CHARACTERS}}}$"
PAYMENT_PREFIX = "pay_"

_CODE = re.compile(rf"[{ALPHABET}]{{{CHARACTERS}}}\Z", re.ASCII)


def new_code() -> str:
    """A new one. Two alike have never been seen, and the table would refuse the second."""
    number = secrets.randbits(BITS_EACH * CHARACTERS)
    return "".join(
        ALPHABET[number >> BITS_EACH * place & len(ALPHABET) - 1] for place in range(CHARACTERS)
    )


def is_code(text: str) -> bool:
    return _CODE.match(text) is not None


def parse_payment_id(text: str) -> str | None:
    """The code in a public id such as ``pay_…``; None for anything else, capitals included."""
    code = text.removeprefix(PAYMENT_PREFIX)
    return code if text.startswith(PAYMENT_PREFIX) and is_code(code) else None
