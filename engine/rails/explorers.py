"""Where anybody can see for herself that a payout was sent."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings

from engine.rails.connections import is_devnet
from engine.rails.networks import NETWORKS, explorer_tx_url

SIMULATED = "simulated"
# What the references of the house's own crossings begin with, before a colon.
HOUSE = "house"


def is_of_the_house(reference: str) -> bool:
    """Whether `reference` names a crossing by the house's own liquidity: nothing was sent."""
    return reference.startswith(f"{HOUSE}:")


def explorer_url(*, rail: str, network: str, reference: str) -> str:
    """The page that shows `reference`: the network's explorer, or our own.

    No explorer has ever heard of what the simulated rail or a development chain carries,
    so a link there would be a lie; we have pages for both. Empty where nobody can look.
    """
    named = quote(reference, safe="")
    if is_of_the_house(reference) or network not in NETWORKS:
        return ""
    if rail == SIMULATED:
        return f"{settings.ZOPAY_PUBLIC_URL}/simulated/{named}"
    if is_devnet(network):
        return f"{settings.ZOPAY_PUBLIC_URL}/devnet/{network}/tx/{named}"
    return explorer_tx_url(network, reference)
