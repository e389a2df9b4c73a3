"""What the rails are told of freezes before they keep or send a signature."""

from __future__ import annotations

from django.db import connection

from engine.payouts.models import Freeze

# Whoever sets a freeze waits for those who store, and they for her: once it is committed,
# nothing is stored that it should have stopped.
LOCK = "LOCK TABLE payouts_freeze IN SHARE MODE"


def frozen_networks() -> set[str]:
    """The frozen networks, '' for the house, until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK)
    standing = Freeze.objects.filter(lifted_at__isnull=True)
    return set(standing.values_list("network", flat=True))
