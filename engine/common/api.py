"""What every HTTP door shares: strict JSON in, fast JSON out, errors as RFC 9457 problems."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions as drf
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from engine.common import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import IO

    from django.http import HttpRequest
    from rest_framework.request import Request

logger = structlog.get_logger(__name__)

BODY_BYTES_MAX = 64 * 1024
DEPTH_MAX = 32
PROBLEM_TYPE = "application/problem+json"


class StrictJSONParser(BaseParser):
    """JSON that means one thing only.

    Refuses what Python's and DRF's parsers let through and a payout must not: duplicate
    keys, NaN, lone surrogates, NUL, nesting past 32, more than 64 KB, bytes that are not
    UTF-8.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
    ) -> Any:
        try:
            body = stream.read(BODY_BYTES_MAX + 1)
        except RequestDataTooBig:
            raise errors.BodyTooLarge("A body may have at most 64 KB.") from None
        if len(body) > BODY_BYTES_MAX:
            raise errors.BodyTooLarge("A body may have at most 64 KB.")
        return parse_json(body)


def parse_json(body: bytes) -> Any:
    """Read strict JSON from bytes. Raises InvalidInput with a sentence that says why."""
    try:
        text = body.decode("utf-8")
        parsed = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
        # orjson refuses lone surrogates, which Python's json reads and PostgreSQL and
        # UTF-8 cannot write; the round trip finds them at any depth.
        plain = orjson.dumps(parsed)
    except json.JSONDecodeError as error:
        raise errors.InvalidInput(
            f"The body is not JSON: see line {error.lineno}, column {error.colno}."
        ) from None
    except (ValueError, RecursionError, orjson.JSONEncodeError) as error:
        detail = error.args[0] if isinstance(error, _Refused) else "The body is not JSON."
        raise errors.InvalidInput(str(detail)) from None
    if b"\\u0000" in plain:
        raise errors.InvalidInput("The body contains a NUL character.")
    if _depth(parsed) > DEPTH_MAX:
        raise errors.InvalidInput(f"The body is nested deeper than {DEPTH_MAX} levels.")
    return parsed


class _Refused(ValueError):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("The body names a member twice.")
    return members


def _refuse_constant(name: str) -> Any:
    raise _Refused(f"{name} is not JSON.")


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= DEPTH_MAX:
        deepest += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return deepest


class OrjsonRenderer(BaseRenderer):
    """JSON by orjson. An answer that is bytes already (a replay) passes untouched."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        renderer_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
    ) -> bytes:
        return data if isinstance(data, bytes) else orjson.dumps(data)


class OneNegotiation(BaseContentNegotiation):
    """One parser and one renderer: negotiating between one is a waste of 75 µs."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise errors.UnsupportedMediaType(
                "Send the body as Content-Type: application/json."
            )
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - DRF's signature
        renderers: Iterable[Any],
        format_suffix: str | None = None,  # noqa: ARG002 - as above
    ) -> tuple[Any, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


def respond_to_error(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal is a problem document.

    Returns None for anything unforeseen, so that Django logs it and answers 500.
    """
    if isinstance(error, OperationalError | InterfaceError):
        # The database is away or a lock was not to be had. Whoever repeats the request
        # finds out what became of it.
        logger.warning("database_unavailable", error=str(error))
        error = errors.Unavailable()
    refusal = as_refusal(error)
    if refusal is None:
        return None
    request = context["request"]._request
    response = Response(
        problem(refusal, request),
        status=refusal.http_status,
        headers=refusal.headers,
        content_type=PROBLEM_TYPE,
    )
    response.exception = True
    return response


def problem_response(refusal: errors.RequestRefused, request: HttpRequest) -> HttpResponse:
    """The same problem document, for code that runs outside DRF."""
    return HttpResponse(
        orjson.dumps(problem(refusal, request)),
        status=refusal.http_status,
        headers=refusal.headers,
        content_type=PROBLEM_TYPE,
    )


def problem(refusal: errors.RequestRefused, request: HttpRequest) -> dict[str, Any]:
    """A refusal as RFC 9457 writes it, with our `code`, `request_id` and `retryable`."""
    return {
        "type": f"{settings.ZOPAY_PUBLIC_URL}/docs/errors#{refusal.code}",
        "title": refusal.title,
        "status": refusal.http_status,
        "detail": refusal.message,
        "code": refusal.code,
        "request_id": request.META.get("zopay.request_id", ""),
        "retryable": refusal.retryable,
        **refusal.details,
    }


def as_refusal(error: Exception) -> errors.RequestRefused | None:
    """What a door tells of an error; None for anything unforeseen."""
    match error:
        case errors.RequestRefused():
            return error
        case drf.ValidationError():
            return errors.InvalidInput(
                "Some fields are not valid; `errors` says which.",
                errors=list(_field_errors(error.detail)),
            )
        case drf.MethodNotAllowed():
            return errors.MethodNotAllowed(str(error.detail))
        case drf.UnsupportedMediaType() | drf.ParseError():
            return errors.InvalidInput("The body cannot be read.")
        case Http404() | drf.NotFound():
            return errors.NotFound("There is nothing at this address.")
    return None


def _field_errors(detail: Any, pointer: str = "") -> Any:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else f"/{_escape(str(name))}"
            yield from _field_errors(inner, pointer + step)
    elif isinstance(detail, list):
        for inner in detail:
            yield from _field_errors(inner, pointer)
    else:
        yield {"pointer": pointer, "code": detail.code, "message": str(detail)}


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
