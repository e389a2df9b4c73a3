"""Celery's way into the engine: one payload-free task, safe to lose and to double."""

from __future__ import annotations

from celery import shared_task

from engine.payouts import sweeps


@shared_task(name="payouts.drain")
def drain() -> None:
    """Take every due payout a step further."""
    sweeps.drain()
