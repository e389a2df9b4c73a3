"""Tells Celery its broker wherever Django is set up: web, worker, command, test."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "zopay_site"

    def ready(self) -> None:
        import zopay_site.celery  # noqa: F401 - importing it is what makes it the current app
