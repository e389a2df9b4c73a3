from __future__ import annotations

from django.apps import AppConfig


class RailsConfig(AppConfig):
    name = "engine.rails"
    label = "rails"

    def ready(self) -> None:
        from engine.rails import checks  # noqa: F401 - registers them
