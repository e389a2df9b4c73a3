"""A moment as a whole number since 1970, as headers write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unix_seconds(moment: datetime) -> int:
    """Whole seconds since 1970, rounded down. Raises TypeError without a time zone."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def unix_milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down. Raises TypeError without a time zone.

    Integers all the way: a float of seconds times 1000 is off by one now and then.
    """
    return (moment - _EPOCH) // timedelta(milliseconds=1)
