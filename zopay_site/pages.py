"""The few pages that belong to no door: the front page, and what robots may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

if TYPE_CHECKING:
    from django.http import HttpRequest

# These links are secrets: not even their existence is anybody's to index.
HIDDEN = ("/t/", "/checkin/", "/simulated/", "/admin/")
ROBOTS = "\n".join(["User-agent: *", *(f"Disallow: {path}" for path in HIDDEN), ""])


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """Say what this is, and where to go."""
    return render(request, "home.html")


@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(ROBOTS, content_type="text/plain")
