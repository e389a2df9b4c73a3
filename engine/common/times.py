"""What time it is in the books, and moments as clients read them.

Clients read ISO 8601 in UTC, with milliseconds and a `Z` at the end.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection


def format_time(moment: datetime) -> str:
    """Write an aware datetime as ``2026-01-31T12:00:00.000Z``."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def now_in_books() -> datetime:
    """The database's clock: it says when things expire, so it says what time it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment
