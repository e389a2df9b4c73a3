"""The only writer of attempts and evidence, a batch to a statement.

Opening an attempt belongs in the transaction that makes the payout `sending`, before
anything leaves the house; closing one belongs in the transaction that decides the money.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.rails.base import Order, Prepared
    from engine.rails.models import AttemptState, EvidenceKind

OPEN = """
    INSERT INTO rails_attempt
        (payout_id, leg, number, rail, network, reference, payload, state)
    SELECT t.*, 'live' FROM unnest(
        %(payout_ids)s::uuid[], %(legs)s::smallint[], %(numbers)s::smallint[],
        %(rails)s::text[], %(networks)s::text[], %(references)s::text[],
        %(payloads)s::bytea[]
    ) AS t
    RETURNING reference, id
"""
CLOSE = """
    UPDATE rails_attempt a
    SET state = %(state)s, proof = asked.proof, closed_at = clock_timestamp()
    FROM (
        SELECT l.id, t.proof
        FROM jsonb_to_recordset(%(rows)s::jsonb) AS t(id bigint, proof jsonb)
        JOIN rails_attempt l ON l.id = t.id AND l.state = 'live'
        ORDER BY l.id FOR UPDATE OF l
    ) asked
    WHERE a.id = asked.id
    RETURNING a.id
"""
# A look-up that says what the last one said is not worth a row: there is one a second.
NOTE = """
    INSERT INTO rails_sendevidence (attempt_id, kind, body)
    SELECT t.id, %(kind)s, t.body
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS t(id bigint, body jsonb)
    LEFT JOIN LATERAL (
        SELECT body FROM rails_sendevidence e
        WHERE e.attempt_id = t.id AND e.kind = %(kind)s
        ORDER BY e.id DESC LIMIT 1
    ) last ON %(kind)s = 'look_up'
    WHERE last.body IS DISTINCT FROM t.body
    ORDER BY t.id
"""


def open_attempts(*, sends: Sequence[tuple[Order, Prepared]]) -> dict[str, int]:
    """Store attempts before anything is sent; returns their keys by reference.

    Raises IntegrityError when a leg has a live or delivered attempt already.
    """
    orders = [order for order, _ in sends]
    prepared = [ready for _, ready in sends]
    with connection.cursor() as cursor:
        cursor.execute(
            OPEN,
            {
                "payout_ids": [order.payout_id for order in orders],
                "legs": [order.leg for order in orders],
                "numbers": [order.attempt for order in orders],
                "rails": [ready.rail for ready in prepared],
                "networks": [ready.network for ready in prepared],
                "references": [ready.reference for ready in prepared],
                "payloads": [ready.payload for ready in prepared],
            },
        )
        return dict(cursor.fetchall())


def close_attempts(*, state: AttemptState, proofs: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """Close live attempts as `done` or `dead`, each with its proof, by their keys.

    Returns those that were closed now; the others had been closed before.
    Raises IntegrityError when a dead one has no proof.
    """
    if not proofs:
        return set()
    rows = [{"id": key, "proof": proof} for key, proof in proofs.items()]
    with connection.cursor() as cursor:
        cursor.execute(CLOSE, {"state": state.value, "rows": json.dumps(rows)})
        return {key for (key,) in cursor.fetchall()}


def note_evidence(*, kind: EvidenceKind, bodies: Mapping[int, Mapping[str, Any]]) -> None:
    """Keep what the outside said of each attempt; a look-up only when it is news."""
    rows = [{"id": key, "body": body} for key, body in bodies.items()]
    with connection.cursor() as cursor:
        cursor.execute(NOTE, {"kind": kind.value, "rows": json.dumps(rows)})
