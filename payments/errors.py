"""What only payments refuse. Every code is in docs/errors.md."""

from __future__ import annotations

from engine.common.errors import (
    Conflict,
    NotFound,
    RequestRefused,
    Unauthorized,
    Unprocessable,
)


class PaymentNotFound(NotFound):
    code = "payment_not_found"
    title = "No such payment"

    def __init__(self) -> None:
        super().__init__("There is no payment with this id.")


class ExternalIdConflict(Conflict):
    """The externalId names a payment that was asked for with another body."""

    code = "external_id_conflict"
    title = "The externalId was used for another payment"

    def __init__(self) -> None:
        super().__init__("Choose a new externalId for a new payment.")


class CurrencyNotSupported(Unprocessable):
    code = "currency_not_supported"
    title = "This currency is not paid out here"

    def __init__(self) -> None:
        super().__init__("We keep no such currency, or have no price for it.")


class PaymentNotOpen(Conflict):
    """Final, expired, or with a payout under way: the first submit's result stands."""

    code = "payment_not_open"
    title = "The form is not open"

    def __init__(self) -> None:
        super().__init__("This payment has been filled in already, has ended or has expired.")


class PayinNotSupported(Unprocessable):
    """`type` is missing, which the published API takes for payin, or says payin."""

    code = "payin_not_supported"
    title = "This house only pays out"

    def __init__(self) -> None:
        super().__init__('Say "type": "payout". Nothing is collected here.')


class AnswersInvalid(Unprocessable):
    """A form's answers cannot be paid to; `errors` has a sentence for each that is wrong."""

    code = "details_invalid"
    title = "Nobody can be paid by these details"


class TokenInvalid(Unauthorized):
    """The same for every reason, as with API keys."""

    title = "No valid token"

    def __init__(self) -> None:
        RequestRefused.__init__(
            self, "Send a valid token in the Authorization header: Bearer tk_test_…"
        )
