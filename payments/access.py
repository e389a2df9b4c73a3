"""Who may open the hosted form: whoever has the link, as often as a person would.

The link is the credential, so there is no cookie and no token of a session beside it: a
stranger who does not know the link can make no browser post to it, and who knows it needs
nobody's browser. A post that says of itself that it comes from another site is refused
all the same.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from engine.common.client_address import client_address
from engine.common.errors import RateLimited
from engine.common.limits import RateLimit
from payments.codes import parse_payment_id
from payments.models import Payment

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from django.http import HttpRequest

    View = Callable[..., HttpResponse]

# Counted by address: whoever fills in a form is checked a few times while she types.
LOOKS = RateLimit()
# Counted by payment: each makes a quote and a row. Nobody changes her mind more often.
PROMISES = RateLimit()
PROMISES_PER_MINUTE = 12
SAFE = ("GET", "HEAD")
# What a browser says of a form that its own page has sent, or that somebody reloads.
OWN_SITES = frozenset({"same-origin", "none"})


def linked(*methods: str) -> Callable[[View], View]:
    """Open the link for a view that takes `methods`, with the headers of a secret.

    A link that is malformed, forged or unknown gets one and the same answer.
    """

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def opened(request: HttpRequest, payment_id: str, **named: str) -> HttpResponse:
            _speak(request)
            if request.method not in methods:
                return guarded(HttpResponseNotAllowed(methods))
            try:
                LOOKS.take(
                    client_address(request), per_minute=settings.PAGE_RATE_LIMIT_PER_MINUTE
                )
            except RateLimited as refusal:
                return too_many(request, refusal.retry_after_seconds)
            payment = find_payment(payment_id)
            if payment is None:
                return not_found(request)
            if request.method not in SAFE and not _is_from_here(request):
                return guarded(render(request, "payments/elsewhere.html", status=403))
            return guarded(view(request, payment, **named))

        return opened

    return decorate


def find_payment(payment_id: str) -> Payment | None:
    code = parse_payment_id(payment_id)
    if code is None:
        return None
    return Payment.objects.select_related("partner").filter(code=code).first()


def take_promise(caller: Hashable) -> None:
    """Count one price that is promised. Raises RateLimited."""
    PROMISES.take(caller, per_minute=PROMISES_PER_MINUTE)


def not_found(request: HttpRequest) -> HttpResponse:
    return guarded(render(request, "404.html", status=404))


def too_many(request: HttpRequest, wait: int) -> HttpResponse:
    response = render(request, "payments/wait.html", {"wait": wait}, status=429)
    response["Retry-After"] = str(wait)
    return guarded(response)


def guarded(response: HttpResponse) -> HttpResponse:
    """Keep the page, and what is typed into it, out of caches, indexes, logs and frames."""
    marked: Any = response
    # Django logs the path of whatever is refused, and this path opens a page.
    marked._has_been_logged = True
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    patch_vary_headers(response, ["Accept-Language"])
    return response


def may_send_to(response: HttpResponse, host: str) -> HttpResponse:
    """Let the page's form end on `host`: Chromium holds its redirects to the policy too."""
    marked: Any = response
    marked._csp_replace = {"form-action": ["'self'", f"https://{host}"]}
    return response


def asked_language(request: HttpRequest) -> str:
    """The language that the reader has chosen by the switch, or ""."""
    asked = request.GET.get("lang", "")
    return asked if asked in dict(settings.LANGUAGES) else ""


def _speak(request: HttpRequest) -> None:
    """Let ?lang= win over the browser's languages; no cookie, so a look changes nothing."""
    asked = asked_language(request)
    if asked:
        translation.activate(asked)
        request.LANGUAGE_CODE = asked


def _is_from_here(request: HttpRequest) -> bool:
    """Whether nothing says that another site has sent this form.

    Under `no-referrer` a browser's own forms come with `Origin: null`, so that proves
    nothing; older browsers send no Sec-Fetch-Site.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in OWN_SITES:
        return False
    origin = request.headers.get("Origin", "null")
    return origin in {"null", f"{request.scheme}://{request.get_host()}"}
