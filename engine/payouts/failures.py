"""Why payouts fail, in words a partner may show. Every code is in docs/errors.md."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from engine.rails.momo.failures import CATALOGUE


@dataclass(frozen=True, slots=True)
class Failure:
    """`is_retryable`: a new quote for the same payout may well succeed."""

    code: str
    message: str
    is_retryable: bool


_FAILURES = (
    Failure(
        "destination_rejected",
        "The network refused the transfer before taking it. The funds are back.",
        is_retryable=False,
    ),
    Failure(
        "transfer_reverted",
        "The network took the transfer, and it failed there. The funds are back.",
        is_retryable=True,
    ),
    Failure(
        "asset_not_on_network",
        "The asset no longer lives on that network. The funds are back.",
        is_retryable=False,
    ),
    Failure(
        "destination_blocked",
        "Payouts to this destination are no longer allowed. The funds are back.",
        is_retryable=False,
    ),
    Failure(
        "rail_rejected",
        "The transfer was refused before it was sent. The funds are back.",
        is_retryable=True,
    ),
    Failure(
        "nonce_taken",
        "The transfer can no longer be sent as it was prepared. The funds are back.",
        is_retryable=True,
    ),
    Failure(
        "cancelled",
        "The payout was cancelled before it was sent. The funds are back.",
        is_retryable=True,
    ),
    # Mobile money: what operators said, in the same words.
    *(Failure(one.code, one.partner, one.is_retryable) for one in CATALOGUE.values()),
)

FAILURES = MappingProxyType({failure.code: failure for failure in _FAILURES})


def failure_of(code: str) -> Failure:
    """The failure called `code`; one this house has no words for yet is told plainly."""
    known = FAILURES.get(code)
    if known is not None:
        return known
    return Failure(code, "The transfer failed. The funds are back.", is_retryable=False)
