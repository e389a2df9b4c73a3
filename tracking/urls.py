"""Addresses of the public page, under /t/."""

from __future__ import annotations

from django.urls import path

from tracking import views

app_name = "tracking"
urlpatterns = [
    path("<str:token>", views.show_page, name="page"),
    path("<str:token>/now", views.show_now, name="now"),
]
