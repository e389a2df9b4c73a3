"""Which middleware serves whom.

The partners' API has no session, cookie or form; running the page middleware for it
costs 44 µs a call and gives nothing. Each page middleware below is Django's own, told to
stand aside on the API's paths.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import structlog
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from engine.common.errors import InvalidInput
from engine.common.ids import new_id
from zopay_site.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

API_PATHS = ("/connect/", "/api/", "/files/", "/momo/", "/healthz", "/readyz")
ADMIN_PATH = "/admin/"
HEADER_LENGTH_MAX = 4096
# Control characters and unpaired surrogates have no business in a path, a query or a
# header, and PostgreSQL refuses NUL wherever it lands.
STRANGE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]|%00", re.IGNORECASE)


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API_PATHS)


class RequestId:
    """Names every request, in its log lines and in its answer's `Request-Id`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = f"req_{new_id().hex}"
        request.META["zopay.request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response["Request-Id"] = request_id
        return response


class RefuseStrangeRequests:
    """Answers 400 to what would otherwise be a 500 somewhere deeper."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        strange = _strangeness(request)
        if strange is None:
            return self.get_response(request)
        if is_api(request):
            return refuse(InvalidInput(strange), request)
        return HttpResponse(strange, status=400, content_type="text/plain")


def _strangeness(request: HttpRequest) -> str | None:
    query = request.META.get("QUERY_STRING", "")
    if STRANGE.search(request.path_info) or STRANGE.search(query):
        return "The address contains a control character."
    for name, value in request.META.items():
        if name.startswith("HTTP_") and isinstance(value, str):
            if len(value) > HEADER_LENGTH_MAX:
                return f"The header {name[5:].replace('_', '-').title()} is too long."
            if STRANGE.search(value):
                return "A header contains a control character."
    return None


class PagesOnly:
    """Mixed in before a middleware of Django's, it leaves the API alone."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_api(request):
            answer: HttpResponse = self.get_response(request)
            return answer
        response: HttpResponse = super().__call__(request)  # type: ignore[misc]
        return response

    def process_view(self, request: HttpRequest, *args: Any) -> Any:
        inherited = getattr(super(), "process_view", None)
        if inherited is None or is_api(request):
            return None
        return inherited(request, *args)


class Sessions(PagesOnly, SessionMiddleware):
    pass


class Locale(PagesOnly, LocaleMiddleware):
    """The API speaks English, also on a thread that just served a French page."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_api(request):
            translation.activate(settings.LANGUAGE_CODE)
        return super().__call__(request)


class Common(PagesOnly, CommonMiddleware):
    pass


class Csrf(PagesOnly, CsrfViewMiddleware):
    """Under the house's `no-referrer` a browser posts a form with `Origin: null`, which
    Django rightly refuses; the admin, which lives by forms, tells its own origin.
    """

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        if request.path_info.startswith(ADMIN_PATH):
            response.headers.setdefault("Referrer-Policy", "same-origin")
        return super().process_response(request, response)


class Authentication(PagesOnly, AuthenticationMiddleware):
    pass


class Messages(PagesOnly, MessageMiddleware):
    pass


class Frames(PagesOnly, XFrameOptionsMiddleware):
    pass


class ContentSecurityPolicy(PagesOnly, CSPMiddleware):
    """The settings' policy everywhere, and two sources more for the admin alone.

    Unfold's Alpine compiles the expressions in its attributes, and its theme is an inline
    style; our own pages have neither.
    """

    def get_policy_parts(
        self, request: HttpRequest, response: Any, *args: Any, **kwargs: Any
    ) -> Any:
        parts = super().get_policy_parts(request, response, *args, **kwargs)
        if request.path_info.startswith(ADMIN_PATH):
            parts.update = {
                "script-src": ["'unsafe-eval'"],
                "style-src": ["'unsafe-inline'"],
            }
        return parts
