"""Addresses of the hosted form, below /checkin/."""

from __future__ import annotations

from django.urls import path

from payments import pages

app_name = "payments"
urlpatterns = [
    path("<str:payment_id>", pages.choose, name="checkin"),
    path("<str:payment_id>/review/<str:code>", pages.review, name="review"),
    path("<str:payment_id>/<str:method>", pages.details, name="details"),
    path("<str:payment_id>/<str:method>/check", pages.check, name="check"),
]
