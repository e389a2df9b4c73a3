"""Every address of the house. Doors bring their own `urls`; this file joins them."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from connect.pages import errors_page
from tracking.views import show_devnet, show_simulated
from zopay_site import health, pages

handler500 = "zopay_site.refusals.server_error"

urlpatterns = [
    path("", pages.front, name="front"),
    path("robots.txt", pages.robots),
    # Browsers ask here, whatever a page says.
    path("favicon.ico", RedirectView.as_view(url="/static/favicon.svg")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("t/", include("tracking.urls")),
    path("checkin/", include("payments.page_urls")),
    path("simulated/<str:token>", show_simulated),
    path("devnet/<str:network>/tx/<str:token>", show_devnet),
    path("connect/v1/", include("connect.urls")),
    path("api/", include("payments.urls")),
    path("", include("disbursements.urls")),
    path("docs/errors", errors_page, name="docs-errors"),
    path("admin/", admin.site.urls),
]
