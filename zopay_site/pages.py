"""The few pages that belong to no door: the front page, and what robots may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

if TYPE_CHECKING:
    from django.http import HttpRequest

# Tracking links are secrets: not even their existence is anybody's to index.
ROBOTS = "User-agent: *\nDisallow: /t/\nDisallow: /simulated/\nDisallow: /admin/\n"


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """Say what this is, and where to go."""
    return render(request, "home.html")


@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(ROBOTS, content_type="text/plain")
