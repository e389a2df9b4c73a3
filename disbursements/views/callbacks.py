"""Where operators call back: a hint to look now, whatever it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from engine.common.client_address import client_address
from engine.common.errors import RateLimited
from engine.common.limits import RateLimit
from engine.rails.momo.hints import hint

if TYPE_CHECKING:
    from django.http import HttpRequest

CALLS = RateLimit()
HEARD = 204


@csrf_exempt
@require_http_methods(["PUT", "POST"])
def hear(request: HttpRequest, token: str, reference: str) -> HttpResponse:
    """Always the same answer: who guesses at secrets and references learns nothing.

    The body is not even read. Beyond the limit a hint is lost, which costs a few seconds.
    """
    try:
        CALLS.take(client_address(request), per_minute=settings.RATE_LIMIT_PER_MINUTE)
    except RateLimited:
        return HttpResponse(status=HEARD)
    hint(token, reference)
    return HttpResponse(status=HEARD)
