"""Where a recipient may be sent back to: only where her payer's own people have said.

A link that sends people anywhere is a gift to whoever fishes for passwords. Parsers differ
in what they take for a host, so nothing that any two could read differently gets as far as
one: the shape is checked by the character, before anything is parsed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from engine.common.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Collection

URL_LENGTH_MAX = 2048
PARAMETER = "payment_id"
# A host and nothing beside it: no user, no port but https's own. Then visible ASCII, which
# leaves out control characters and look-alikes; a backslash is a slash to browsers.
_URL = re.compile(r"https://([A-Za-z0-9.-]+)(?::443)?(?:[/?#][!-\[\]-~]*)?\Z", re.ASCII)


class RedirectInvalid(Unprocessable):
    code = "redirect_url_invalid"
    title = "Nobody may be sent there"


def check_redirect(url: str, *, hosts: Collection[str]) -> str:
    """The host of `url`, which is one of `hosts`. Raises RedirectInvalid."""
    match = _URL.match(url) if len(url) <= URL_LENGTH_MAX else None
    if match is None:
        raise RedirectInvalid(
            "Write redirectUrl as https:// and a host, in visible ASCII: no user, no port but"
            f" 443, no backslash, at most {URL_LENGTH_MAX} characters."
        )
    host = match[1].lower()
    if host not in hosts:
        raise RedirectInvalid(
            "The host of redirectUrl is not registered for you. Operators add it to your"
            " redirect hosts."
        )
    return host


def redirect_with(url: str, *, payment_id: str) -> str:
    """A checked `url` that says which payment it is about, in place of what it said."""
    parts = urlsplit(url)
    kept = [
        pair
        for pair in parts.query.split("&")
        if pair and unquote_plus(pair.partition("=")[0]) != PARAMETER
    ]
    query = "&".join([*kept, f"{PARAMETER}={payment_id}"])
    return urlunsplit(parts._replace(path=parts.path or "/", query=query))
