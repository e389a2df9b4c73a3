"""Refusals in the shape this API has published: {"error", "message", "code"}."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from rest_framework.response import Response

from disbursements.amounts import write_amount
from engine.common.api import as_refusal
from engine.common.errors import (
    Conflict,
    NotFound,
    RequestRefused,
    Unavailable,
    Unprocessable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

logger = structlog.get_logger(__name__)

# What the engine calls by another status than this API does.
STATUSES = {
    "amount_invalid": HTTPStatus.BAD_REQUEST,
    "destination_invalid": HTTPStatus.BAD_REQUEST,
    "quote_expired": HTTPStatus.CONFLICT,
}
# RFC 9110's names where Python's change with its version.
REASONS = {413: "Content Too Large", 422: "Unprocessable Content"}


class NotAuthentic(RequestRefused):
    """401: whoever asks has not shown that she may."""

    code = "auth_error"
    http_status = HTTPStatus.UNAUTHORIZED
    title = "The request is not signed by a key of ours"


class NotAdmitted(RequestRefused):
    """403: the key is right, and may not be used from there."""

    code = "forbidden"
    http_status = HTTPStatus.FORBIDDEN
    title = "The key may not be used from there"


class RecipientDiffers(Unprocessable):
    code = "recipient_mismatch"
    title = "The recipient is not the one that was quoted"


class FloatTooSmall(RequestRefused):
    code = "insufficient_float"
    http_status = HTTPStatus.PAYMENT_REQUIRED
    title = "The float does not cover it"

    def __init__(self, *, currency: str, needed: int, held: int) -> None:
        super().__init__(
            f"The float has {write_amount(held, currency=currency)} {currency}, and this needs"
            f" {write_amount(needed, currency=currency)}. Nothing was paid.",
            missing=write_amount(max(needed - held, 0), currency=currency),
            currency=currency,
        )


class NotCancellable(Conflict):
    code = "not_cancellable"
    title = "It is too late to cancel"


class FileNotFound(NotFound):
    code = "file_not_found"
    title = "No such file"


class BatchNotFound(NotFound):
    code = "batch_not_found"
    title = "No such batch"


def respond_to_error(error: Exception, _context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler for this door; None for what nobody has foreseen."""
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("database_unavailable", error=str(error))
        error = Unavailable()
    refusal = as_refusal(error)
    if refusal is None:
        return None
    response = Response(_body(refusal), status=_status(refusal), headers=dict(refusal.headers))
    response.exception = True
    return response


def refusal_response(refusal: RequestRefused) -> HttpResponse:
    """The same answer, for code that runs outside DRF."""
    return HttpResponse(
        orjson.dumps(_body(refusal)),
        status=_status(refusal),
        headers=refusal.headers,
        content_type="application/json",
    )


def nothing_here(_request: HttpRequest, **_rest: str) -> HttpResponse:
    """404 for every address that this API does not have."""
    return refusal_response(NotFound("There is nothing at this address."))


def _status(refusal: RequestRefused) -> int:
    return STATUSES.get(refusal.code, refusal.http_status)


def _body(refusal: RequestRefused) -> dict[str, Any]:
    status = _status(refusal)
    body: dict[str, Any] = {
        "error": REASONS.get(status) or HTTPStatus(status).phrase,
        "message": refusal.message,
        "code": refusal.code.upper(),
        **refusal.details,
    }
    if "Retry-After" in refusal.headers:
        body["retry_after"] = int(refusal.headers["Retry-After"])
    return body
