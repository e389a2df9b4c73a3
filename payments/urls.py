"""The addresses of payments, below /api/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import path

from engine.common.api import problem_response
from engine.common.errors import NotFound
from payments.views.payments import Payments
from payments.views.states import OnePayment, Views

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponse:  # noqa: ARG001 - the path's
    """404 in the API's own words, for every address it does not have."""
    return problem_response(NotFound("There is nothing at this address."), request)


urlpatterns = [
    path("payments", Payments.as_view()),
    path("payments/<str:payment_id>", OnePayment.as_view()),
    path("views", Views.as_view()),
    path("payments/", nothing_here),
    path("payments/<path:rest>", nothing_here),
    path("views/", nothing_here),
    path("views/<path:rest>", nothing_here),
]
