"""What a partner's name, host names and networks must look like.

Everything here is pure: text in, text out, or a sentence that says what is wrong.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from django.core.exceptions import ValidationError

HOST_LENGTH_MAX = 253
# Letters, digits and inner hyphens, 63 at most (RFC 1123); at least two labels, and a last
# one that is not a number, so no IPv4 address passes. \Z, since `$` forgives a newline.
HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"(?!\d+\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z",
    re.ASCII,
)
# Names that only mean something inside a network: RFC 6761, 6762, 8375, 9476 and the
# ones home and office routers make up.
PRIVATE_ENDINGS = (
    *("localhost", "local", "localdomain", "internal", "intranet", "private"),
    *("corp", "home", "lan", "home.arpa", "onion", "alt"),
)
# Cc controls, Cf bidi and zero-width marks, Cs surrogates, Zl and Zp line breaks.
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters by category, blank to the eye: Hangul fillers and the empty Braille cell.
BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def visible_text(text: str) -> str:
    """Strip what a reader cannot see, and runs of spaces.

    Bidi controls can turn a name around and zero-width ones make two names look the same;
    neither may reach a recipient's page.
    """
    seen = "".join(
        " " if character.isspace() else character
        for character in text
        if character in "\t\n\r"
        or (
            unicodedata.category(character) not in INVISIBLE_CATEGORIES
            and character not in BLANK_LETTERS
        )
    )
    return " ".join(seen.split())


def validate_host(host: str) -> None:
    """Refuse all but an exact public host name in lower case, such as ``pay.example.com``.

    No scheme, port, user, path, wildcard or address; international names in their
    ``xn--`` form. Raises ValidationError.
    """
    if len(host) > HOST_LENGTH_MAX or HOST.match(host) is None:
        raise ValidationError(
            "Write a full host name in lower case, such as pay.example.com: no scheme,"
            " port, path, wildcard or address.",
            code="host_invalid",
        )
    if f".{host}".endswith(tuple(f".{ending}" for ending in PRIVATE_ENDINGS)):
        raise ValidationError("That host name is not public.", code="host_private")


def validate_network(text: str) -> None:
    """Refuse all but an IPv4 or IPv6 address or network. Raises ValidationError."""
    exact_network(text)


def exact_network(text: str) -> str:
    """Write a network the one way: ``10.0.0.1`` is ``10.0.0.1/32``.

    Host bits that are set are refused, since ``10.0.0.1/8`` is a slip more often than a
    wish to admit sixteen million addresses. Raises ValidationError.
    """
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        raise ValidationError(
            "Write a network such as 203.0.113.0/24 or 2001:db8::/32.",
            code="network_invalid",
        ) from None
