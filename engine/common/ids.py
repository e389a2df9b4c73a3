"""Names for things: time-ordered inside, opaque outside."""

from __future__ import annotations

import re
from uuid import UUID

from uuid_utils.compat import uuid7

_HEX = re.compile(r"[0-9a-f]{32}\Z", re.ASCII)


def new_id() -> UUID:
    """A UUID of version 7: new rows land at the end of every index, not all over it."""
    return UUID(int=uuid7().int)


def public_id(prefix: str, key: UUID) -> str:
    """Write a key as clients see it, such as ``pay_`` and 32 hexadecimal digits."""
    return f"{prefix}_{key.hex}"


def parse_public_id(prefix: str, text: str) -> UUID | None:
    """Read what `public_id` wrote; None for anything else, capitals included."""
    head, _, digits = text.partition("_")
    if head != prefix or _HEX.match(digits) is None:
        return None
    return UUID(hex=digits)
