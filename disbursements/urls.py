"""The addresses of disbursements, below the root: the published ones lie side by side."""

from __future__ import annotations

from django.urls import path

from disbursements.errors import nothing_here
from disbursements.views.callbacks import hear
from disbursements.views.files import Bulk, OneBatch, Upload
from disbursements.views.payouts import Cancel, Execute, OnePayout, Payouts, Quotes
from disbursements.views.recipients import Lookup

BASE = "api/v1/disbursements"

urlpatterns = [
    path(f"{BASE}/quote", Quotes.as_view()),
    # The older path of the same thing.
    path("api/v1/wallets/quote", Quotes.as_view()),
    path(f"{BASE}/execute", Execute.as_view()),
    path(f"{BASE}/bulk", Bulk.as_view()),
    path(f"{BASE}/bulk/<str:batch_id>", OneBatch.as_view()),
    path(f"{BASE}/recipients/lookup", Lookup.as_view()),
    path(f"{BASE}/<str:payout_id>/cancel", Cancel.as_view()),
    path(f"{BASE}/<str:payout_id>", OnePayout.as_view()),
    path(BASE, Payouts.as_view()),
    path(f"{BASE}/", Payouts.as_view()),
    # Files are beside the other paths, and below them for who reads it that way.
    path(f"{BASE}/files/v1/payout-csv", Upload.as_view()),
    path(f"{BASE}/<path:rest>", nothing_here),
    path("api/v1/wallets/<path:rest>", nothing_here),
    path("files/v1/payout-csv", Upload.as_view()),
    path("files/<path:rest>", nothing_here),
    path("momo/callbacks/<str:token>/<str:reference>", hear),
]
