"""The errors this house raises, named for what the caller may do next.

ZopayError
├── RequestRefused            the caller must change the request
│   ├── InvalidInput          400, with the fields that are wrong
│   ├── Unauthorized          401, always the same
│   ├── Forbidden             403
│   ├── NotFound              404, the same for missing and for somebody else's
│   ├── Conflict              409
│   ├── Unprocessable         422: well formed, and still not to be done
│   ├── RateLimited           429
│   └── Unavailable           503: nobody did anything wrong; try again
└── RailError                 the outside world answered badly (engine.rails.errors)

Only `RequestRefused` reaches a client; anything else is a 500 and a page to us. Each app
keeps its own leaves in its `errors.py`; docs/errors.md is the one table of all codes.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ZopayError(Exception):
    """Base of every error raised on purpose in this repository."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class RequestRefused(ZopayError):
    """The request was understood and will not be done. Safe to show to the client.

    `details` become members of the problem document. `retryable` says whether the same
    request may succeed later; `headers` are added to the answer.
    """

    http_status: ClassVar[int] = 400
    title: ClassVar[str] = "The request was refused"
    retryable: ClassVar[bool] = False

    @property
    def headers(self) -> dict[str, str]:
        return {}


class InvalidInput(RequestRefused):
    """The request is not of the form the API asks for.

    `errors` is a list of ``{"pointer", "code", "message"}``, a pointer being a JSON
    Pointer (RFC 6901) into the body.
    """

    code = "invalid_input"
    http_status = 400
    title = "The request is not valid"


class Unauthorized(RequestRefused):
    code = "unauthorized"
    http_status = 401
    title = "No valid API key"

    def __init__(self) -> None:
        super().__init__("Send a valid API key in the Authorization header: Bearer sk_test_…")

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="zopay"'}


class Forbidden(RequestRefused):
    code = "forbidden"
    http_status = 403
    title = "This key may not do that"


class NotFound(RequestRefused):
    code = "not_found"
    http_status = 404
    title = "Not found"


class MethodNotAllowed(RequestRefused):
    code = "method_not_allowed"
    http_status = 405
    title = "Method not allowed"


class BodyTooLarge(RequestRefused):
    code = "body_too_large"
    http_status = 413
    title = "The body is too large"


class UnsupportedMediaType(RequestRefused):
    code = "unsupported_media_type"
    http_status = 415
    title = "Only JSON is understood here"


class Conflict(RequestRefused):
    code = "conflict"
    http_status = 409
    title = "Conflict"


class Unprocessable(RequestRefused):
    code = "unprocessable"
    http_status = 422
    title = "This cannot be done"


class AmountInvalid(Unprocessable):
    """The amount breaks the grammar, is zero, or has more decimals than the asset."""

    code = "amount_invalid"
    title = "The amount is not valid"


class RateLimited(RequestRefused):
    code = "rate_limited"
    http_status = 429
    title = "Too many requests"
    retryable = True

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            f"Too many requests. Try again in {retry_after_seconds} s.",
        )
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class Unavailable(RequestRefused):
    """The database is away, or a row stayed locked for too long."""

    code = "unavailable"
    http_status = 503
    title = "Not now"
    retryable = True

    def __init__(self) -> None:
        super().__init__("We could not finish this just now. Send the same request again.")

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class InternalError(RequestRefused):
    """What a client is told of an error of ours that nobody foresaw."""

    code = "internal_error"
    http_status = 500
    title = "Something broke on our side"
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "We have been told. With the same Idempotency-Key it is safe to try again."
        )
