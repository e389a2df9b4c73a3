"""Why payouts fail, in words a partner may show. Every code is in docs/errors.md."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from engine.rails.bank.failures import CATALOGUE as BANK_FAILURES
from engine.rails.momo.failures import CATALOGUE as MOMO_FAILURES

# What a recipient can put right, though the same payout would fail again: with another
# number, address or account, or by another way.
MENDED_BY_RECIPIENTS = frozenset(
    {
        "asset_not_on_network",
        "destination_rejected",
        "operator_refused",
        "payee_cannot_receive",
        "payee_not_found",
        "payee_number_invalid",
    }
    | {one.code for one in BANK_FAILURES.values() if one.is_mendable}
)


@dataclass(frozen=True, slots=True)
class Failure:
    """`is_retryable`: a new quote for the same payout may well succeed."""

    code: str
    message: str
    is_retryable: bool

    @property
    def is_mendable(self) -> bool:
        """Whether it may succeed if the recipient says anew how to be paid."""
        return self.is_retryable or self.code in MENDED_BY_RECIPIENTS


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
    Failure(
        "superseded",
        "The payout was not sent, since another one for the same had been. Its funds went"
        " back to where they came from.",
        is_retryable=False,
    ),
    # What operators and banks said, in the same words.
    *(Failure(one.code, one.partner, one.is_retryable) for one in MOMO_FAILURES.values()),
    *(Failure(one.code, one.partner, one.is_retryable) for one in BANK_FAILURES.values()),
)

FAILURES = MappingProxyType({failure.code: failure for failure in _FAILURES})


def failure_of(code: str) -> Failure:
    """The failure called `code`; one this house has no words for yet is told plainly."""
    known = FAILURES.get(code)
    if known is not None:
        return known
    return Failure(code, "The transfer failed. The funds are back.", is_retryable=False)
