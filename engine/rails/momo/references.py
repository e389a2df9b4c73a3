"""The name that an operator knows a send by: ours, the same for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from engine.common.secrets import sign

if TYPE_CHECKING:
    from engine.rails.base import Order

NAME = "momo"
UUID_BYTES = 16


def reference_of(order: Order) -> UUID:
    """MTN's X-Reference-Id: a UUID of the form of version 4, which is all it takes.

    Computed from what is sent and nothing else, so that a lost database changes nothing;
    under a key of ours, so that nobody else can name a send before we have.
    """
    return reference_of_payout(order.payout_id, leg=order.leg, attempt=order.attempt)


def reference_of_payout(payout_id: UUID, *, leg: int = 1, attempt: int = 1) -> UUID:
    """The same by the payout alone, for who promises it before there is an order."""
    place = f"{NAME} {leg} {attempt}".encode()
    digest = sign("momo-reference", payout_id.bytes + place)
    return UUID(bytes=digest[:UUID_BYTES], version=4)
