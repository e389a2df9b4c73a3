"""What keys and tokens look like, and how they are kept.

    sk_live_ 8f3K…36 random base62 characters… 0aZ9bQ
    prefix   the secret                        CRC32 of all that precedes, base62

The checksum lets us refuse junk before the database is asked, and lets scanners of public
code tell a leaked key from a look-alike. Only an HMAC under KEY_PEPPER is kept: the table
alone, stolen, opens nothing.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from zlib import crc32

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# Of Connect's keys, and of the tokens of payments.
API_KEY, TOKEN = "sk", "tk"
PREFIXES = MappingProxyType({True: "sk_live_", False: "sk_test_"})
TOKEN_PREFIXES = MappingProxyType({True: "tk_live_", False: "tk_test_"})
SECRET_LENGTH = 36  # 214 bits
CHECK_LENGTH = 6  # 62**6 is more than 2**32
KEY = re.compile(r"(sk|tk)_(live|test)_[0-9A-Za-z]{42}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A well-formed key. Whether it was ever minted only the database knows."""

    livemode: bool
    text: str = field(repr=False)


def parse_key(text: str, *, kind: str = API_KEY) -> ParsedKey | None:
    """Read a key of `kind`; None for a wrong prefix, length, alphabet or checksum."""
    match = KEY.match(text)
    if match is None or match[1] != kind:
        return None
    if _checksum(text[:-CHECK_LENGTH]) != text[-CHECK_LENGTH:]:
        return None
    return ParsedKey(livemode=match[2] == "live", text=text)


def new_key_text(*, livemode: bool, prefixes: Mapping[bool, str] = PREFIXES) -> str:
    """Make a key nobody can guess."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    return prefixes[livemode] + body + _checksum(prefixes[livemode] + body)


def digest_key(text: str) -> bytes:
    """Return the 32 bytes under which a key is kept."""
    return hmac.digest(settings.KEY_PEPPER.encode(), text.encode(), "sha256")


def _checksum(text: str) -> str:
    number, digits = crc32(text.encode()), []
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
