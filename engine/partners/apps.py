"""Who uses the house: partners, their keys, their end users."""

from __future__ import annotations

from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "engine.partners"
    label = "partners"

    def ready(self) -> None:
        """Tell drf-spectacular of our keys; a class it never imports it cannot find."""
        from engine.partners import authentication_schema  # noqa: F401
