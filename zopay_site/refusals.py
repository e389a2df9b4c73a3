"""Refusals from outside the doors' views, each in the words of the door that was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.views import defaults

from disbursements.errors import refusal_response
from engine.common.api import problem_response
from engine.common.errors import InternalError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from engine.common.errors import RequestRefused

PROBLEM_PATHS = ("/connect/", "/api/payments", "/api/views")
DISBURSEMENTS_PATHS = ("/api/v1/disbursements", "/api/v1/wallets", "/files/")


def refuse(refusal: RequestRefused, request: HttpRequest) -> HttpResponse:
    """`refusal` as the API at that address tells it."""
    if request.path_info.startswith(DISBURSEMENTS_PATHS):
        return refusal_response(refusal)
    return problem_response(refusal, request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: a refusal for the APIs, a page for everybody else."""
    if request.path_info.startswith((*PROBLEM_PATHS, *DISBURSEMENTS_PATHS)):
        return refuse(InternalError(), request)
    page: HttpResponse = defaults.server_error(request)
    return page
