"""Payments whose recipient never said how to be paid: the money goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


def expire_now(payment_id: UUID) -> bool:
    """Give a payment's money back at once; False where it is final or being paid out."""
    raise NotImplementedError


def expire_due() -> int:
    """Give back what nobody has asked for in time; how many payments that were."""
    return 0
