"""The public page of a payout, and its light poll.

Whoever holds the link may look, so a link says nothing about any other: a token that is
malformed, forged or unknown gets the same answer, and nobody may ask without end.
"""

from __future__ import annotations

from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseNotAllowed, HttpResponseNotModified
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext

from engine.common.client_address import client_address
from engine.common.errors import RateLimited
from engine.common.limits import RateLimit
from engine.common.times import format_time
from engine.payouts.links import payout_id_of
from engine.rails.connections import is_devnet
from engine.rails.errors import RailUnavailable
from engine.rails.evm_reader import read_devnet
from tracking.devnet import page_of_transaction
from tracking.page import end_of, etag_of, page_of, read_events, read_payout
from tracking.simulated import page_of_transfer, transfer_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from engine.payouts.models import Payout

    View = Callable[..., HttpResponse]

# Counted by address: one reader asks some 40 times a minute while a payout moves.
LOOKS = RateLimit()
SAFE = ("GET", "HEAD")


def open_to_all(view: View) -> View:
    """Serve `view` to whoever has the link: in her language, and not without end."""

    @wraps(view)
    def opened(request: HttpRequest, **named: str) -> HttpResponse:
        _speak(request)
        if request.method not in SAFE:
            return _guarded(HttpResponseNotAllowed(SAFE))
        try:
            LOOKS.take(client_address(request), per_minute=settings.PAGE_RATE_LIMIT_PER_MINUTE)
        except RateLimited as refusal:
            return _guarded(_too_many(request, refusal.retry_after_seconds))
        return view(request, **named)

    return opened


def public(view: Callable[[HttpRequest, Payout], HttpResponse]) -> View:
    """Open the token for `view`, with the headers of a secret."""

    @open_to_all
    @wraps(view)
    def opened(request: HttpRequest, token: str) -> HttpResponse:
        payout_id = payout_id_of(token)
        payout = None if payout_id is None else read_payout(payout_id)
        if payout is None:
            return _guarded(render(request, "404.html", status=404))
        return _guarded(view(request, payout), payout.partner.frame_hosts)

    return opened


@public
def show_page(request: HttpRequest, payout: Payout) -> HttpResponse:
    """The whole page, complete without JavaScript."""
    now = timezone.now()
    end = end_of(payout)
    page = page_of(payout, read_events(payout), now, end)
    language = translation.get_language()
    return render(
        request,
        "tracking/page.html",
        {
            "page": page,
            "etag": etag_of(payout, now, end),
            "now": format_time(now),
            "now_url": f"{request.path}/now?lang={language}",
            "languages": [(code, name, code == language) for code, name in settings.LANGUAGES],
        },
    )


@public
def show_now(request: HttpRequest, payout: Payout) -> HttpResponse:
    """The part of the page that can change; 304 while it has not."""
    now = timezone.now()
    end = end_of(payout)
    etag = etag_of(payout, now, end)
    if request.headers.get("If-None-Match") == etag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        page = page_of(payout, read_events(payout), now, end)
        response = render(request, "tracking/now.html", {"page": page})
    response["ETag"] = etag
    return response


@open_to_all
def show_simulated(request: HttpRequest, token: str) -> HttpResponse:
    """What the simulated rail's outside knows of a transfer, where an explorer would."""
    transfer = transfer_of(token)
    if transfer is None:
        return _guarded(render(request, "404.html", status=404))
    return _guarded(render(request, "tracking/simulated.html", page_of_transfer(transfer)))


@open_to_all
def show_devnet(request: HttpRequest, network: str, token: str) -> HttpResponse:
    """What a development chain knows of a transaction, where an explorer would be."""
    if not is_devnet(network):
        return _guarded(render(request, "404.html", status=404))
    try:
        seen = read_devnet(network, token)
    except RailUnavailable:
        return _guarded(_devnet_words(request, HTTPStatus.SERVICE_UNAVAILABLE))
    if seen is None:
        return _guarded(_devnet_words(request, HTTPStatus.NOT_FOUND))
    page = page_of_transaction(network, seen)
    return _guarded(render(request, "tracking/devnet.html", {"page": page}))


def _devnet_words(request: HttpRequest, status: int) -> HttpResponse:
    silent = {
        "title": gettext("The development chain does not answer"),
        "words": gettext("Its node has stopped, or is starting. Try again in a minute."),
    }
    unknown = {
        "title": gettext("This chain knows no such transaction"),
        "words": gettext(
            "It may still be on its way: try again in a moment. A development chain that "
            "began anew has forgotten what came before."
        ),
    }
    words = unknown if status == HTTPStatus.NOT_FOUND else silent
    return render(request, "tracking/devnet_silent.html", words, status=status)


def _speak(request: HttpRequest) -> None:
    """Let ?lang= win over the browser's languages; no cookie, so a look changes nothing."""
    asked = request.GET.get("lang", "")
    if asked in dict(settings.LANGUAGES):
        translation.activate(asked)
        request.LANGUAGE_CODE = asked


def _too_many(request: HttpRequest, wait: int) -> HttpResponse:
    response = render(request, "tracking/wait.html", {"wait": wait}, status=429)
    response["Retry-After"] = str(wait)
    return response


def _guarded(response: HttpResponse, frame_hosts: list[str] | None = None) -> HttpResponse:
    """Keep the page out of caches, indexes and strangers' frames."""
    marked: Any = response
    # Django logs the path of whatever is refused, and this path opens a page.
    marked._has_been_logged = True
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    patch_vary_headers(response, ["Accept-Language"])
    if frame_hosts:
        marked._csp_replace = {"frame-ancestors": [f"https://{host}" for host in frame_hosts]}
        # X-Frame-Options knows no list of hosts, and would refuse those we allow.
        marked.xframe_options_exempt = True
    return response
