"""The life of a payout, as data.

    pending ──► sending ──► broadcast ──► delivered
       │  │        │            │
       │  └────────┴────────────┴──────► failed
       └───────────────────────────────► cancelled

`sending` means the rail may or may not have been asked: only a look-up can tell.
Nothing in this module touches the database; a trigger there repeats EDGES, and a test
holds the two equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from collections.abc import Mapping


class Status(models.TextChoices):
    PENDING = "pending"
    SENDING = "sending"
    BROADCAST = "broadcast"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


EDGES: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.SENDING, Status.FAILED, Status.CANCELLED}),
    Status.SENDING: frozenset({Status.BROADCAST, Status.FAILED}),
    Status.BROADCAST: frozenset({Status.DELIVERED, Status.FAILED}),
    Status.DELIVERED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}

FINAL = frozenset(status for status, following in EDGES.items() if not following)
GIVEN_UP = FINAL - {Status.DELIVERED}
IN_FLIGHT = frozenset(Status) - FINAL


def starts_of(end: Status) -> frozenset[Status]:
    """The states from which a payout may become `end`."""
    return frozenset(start for start, following in EDGES.items() if end in following)
