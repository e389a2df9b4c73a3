"""What people read about the API: the OpenAPI document, its reference, and the errors."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import orjson
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from engine.common.api import problem_response
from engine.common.errors import NotFound

if TYPE_CHECKING:
    from django.http import HttpRequest

ERRORS = settings.BASE_DIR / "docs" / "errors.md"
# Swagger's script writes inline styles; nothing else may come from anywhere else.
REFERENCE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@require_safe
def openapi_document(_request: HttpRequest) -> HttpResponse:
    """The API in OpenAPI 3.1, made once in each process."""
    return HttpResponse(_document(), content_type="application/json")


@cache
def _document() -> bytes:
    patterns = [path("connect/v1/", include("connect.urls"))]
    generator = SchemaGenerator(patterns=patterns)  # type: ignore[no-untyped-call]
    return orjson.dumps(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The same document for people, rendered by scripts of our own house."""
    page = render(request, "connect/reference.html")
    page["Content-Security-Policy"] = REFERENCE_POLICY
    page["X-Frame-Options"] = "DENY"
    return page


class ErrorLine(NamedTuple):
    """One line of a table in docs/errors.md: a code, and its other cells by column."""

    code: str
    named: list[tuple[str, str]]


class ErrorTable(NamedTuple):
    """A heading of docs/errors.md, the names of its columns, and its lines."""

    title: str
    columns: list[str]
    lines: list[ErrorLine]


@require_safe
def errors_page(request: HttpRequest) -> HttpResponse:
    """docs/errors.md as a page, so that every problem's `type` is an address."""
    return render(request, "connect/errors.html", {"tables": error_tables()})


@cache
def error_tables() -> list[ErrorTable]:
    """The tables of docs/errors.md, in its order."""
    tables: list[ErrorTable] = []
    for text in ERRORS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("`", "") for cell in text.strip("|").split("|")]
        if text.startswith("## "):
            tables.append(ErrorTable(text.removeprefix("## "), [], []))
        elif text.startswith("| `"):
            columns = tables[-1].columns
            tables[-1].lines.append(
                ErrorLine(cells[0], list(zip(columns[1:], cells[1:], strict=True)))
            )
        elif text.startswith("| "):
            tables[-1].columns.extend(cells)
    return tables


def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponse:  # noqa: ARG001 - the path's
    """404 in the API's own words, for every address it does not have."""
    return problem_response(NotFound("There is nothing at this address."), request)
