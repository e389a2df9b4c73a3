"""Celery's way in: payload-free tasks, safe to lose and to double."""

from __future__ import annotations

from celery import shared_task

from payments import expiry


@shared_task(name="payments.expire")
def expire() -> None:
    """Give back what nobody has asked for in time."""
    expiry.expire_due()
