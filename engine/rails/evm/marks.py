"""Noting on slots where their bytes were mined, and when their nonce is used up for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.evm.views import SlotView

# A block that was reorganised away takes its mark with it; a closed slot stays closed.
# Locked in key order, since two workers may look at the same slots.
NOTE = """
    WITH asked AS (
        SELECT * FROM unnest(
            %(ids)s::bigint[], %(blocks)s::bigint[], %(hashes)s::text[], %(spent)s::numeric[]
        ) AS t(id, block, hash, spent)
    ),
    locked AS (
        SELECT s.id FROM rails_slot s
        WHERE s.id IN (SELECT id FROM asked) AND s.closed_at IS NULL
        ORDER BY s.id FOR NO KEY UPDATE
    )
    UPDATE rails_slot s SET
        mined_block = asked.block, mined_hash = asked.hash, spent_wei = asked.spent,
        closed_at = CASE WHEN asked.spent IS NOT NULL THEN clock_timestamp() END
    FROM asked JOIN locked USING (id)
    WHERE s.id = asked.id
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a look found of a slot. `spent_wei` closes it."""

    slot: SlotView
    block: int | None
    hash: str
    spent_wei: int | None

    @property
    def is_news(self) -> bool:
        return self.spent_wei is not None or (self.slot.mined_block, self.slot.mined_hash) != (
            self.block,
            self.hash,
        )


def note_marks(marks: Sequence[Mark]) -> None:
    """Keep what changed; one statement with a commit of its own."""
    news = [mark for mark in marks if mark.is_news and not mark.slot.is_closed]
    if not news:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            NOTE,
            {
                "ids": [mark.slot.id for mark in news],
                "blocks": [mark.block for mark in news],
                "hashes": [mark.hash for mark in news],
                "spent": [mark.spent_wei for mark in news],
            },
        )
