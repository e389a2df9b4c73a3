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
    place = f"{NAME} {order.leg} {order.attempt}".encode()
    digest = sign("momo-reference", order.payout_id.bytes + place)
    return UUID(bytes=digest[:UUID_BYTES], version=4)
