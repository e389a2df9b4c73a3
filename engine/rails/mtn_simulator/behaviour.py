"""How the simulator behaves: what goes wrong, how often, and which numbers mean what.

Chances are shares between 0 and 1. Every throw of the dice belongs to a reference and to
the how-manieth request for it, so a seed gives the same story whatever the threads do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random
from types import MappingProxyType
from typing import Any

# MTN's sandbox: the last three digits of 46733123… (momodeveloper.mtn.com, testing).
SANDBOX_PREFIX = "46733123"
SANDBOX_REASONS = MappingProxyType(
    {
        "450": "INTERNAL_PROCESSING_ERROR",
        "451": "APPROVAL_REJECTED",
        "452": "EXPIRED",
        "455": "NOT_ENOUGH_FUNDS",
        "456": "PAYER_LIMIT_REACHED",
        "457": "PAYEE_NOT_FOUND",
        "458": "NOT_ALLOWED",
        "459": "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "460": "INVALID_CALLBACK_URL_HOST",
        "461": "INVALID_CURRENCY",
        "462": "INTERNAL_PROCESSING_ERROR",
        "463": "SERVICE_UNAVAILABLE",
    }
)
SANDBOX_PENDING = frozenset({"453"})
# Taken, and paid a while later.
SANDBOX_SLOW = frozenset({"454"})
# In every country, by the last four digits.
REASONS = MappingProxyType({"6089": "PAYEE_NOT_FOUND", "6119": "INTERNAL_PROCESSING_ERROR"})
STUCK = frozenset({"6129"})
# Accounts that the accountholder questions call inactive, or do not know.
INACTIVE = frozenset({"6089"})
# Which currency each of MTN's target environments takes.
CURRENCIES = MappingProxyType(
    {
        "sandbox": "EUR",
        "mtnuganda": "UGX",
        "mtnghana": "GHS",
        "mtnivorycoast": "XOF",
        "mtnzambia": "ZMW",
        "mtncameroon": "XAF",
        "mtnbenin": "XOF",
        "mtncongo": "XAF",
        "mtnswaziland": "SZL",
        "mtnguineaconakry": "GNF",
        "mtnsouthafrica": "ZAR",
        "mtnliberia": "LRD",
    }
)


@dataclass(slots=True)
class Behaviour:
    """Set by flags and by POST /_simulator/behaviour; each may change at any time.

    A `lost_request` is never heard; `refused_before` is a 500 that took nothing; the reply
    to a `lost_reply` never comes, though the transfer was taken: the connection hangs for
    `hang_seconds` and breaks. A `late` transfer answers 404 for `late_seconds` after it
    was taken. A `lost_callback` is never made. A transfer is paid `settle_seconds` after
    it was taken, unless its number says otherwise.
    """

    seed: int = 1
    target_environment: str = "sandbox"
    latency_seconds: float = 0.0
    settle_seconds: float = 1.0
    slow_seconds: float = 5.0
    lost_request: float = 0.0
    refused_before: float = 0.0
    lost_reply: float = 0.0
    hang_seconds: float = 35.0
    late: float = 0.0
    late_seconds: float = 60.0
    lost_callback: float = 0.0
    lost_status: float = 0.0
    # Get Status has a bare word in production and an object in the published schema.
    reason_is_object: bool = False
    callback_method: str = "PUT"
    token_seconds: int = 3600
    # Every answer is a 503 while the operator is down.
    is_down: bool = False

    def change(self, changes: dict[str, Any]) -> None:
        """Take new values by name. Raises ValueError, having changed nothing."""
        kinds = {one.name: type(one.default) for one in fields(self)}
        wrong = [
            name
            for name, value in changes.items()
            if name not in kinds
            or not isinstance(value, (int, float) if kinds[name] is float else kinds[name])
        ]
        if wrong:
            raise ValueError(f"No such behaviour: {', '.join(sorted(wrong))}.")
        for name, value in changes.items():
            setattr(self, name, value)

    def strikes(self, kind: str, reference: str, turn: int) -> bool:
        """Whether this kind of trouble strikes this request for that reference."""
        chance: float = getattr(self, kind)
        # Seeded by text, so that a run can be repeated; nothing here is secret.
        dice = Random(f"{self.seed} {kind} {reference} {turn}")  # noqa: S311
        return dice.random() < chance


def reason_of(msisdn: str) -> str:
    """Why a transfer to this number fails; empty when it does not."""
    if msisdn.startswith(SANDBOX_PREFIX) and msisdn[-3:] in SANDBOX_REASONS:
        return SANDBOX_REASONS[msisdn[-3:]]
    return REASONS.get(msisdn[-4:], "")


def is_stuck(msisdn: str) -> bool:
    """Whether a transfer to this number stays pending for ever, with no callback."""
    return msisdn[-4:] in STUCK or (
        msisdn.startswith(SANDBOX_PREFIX) and msisdn[-3:] in SANDBOX_PENDING
    )


def is_slow(msisdn: str) -> bool:
    """Whether a transfer to this number is pending at first, and then paid."""
    return msisdn.startswith(SANDBOX_PREFIX) and msisdn[-3:] in SANDBOX_SLOW
