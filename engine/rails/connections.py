"""Which networks have RPC endpoints. Light: the web process asks it, and never loads web3."""

from __future__ import annotations

from django.conf import settings


def connected_networks() -> tuple[str, ...]:
    """The networks that somebody gave us an RPC endpoint for, in the order of the settings."""
    return tuple(network for network, urls in settings.RPC_URLS.items() if urls)


def is_devnet(network: str) -> bool:
    """Whether `network` is a development chain that this house started for itself."""
    return (
        settings.ZOPAY_DEMO
        and network in settings.DEVNET_NETWORKS
        and network in connected_networks()
    )
