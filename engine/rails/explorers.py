"""Where anybody can see for herself that a payout was sent."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings

from engine.rails.networks import NETWORKS, explorer_tx_url

SIMULATED = "simulated"
# What the references of the house's own crossings begin with, before a colon.
HOUSE = "house"


def is_of_the_house(reference: str) -> bool:
    """Whether `reference` names a crossing by the house's own liquidity: nothing was sent."""
    return reference.startswith(f"{HOUSE}:")


def explorer_url(*, rail: str, network: str, reference: str) -> str:
    """The page that shows `reference`: the network's explorer, or our own.

    No explorer has ever heard of what the simulated rail sends, so a link there would
    be a lie; its transfers have a page of ours. Empty where nobody can look.
    """
    if rail == SIMULATED:
        return f"{settings.ZOPAY_PUBLIC_URL}/simulated/{quote(reference, safe='')}"
    return explorer_tx_url(network, reference) if network in NETWORKS else ""
