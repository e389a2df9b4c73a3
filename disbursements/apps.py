from __future__ import annotations

from django.apps import AppConfig


class DisbursementsConfig(AppConfig):
    name = "disbursements"
