"""Idempotency: one key, one answer, byte for byte.

A door reads the key, asks `stored` for an answer already given, does its work and
calls `store` in the same database transaction, so that the work and its answer stand or
fall together.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

from engine.partners.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyRequired,
)
from engine.partners.models import StoredAnswer

if TYPE_CHECKING:
    from uuid import UUID

LIVE = re.compile(r"(?:bearer )?sk_live_", re.ASCII | re.IGNORECASE)
KEY = re.compile(r"[\x21-\x7e]{1,255}\Z", re.ASCII)
# A string as RFC 9651 writes it: printable ASCII, quote and backslash escaped.
QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"\Z', re.ASCII)
# A request may be wrong today and right tomorrow; such an answer leaves the key free.
NEVER_STORED = frozenset({400, 401, 404, 429})
SERVER_ERRORS_FROM = 500
FORGET_BATCH = 1000

FIND = """
SELECT id, partner_id, livemode, key, fingerprint, status, body, created_at
FROM partners_storedanswer
WHERE partner_id = %s AND livemode = %s AND key = %s
  AND created_at > statement_timestamp() - make_interval(hours => %s)
"""
# The update takes over a row that is too old to be replayed and touches no other, so it
# returns a row exactly when this call's answer is the one that stands.
STORE = """
INSERT INTO partners_storedanswer AS answer
    (partner_id, livemode, key, fingerprint, status, body, created_at)
VALUES (%s, %s, %s, %s, %s, %s, statement_timestamp())
ON CONFLICT (partner_id, livemode, key) DO UPDATE
SET fingerprint = excluded.fingerprint, status = excluded.status,
    body = excluded.body, created_at = excluded.created_at
WHERE answer.created_at <= statement_timestamp() - make_interval(hours => %s)
RETURNING id, partner_id, livemode, key, fingerprint, status, body, created_at
"""
FORGET = """
DELETE FROM partners_storedanswer WHERE id IN (
    SELECT id FROM partners_storedanswer
    WHERE created_at < statement_timestamp() - make_interval(days => %s)
    LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


def is_live_key_text(authorization: str) -> bool:
    """Whether an Authorization header claims to hold a live key, true or not."""
    return LIVE.match(authorization) is not None


def read_key(header: str | None, *, required: bool) -> str | None:
    """Read an Idempotency-Key header; `"abc"` with its quotes means abc.

    Raises IdempotencyKeyRequired and IdempotencyKeyInvalid.
    """
    if header is None:
        if required:
            raise IdempotencyKeyRequired
        return None
    key = header.strip(" \t")
    if key.startswith('"'):
        quoted = QUOTED.match(key)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted is not None else ""
    if KEY.match(key) is None:
        raise IdempotencyKeyInvalid
    return key


def fingerprint(method: str, path: str, body: Any) -> bytes:
    """Return 32 bytes that are the same for the same request.

    `body` is JSON as it was parsed: the order of members and the white space between
    them are not part of what was asked.
    """
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return sha256(f"{method} {path}\n".encode() + canonical).digest()


def may_be_stored(status: int) -> bool:
    """Whether an answer of this HTTP status is the last word on its key."""
    return status not in NEVER_STORED and status < SERVER_ERRORS_FROM


def stored(
    *, partner_id: UUID, livemode: bool, key: str, fingerprint: bytes
) -> StoredAnswer | None:
    """Return the answer already given under `key`, unless it is too old to replay.

    Raises IdempotencyConflict when the key was used for another request.
    """
    row = _one(FIND, [partner_id, livemode, key, settings.IDEMPOTENCY_REPLAY_HOURS])
    return None if row is None else _same_request(row, fingerprint)


def store(
    *,
    partner_id: UUID,
    livemode: bool,
    key: str,
    fingerprint: bytes,
    status: int,
    body: bytes,
) -> StoredAnswer:
    """Keep an answer, and return the one that stands under `key` from now on.

    It is another than the one given here when the same request was answered first
    elsewhere; the caller then rolls its own work back and replays that one.

    Raises IdempotencyConflict, IdempotencyInProgress when the first request holds the
    key for longer than the database's lock_timeout, and ValueError for a status that is
    never stored.
    """
    if not may_be_stored(status):
        raise ValueError(f"an answer of status {status} is never stored")
    replay_hours = settings.IDEMPOTENCY_REPLAY_HOURS
    row = None
    # Twice at most: the row that was in the way may grow too old, or be forgotten, in
    # between.
    while row is None:
        row = _one(
            STORE,
            [partner_id, livemode, key, fingerprint, status, body, replay_hours],
        ) or _one(FIND, [partner_id, livemode, key, replay_hours])
    return _same_request(row, fingerprint)


def forget_old(*, batch: int = FORGET_BATCH) -> int:
    """Delete answers older than IDEMPOTENCY_KEPT_DAYS, `batch` to a statement.

    Returns how many.
    """
    forgotten, last = 0, batch
    while last == batch:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [settings.IDEMPOTENCY_KEPT_DAYS, batch])
            last = cursor.rowcount
        forgotten += last
    return forgotten


def _one(sql: str, parameters: list[Any]) -> StoredAnswer | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            row = cursor.fetchone()
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise IdempotencyInProgress from None
        raise
    return None if row is None else StoredAnswer(*row)


def _same_request(answer: StoredAnswer, fingerprint: bytes) -> StoredAnswer:
    if answer.fingerprint != fingerprint:
        raise IdempotencyConflict
    return answer
