from __future__ import annotations

from django.apps import AppConfig


class PayoutsConfig(AppConfig):
    name = "engine.payouts"
    label = "payouts"

    def ready(self) -> None:
        # Not before: models are there only now.
        from engine.payouts.freezes import frozen_networks
        from engine.rails.guards import set_guard

        set_guard("freezes", frozen_networks)
