from __future__ import annotations

from django.apps import AppConfig


class RailsConfig(AppConfig):
    name = "engine.rails"
    label = "rails"
