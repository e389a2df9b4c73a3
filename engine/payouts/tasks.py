"""Celery's way into the engine: payload-free tasks, safe to lose and to double."""

from __future__ import annotations

from celery import shared_task

from engine.payouts import consolidation, deposits, network_prices, sweeps


@shared_task(name="payouts.drain")
def drain() -> None:
    """Take every due payout a step further."""
    sweeps.drain()


@shared_task(name="payouts.price_networks")
def price_networks() -> None:
    """Let network fees follow the chains they will be paid on."""
    network_prices.price_networks()


@shared_task(name="payouts.watch_deposits")
def watch_deposits() -> None:
    """Credit what has arrived on the connected chains, and end what sweeps have begun."""
    deposits.watch_deposits()
    consolidation.drive_all()
