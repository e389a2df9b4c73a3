"""Why a quote or a payout is refused. Every code is in docs/errors.md."""

from __future__ import annotations

from engine.common.errors import Conflict, InvalidInput, NotFound, RequestRefused, Unprocessable


class ExternalRefUnknown(NotFound):
    code = "external_ref_unknown"
    title = "No such user"

    def __init__(self) -> None:
        super().__init__(
            "This external_ref has never been seen. Create an address for it, or read its"
            " balance, first."
        )


class PayoutNotFound(NotFound):
    code = "payout_not_found"
    title = "No such payout"

    def __init__(self) -> None:
        super().__init__("There is no payout with this id.")


class QuoteNotFound(NotFound):
    code = "quote_not_found"
    title = "No such quote"

    def __init__(self) -> None:
        super().__init__("There is no quote with this id.")


class QuoteInvalid(InvalidInput):
    code = "quote_invalid"
    title = "Not a quote of ours"

    def __init__(self) -> None:
        super().__init__("This quote_id was not issued here, or was altered on the way.")


class QuoteExpired(RequestRefused):
    code = "quote_expired"
    http_status = 410
    title = "The quote has expired"

    def __init__(self) -> None:
        super().__init__("Ask for a new quote and execute it before its expires_at.")


class QuoteAlreadyUsed(Conflict):
    code = "quote_already_used"
    title = "The quote was already used"

    def __init__(self, *, payout_id: str) -> None:
        super().__init__(
            "This quote has become a payout already; payout_id says which.",
            payout_id=payout_id,
        )


class AmountTooSmall(Unprocessable):
    code = "amount_too_small"
    title = "The amount does not cover its fee"


class LimitReached(Unprocessable):
    code = "limit_reached"
    title = "A limit has been reached"

    def __init__(self) -> None:
        super().__init__("This payout would exceed a limit set for your account.")


class DestinationBlocked(Unprocessable):
    code = "destination_blocked"
    title = "Nobody may be paid there"

    def __init__(self) -> None:
        super().__init__("Payouts to this destination are not allowed.")


class RouteUnavailable(Unprocessable):
    code = "route_unavailable"
    title = "There is no way there right now"
    retryable = True


class PayoutsFrozen(RequestRefused):
    code = "payouts_frozen"
    http_status = 503
    title = "Payouts are paused"
    retryable = True

    def __init__(self) -> None:
        super().__init__("Payouts are paused for now. Nothing was sent; try again later.")

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "60"}


class NothingToAdvance(Conflict):
    code = "nothing_to_advance"
    title = "This payout is not waiting"

    def __init__(self) -> None:
        super().__init__("Only a sandbox payout that stays in broadcast can be advanced.")
