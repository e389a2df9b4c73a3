"""What a bank transfer is called: the same for ever, and ours alone."""

from __future__ import annotations

from base64 import b32encode
from secrets import token_bytes
from typing import TYPE_CHECKING

from engine.common.secrets import sign

if TYPE_CHECKING:
    from uuid import UUID

    from engine.rails.base import Order

NAME = "bank"
NETWORK = "sepa"
CURRENCY = "EUR"
SCALE = 2
# Ours begin with this. Capitals and digits alone: some banks give back nothing else.
PREFIX = "ZP"
ID_BYTES = 16


def reference_of(order: Order) -> str:
    """The EndToEndId of an order: 28 of the 35 letters that a bank carries to the payee.

    Computed from what is sent and nothing else, so that a lost database changes nothing;
    under a key of ours, so that nobody else can name a transfer before we have.
    """
    return reference_of_payout(order.payout_id, leg=order.leg, attempt=order.attempt)


def reference_of_payout(payout_id: UUID, *, leg: int = 1, attempt: int = 1) -> str:
    """The same by the payout alone."""
    place = f"{NAME} {leg} {attempt}".encode()
    return _named(sign("bank-reference", payout_id.bytes + place)[:ID_BYTES])


def new_message_id() -> str:
    """A MsgId: random, since a file is made once, and kept before anybody sees it."""
    return _named(token_bytes(ID_BYTES))


def _named(number: bytes) -> str:
    return PREFIX + b32encode(number).decode().rstrip("=")
