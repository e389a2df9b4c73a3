"""Pages without numbers: a cursor is the place of the last row seen, signed.

Partners hold it as an opaque string; a place of their own making is refused, so that
nobody builds on what it looks like today.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from engine.common.errors import InvalidInput
from engine.common.secrets import is_signed, sign
from engine.payouts.reads import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Row = TypeVar("Row")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOMENT_BYTES, KEY_BYTES, MAC_BYTES = 8, 16, 16
CHARACTERS = 54


def page(
    rows: Sequence[Row],
    *,
    limit: int,
    list_name: str,
    place: Callable[[Row], Position],
    describe: Callable[[Row], dict[str, Any]],
) -> dict[str, Any]:
    """A page out of `limit` + 1 rows: the one too many only says that there is more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return {
        "data": [describe(row) for row in shown],
        "cursor": write_cursor(place(shown[-1]), list_name=list_name) if more else None,
    }


def write_cursor(position: Position, *, list_name: str) -> str:
    """54 characters of base64url."""
    moment = (position.created_at - EPOCH) // MICROSECOND
    plain = moment.to_bytes(MOMENT_BYTES, "big", signed=True) + position.id.bytes
    mac = sign(_purpose(list_name), plain)[:MAC_BYTES]
    return urlsafe_b64encode(plain + mac).decode().rstrip("=")


def read_cursor(text: str | None, *, list_name: str) -> Position | None:
    """The place a cursor names; None without one. Raises InvalidInput."""
    if text is None:
        return None
    if len(text) != CHARACTERS or not text.isascii():
        raise _refused()
    try:
        octets = urlsafe_b64decode(f"{text}==")
    except ValueError:
        raise _refused() from None
    plain, mac = octets[:-MAC_BYTES], octets[-MAC_BYTES:]
    # The last character has bits that nobody reads: only one spelling is ours.
    is_ours = urlsafe_b64encode(octets).decode().rstrip("=") == text
    if not is_ours or not is_signed(_purpose(list_name), plain, mac):
        raise _refused()
    moment = int.from_bytes(plain[:MOMENT_BYTES], "big", signed=True)
    return Position(EPOCH + moment * MICROSECOND, UUID(bytes=plain[MOMENT_BYTES:]))


def _purpose(list_name: str) -> str:
    return f"cursor {list_name}"


def _refused() -> InvalidInput:
    return InvalidInput(
        "This cursor is not one of this list's.",
        errors=[
            {"parameter": "cursor", "code": "invalid", "message": "Send a cursor we gave."}
        ],
    )
