"""Celery's way to the outbox. Its own queue: money never waits for a receiver."""

from __future__ import annotations

from celery import shared_task

from engine.webhooks import sending


@shared_task(name="webhooks.deliver")
def deliver() -> None:
    """Send every message that is due."""
    sending.deliver()
