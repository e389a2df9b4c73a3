"""Who uses the house: partners, their keys, their end users."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PartnersConfig(AppConfig):
    name = "engine.partners"
    label = "partners"

    def ready(self) -> None:
        """Tell drf-spectacular of our keys, and Django whom to give permissions."""
        from engine.partners import authentication_schema, groups  # noqa: F401

        post_migrate.connect(groups.grant, dispatch_uid="partners.groups.grant")
