"""How far a batch is: its rows, the payouts they have become, and what is still set aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from disbursements.amounts import write_amount
from disbursements.door import DISBURSEMENTS
from disbursements.models import BatchRow
from engine.ledger.models import Account
from engine.payouts.float_reserves import reserves_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from disbursements.models import Batch

BAD_ROWS_SHOWN = 100
# The public words, in the order in which a row comes by them.
WAITING, REFUSED = "NOT YET A PAYOUT", "REFUSED"
WORDS = (WAITING, "PENDING", "PROCESSING", "SUCCESS", "FAILED", "CANCELLED", REFUSED)
MOVING = frozenset({WAITING, "PENDING", "PROCESSING"})
COUNT = """
SELECT p.status, count(*)
FROM disbursements_batchrow r LEFT JOIN payouts_payout p ON p.id = r.payout_id
WHERE r.batch_id = %s GROUP BY p.status
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of rows. `words` are those that there are any of; `bad_rows` the first ones."""

    total: int
    made: int
    ended: int
    words: Sequence[tuple[str, int]]
    set_aside: Sequence[str]
    bad_rows: Sequence[BatchRow]

    @property
    def is_moving(self) -> bool:
        """Whether another look may show something else."""
        return self.ended < self.total


def progress_of(batch: Batch) -> Progress:
    """Count the rows of a batch by what has become of them."""
    counts = dict.fromkeys(WORDS, 0) | {WAITING: batch.total_payouts - batch.made_payouts}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [batch.pk])
        for status, count in cursor.fetchall():
            counts[REFUSED if status is None else DISBURSEMENTS.word(status)] += count
    bad = BatchRow.objects.filter(batch=batch, payout_id=None).order_by("line")
    return Progress(
        total=batch.total_payouts,
        made=batch.made_payouts,
        ended=sum(count for word, count in counts.items() if word not in MOVING),
        words=[(word, counts[word]) for word in WORDS if counts[word]],
        set_aside=_set_aside(batch),
        bad_rows=list(bad[:BAD_ROWS_SHOWN]),
    )


def _set_aside(batch: Batch) -> list[str]:
    """What waits for the rows to come, such as `603000.00 XAF`."""
    reserves = reserves_of(batch.pk)
    balances = dict(
        Account.objects.filter(pk__in=reserves.values()).values_list("pk", "balance")
    )
    return [
        f"{write_amount(int(balances[account_id]), currency=currency)} {currency}"
        for currency, account_id in sorted(reserves.items())
    ]
