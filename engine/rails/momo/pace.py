"""How often an operator is asked: one queue for each account, over all workers.

A turn is a moment. Whoever takes some moves the row's `free_at` behind them, in one
statement, and asks at those moments; two who come at once are given different ones. So
no second has more turns than MOMO_STATUS_PER_SECOND, whoever they were given to.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection, transaction

OPEN = "INSERT INTO rails_momopace (account_id) VALUES (%s) ON CONFLICT DO NOTHING"
# As many as begin within `horizon`; none is ever given before the last one is over.
TAKE = """
WITH turn AS (
    SELECT account_id, greatest(free_at, clock_timestamp()) AS first,
           clock_timestamp() AS now
    FROM rails_momopace WHERE account_id = %(account)s FOR UPDATE
), given AS (
    SELECT account_id, first, now, greatest(0, least(
        %(wanted)s,
        floor((extract(epoch FROM now - first) + %(horizon)s) / %(every)s)::int + 1
    )) AS turns
    FROM turn
)
UPDATE rails_momopace p
SET free_at = given.first + make_interval(secs => %(every)s * given.turns)
FROM given WHERE p.account_id = given.account_id AND given.turns > 0
RETURNING given.turns, extract(epoch FROM given.first - given.now)::float8
"""


def take_turns(*, account_id: int, wanted: int, horizon_seconds: float) -> list[float]:
    """In how many seconds each of at most `wanted` questions may be asked, soonest first.

    Fewer, or none, when the others' turns reach beyond the horizon.
    """
    every = 1 / settings.MOMO_STATUS_PER_SECOND
    terms = {
        "account": account_id,
        "wanted": wanted,
        "horizon": horizon_seconds,
        "every": every,
    }
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(OPEN, [account_id])
        cursor.execute(TAKE, terms)
        row = cursor.fetchone()
    if row is None:
        return []
    turns, first = row
    return [max(0.0, first) + every * number for number in range(turns)]
