"""When the engine learns that a transfer arrived: from then on it has arrived for good.

Statements may be read faster than the engine looks. Until it has looked, a payment and its
return in two files are what they are in one: no payment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterable

# Whoever reads a statement has the row locked; afterwards it may have failed instead.
TELL = """
UPDATE rails_banktransfer t SET told_at = clock_timestamp()
FROM (
    SELECT id FROM rails_banktransfer
    WHERE end_to_end_id = ANY(%s)
        AND finished_at IS NOT NULL AND failure_code = '' AND told_at IS NULL
    ORDER BY id FOR UPDATE
) asked
WHERE t.id = asked.id
"""


def tell_arrivals(references: Iterable[str]) -> None:
    """Note that the engine is being told of those that arrived, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(TELL, [list(references)])
