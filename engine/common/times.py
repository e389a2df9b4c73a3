"""Moments as clients read them: ISO 8601, UTC, milliseconds, a `Z` at the end."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(moment: datetime) -> str:
    """Write an aware datetime as ``2026-01-31T12:00:00.000Z``."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
