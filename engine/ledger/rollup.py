"""Taking the tails of the hot accounts into their balances, with no writer waiting.

A hot account's balance contains its movements up to some id, so the question is which id
is safe. Ids are given out before their movements commit: with 7 committed and 6 still
open, "up to 7" would leave 6 behind for ever. So:

1. Read the highest id that has committed, the candidate. Every id up to it was given out
   before this moment, since an identity column counts upwards.
2. Wait for everybody who is in the middle of writing movements *at this moment*. An
   INSERT holds ROW EXCLUSIVE on the table from before it takes an id until its database
   transaction has ended and can be seen, so whoever has taken a smaller id and is not
   done is in pg_locks. Newcomers take larger ids and are not waited for.
3. When they have gone, nothing up to the candidate can change any more: it is summed
   without a lock, and each account is written by comparing and setting.

CREATE INDEX CONCURRENTLY waits for writers in the same way. LOCK TABLE … IN SHARE MODE
would give the same certainty, but while it queues behind one slow writer, or behind
autovacuum, every execute in the house queues behind it.
"""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any

import structlog
from django.db import connection

logger = structlog.get_logger(__name__)

WRITERS_SECONDS_MAX = 1.0
POLL_SECONDS = 0.005

# The database's own virtual ids of those who are writing movements. We see what we wrote
# ourselves, so we need not wait for us.
_WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'ledger_movement'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND mode = 'RowExclusiveLock' AND granted
  AND pid IS DISTINCT FROM pg_backend_pid()
"""
_CANDIDATE = "SELECT coalesce(max(id), 0) FROM ledger_movement"
_LEAST_ADVANCED = "SELECT min(rolled_up_through) FROM ledger_account WHERE is_hot"
# One pass over the movements, by their primary key.
_TAILS = """
SELECT hot.id, hot.rolled_up_through, coalesce(sum(tail.units), 0)
FROM ledger_account hot
LEFT JOIN (
    SELECT movement.id, side.account_id, side.units
    FROM ledger_movement movement,
         LATERAL (VALUES (movement.debit_id, -movement.units),
                         (movement.credit_id, movement.units))
                 AS side (account_id, units)
    WHERE movement.id > %(since)s AND movement.id <= %(through)s
) tail ON tail.account_id = hot.id AND tail.id > hot.rolled_up_through
WHERE hot.is_hot AND hot.rolled_up_through < %(through)s
GROUP BY hot.id ORDER BY hot.id
"""
# Whoever rolled this account up meanwhile has moved its mark, and wins.
_ROLL_UP = """
UPDATE ledger_account
SET balance = balance + %s, rolled_up_through = %s
WHERE id = %s AND rolled_up_through = %s
"""


def roll_up() -> int:
    """Bring every hot account up to date; how many accounts were written.

    Zero, too, when a writer outlasted our patience: the next round will do it, and until
    then the tails are longer and every balance still right. Safe to run twice at once.
    Not meant for the inside of a database transaction, which would keep its locks on the
    accounts.
    """
    through = _settled_through()
    if through is None:
        logger.info("roll_up_skipped", waited_seconds=WRITERS_SECONDS_MAX)
        return 0
    written = 0
    with connection.cursor() as cursor:
        cursor.execute(_LEAST_ADVANCED)
        (since,) = cursor.fetchone()
        cursor.execute(_TAILS, {"since": since, "through": through})
        for account_id, seen_through, units in cursor.fetchall():
            cursor.execute(_ROLL_UP, [units, through, account_id, seen_through])
            written += cursor.rowcount
    return written


def _settled_through() -> int | None:
    """An id up to which no movement can appear any more; None if we gave up waiting."""
    deadline = monotonic() + WRITERS_SECONDS_MAX
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATE)
        candidate: int = cursor.fetchone()[0]
        # Only after the candidate is read: a writer who came earlier has a smaller id.
        waited_for = _writers(cursor)
        while waited_for:
            if monotonic() > deadline:
                return None
            sleep(POLL_SECONDS)
            waited_for &= _writers(cursor)
    return candidate


def _writers(cursor: Any) -> set[str]:
    cursor.execute(_WRITERS)
    return {virtual_id for (virtual_id,) in cursor.fetchall()}
