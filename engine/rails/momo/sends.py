"""The only writer of sends: what was promised, when it went out, what a look found.

Each write is one statement with a commit of its own, but for `write_down`, which belongs
in the transaction that opens the attempt. A POST is claimed here before it is made, so
that no two workers make the same one and a crash leaves it as one that may have gone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction

from engine.rails.models import MomoSend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from engine.rails.base import Prepared
    from engine.rails.momo.answers import Verdict

# After so many POSTs of one reference that the operator then knows nothing of, a person.
POSTS_MAX = 4
MISSES_MIN = 3
# A send is asked about soon at first, then as often as a quarter of its age.
ASK_SECONDS_MIN, ASK_SECONDS_MAX = 1.0, 60.0
PROMISED = (
    "payout_id", "leg", "number", "payee", "units", "currency", "external_id",
)  # fmt: skip
# One that may be out is handed over again only after enough looks, over long enough, have
# found nothing. One that was ever seen there is never handed over again.
CLAIM = """
UPDATE rails_momosend
SET posts = posts + 1, posted_at = clock_timestamp(), is_out = true,
    misses = 0, missed_at = NULL, last_missed_at = NULL,
    ask_at = clock_timestamp() + make_interval(secs => %(soon)s)
WHERE id = ANY(%(ids)s::bigint[]) AND finished_at IS NULL AND seen_at IS NULL
  AND refused = '' AND posts < %(posts_max)s
  AND (NOT is_out OR (
      misses >= %(misses_min)s
      AND last_missed_at - missed_at >= make_interval(secs => %(lost)s)
  ))
RETURNING id
"""
# What certainly was not taken is not out, unless an earlier POST may have been.
UNDO = """
UPDATE rails_momosend
SET posts = posts - 1, is_out = posts > 1, refused = t.refused
FROM jsonb_to_recordset(%s::jsonb) AS t(send_id bigint, refused text)
WHERE id = t.send_id AND finished_at IS NULL AND seen_at IS NULL
"""
LOOKED = """
UPDATE rails_momosend s
SET seen_at = CASE WHEN t.is_there THEN coalesce(s.seen_at, clock_timestamp())
              ELSE s.seen_at END,
    misses = CASE WHEN t.is_missing THEN s.misses + 1
             WHEN t.is_there THEN 0 ELSE s.misses END,
    missed_at = CASE WHEN t.is_missing THEN coalesce(s.missed_at, clock_timestamp())
                WHEN t.is_there THEN NULL ELSE s.missed_at END,
    last_missed_at = CASE WHEN t.is_missing THEN clock_timestamp()
                     WHEN t.is_there THEN NULL ELSE s.last_missed_at END,
    said = coalesce(t.said, s.said),
    needs_person = CASE WHEN t.is_there THEN t.needs_person
                   ELSE s.needs_person OR (t.is_missing AND s.seen_at IS NOT NULL) END,
    failure_code = t.failure_code,
    finished_at = CASE WHEN t.is_finished THEN clock_timestamp() END,
    ask_at = clock_timestamp() + make_interval(secs => least(%(most)s, greatest(%(least)s,
        extract(epoch FROM clock_timestamp() - s.posted_at) / 4)))
FROM jsonb_to_recordset(%(rows)s::jsonb) AS t(
    send_id bigint, is_there boolean, is_missing boolean, is_finished boolean,
    needs_person boolean, failure_code text, said jsonb)
WHERE s.id = t.send_id AND s.finished_at IS NULL
"""
HINT = """
UPDATE rails_momosend s SET ask_at = least(s.ask_at, clock_timestamp()),
    hinted_at = clock_timestamp()
FROM rails_momoaccount a
WHERE a.id = s.account_id AND a.callback_token = %s AND s.reference = %s
  AND s.finished_at IS NULL AND (s.ask_at > clock_timestamp() OR s.hinted_at IS NULL)
RETURNING s.id
"""


def write_down(sends: Sequence[MomoSend]) -> None:
    """Keep what is going to be sent; what is kept already must be the very same.

    Raises ValueError when a reference stands for something else already.
    """
    kept = {
        one.reference: one
        for one in MomoSend.objects.filter(reference__in=[one.reference for one in sends])
    }
    for send in sends:
        known = kept.get(send.reference)
        if known and any(getattr(known, name) != getattr(send, name) for name in PROMISED):
            raise ValueError(f"{send.reference} was promised otherwise before.")
    MomoSend.objects.bulk_create([one for one in sends if one.reference not in kept])


def sends_of(batch: Sequence[Prepared]) -> dict[str, MomoSend]:
    """The rows behind these attempts, by reference."""
    rows = MomoSend.objects.select_related("account", "credentials").filter(
        reference__in=[one.reference for one in batch]
    )
    return {str(row.reference): row for row in rows}


def claim_posts(sends: Sequence[MomoSend]) -> set[int]:
    """Take the right to POST each of these, where anybody may. Returns the ids taken."""
    return {
        row[0]
        for row in _write(
            CLAIM,
            {
                "ids": [send.pk for send in sends],
                "soon": ASK_SECONDS_MIN,
                "lost": settings.MOMO_LOST_SECONDS,
                "posts_max": POSTS_MAX,
                "misses_min": MISSES_MIN,
            },
        )
    }


def undo_posts(refusals: Mapping[int, str]) -> None:
    """These POSTs took nothing: by id, why they never will be, or empty to try again."""
    rows = [{"send_id": key, "refused": why[:200]} for key, why in refusals.items()]
    if rows:
        _write(UNDO, [json.dumps(rows)])


def note_looks(verdicts: Mapping[int, Verdict]) -> None:
    """Keep what each look found, by the send's id."""
    rows = [
        {
            "send_id": key,
            "is_there": verdict.is_there,
            "is_missing": verdict.is_missing,
            "is_finished": bool(verdict.end),
            "needs_person": verdict.needs_person,
            "failure_code": verdict.failure_code,
            "said": verdict.said or None,
        }
        for key, verdict in verdicts.items()
    ]
    if rows:
        _write(
            LOOKED,
            {"rows": json.dumps(rows), "least": ASK_SECONDS_MIN, "most": ASK_SECONDS_MAX},
        )


def hint(*, token: str, reference: UUID) -> bool:
    """A callback came on the secret path: look at that send next. Nothing else changes.

    Whatever the callback said is not believed; the look decides. Whether it was news.
    """
    return bool(_write(HINT, [token, reference]))


def _write(sql: str, terms: Any) -> list[tuple[Any, ...]]:
    """One statement, committed by itself. Raises RuntimeError inside a transaction."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(sql, terms)
        return cursor.fetchall() if cursor.description else []
