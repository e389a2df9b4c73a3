"""What partners and their keys can be refused."""

from __future__ import annotations

from engine.common.errors import Conflict, Forbidden, InvalidInput, ZopayError


class PartnerNotApproved(Forbidden):
    """A live key of a partner that is not approved yet; its test keys work."""

    code = "partner_not_approved"
    title = "The partner is not approved for live payouts yet"

    def __init__(self) -> None:
        super().__init__("Use a test key until your account is approved.")


class IdempotencyKeyRequired(InvalidInput):
    code = "idempotency_key_required"
    title = "An Idempotency-Key is needed here"

    def __init__(self) -> None:
        super().__init__("Send an Idempotency-Key header with this request.")


class IdempotencyKeyInvalid(InvalidInput):
    code = "idempotency_key_invalid"
    title = "The Idempotency-Key is not valid"

    def __init__(self) -> None:
        super().__init__(
            "An Idempotency-Key is 1 to 255 visible ASCII characters, without spaces."
        )


class IdempotencyConflict(Conflict):
    """The key was used within the replay window for another request."""

    code = "idempotency_conflict"
    title = "The Idempotency-Key was used for another request"

    def __init__(self) -> None:
        super().__init__("Choose a new Idempotency-Key for a new request.")


class IdempotencyInProgress(Conflict):
    """The first request under this key has not been answered yet."""

    code = "idempotency_in_progress"
    title = "The first request with this Idempotency-Key is still running"
    retryable = True
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("Send the same request again to have its answer.")

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class KeyNotActive(ZopayError):
    """The key is revoked, expired or already rotated: there is nothing left to change."""

    code = "key_not_active"
