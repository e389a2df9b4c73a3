"""The app without models: errors, units, ids, the API's manners."""

from __future__ import annotations

from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "engine.common"
    label = "common"
