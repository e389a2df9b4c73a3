"""Who uses the house: partners, their keys, their end users."""

from __future__ import annotations

from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "engine.partners"
    label = "partners"
