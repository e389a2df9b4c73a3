"""Why a mobile-money payout fails: what MTN calls it, and what we tell whom.

MTN's words are from its list of common errors and from the reasons of its sandbox's test
numbers (momodeveloper.mtn.com/api-documentation/common-error and /testing); the two that
begin with SENDER and LOW_BALANCE are what published clients have met in production.
Words that are not in the table fail as `provider_failed`, kept as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class MomoFailure:
    """One code that a payout may carry.

    `partner` and `recipient` are sentences for either. `is_retryable`: a new payout may
    well succeed. `is_operators` counts against the operator's health.
    """

    code: str
    partner: str
    recipient: str
    is_retryable: bool
    is_operators: bool = False


UNKNOWN = MomoFailure(
    "provider_failed",
    "The operator failed the transfer for a reason that we do not know. The funds are back.",
    "The operator could not complete the transfer.",
    is_retryable=False,
)
_FAILURES = (
    UNKNOWN,
    MomoFailure(
        "payee_not_found",
        "The number has no mobile-money account that can be paid. The funds are back.",
        "This number has no mobile-money account. Open one, or give another number.",
        is_retryable=False,
    ),
    MomoFailure(
        "payee_number_invalid",
        "The number cannot be paid in this currency. The funds are back.",
        "This number cannot be paid.",
        is_retryable=False,
    ),
    MomoFailure(
        "payee_cannot_receive",
        "The recipient's account may not receive this transfer. The funds are back.",
        "Your account may not receive this transfer. Ask your operator why.",
        is_retryable=False,
    ),
    MomoFailure(
        "payee_limit_reached",
        "The recipient's account has reached a limit of the operator. The funds are back.",
        "Your account has reached a limit. Withdraw some, or wait until tomorrow.",
        is_retryable=True,
    ),
    MomoFailure(
        "payee_rejected",
        "The recipient or the operator rejected the transfer. The funds are back.",
        "The transfer was rejected.",
        is_retryable=True,
    ),
    MomoFailure(
        "float_too_small",
        "The house's account with the operator was too low. The funds are back.",
        "The transfer could not be made just now. Nothing is wrong with your account.",
        is_retryable=True,
    ),
    MomoFailure(
        "float_limit_reached",
        "The house's account has reached a limit of the operator. The funds are back.",
        "The transfer could not be made just now. Nothing is wrong with your account.",
        is_retryable=True,
    ),
    MomoFailure(
        "operator_refused",
        "The operator does not let this account send the transfer. The funds are back.",
        "The transfer could not be made. Nothing is wrong with your account.",
        is_retryable=False,
    ),
    MomoFailure(
        "operator_unavailable",
        "The operator could not complete the transfer just now. The funds are back.",
        "Your operator could not complete the transfer just now.",
        is_retryable=True,
        is_operators=True,
    ),
    MomoFailure(
        "operator_timed_out",
        "The operator did not complete the transfer in time. The funds are back.",
        "Your operator did not complete the transfer in time.",
        is_retryable=True,
        is_operators=True,
    ),
)
CATALOGUE = MappingProxyType({failure.code: failure for failure in _FAILURES})
# What MTN says, and what it means to a payout.
REASONS = MappingProxyType(
    {
        "PAYEE_NOT_FOUND": "payee_not_found",
        "PAYEE_NOT_ALLOWED_TO_RECEIVE": "payee_cannot_receive",
        "PAYEE_LIMIT_REACHED": "payee_limit_reached",
        "APPROVAL_REJECTED": "payee_rejected",
        "PAYMENT_NOT_APPROVED": "payee_rejected",
        "TRANSACTION_CANCELED": "payee_rejected",
        "NOT_ENOUGH_FUNDS": "float_too_small",
        "LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED": "float_too_small",
        "PAYER_LIMIT_REACHED": "float_limit_reached",
        "PAYER_NOT_FOUND": "operator_refused",
        "SENDER_ACCOUNT_NOT_ACTIVE": "operator_refused",
        "NOT_ALLOWED": "operator_refused",
        "NOT_ALLOWED_TARGET_ENVIRONMENT": "operator_refused",
        "INVALID_CALLBACK_URL_HOST": "operator_refused",
        "INVALID_CURRENCY": "operator_refused",
        "VALIDATION_ERROR": "operator_refused",
        "INTERNAL_PROCESSING_ERROR": "operator_unavailable",
        "SERVICE_UNAVAILABLE": "operator_unavailable",
        "COULD_NOT_PERFORM_TRANSACTION": "operator_timed_out",
        "EXPIRED": "operator_timed_out",
    }
)


def failure_of_reason(reason: object) -> MomoFailure:
    """What MTN's `reason` means: a word, an object with a `code`, or whatever it sent."""
    word = reason.get("code") if isinstance(reason, dict) else reason
    return CATALOGUE[REASONS.get(word, UNKNOWN.code)] if isinstance(word, str) else UNKNOWN
