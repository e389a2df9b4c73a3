"""What must be true of payments and their money. Each is a query that returns no rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.ledger.invariants import Invariant

INVARIANTS: tuple[Invariant, ...] = ()
