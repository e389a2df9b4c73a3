"""Celery's way to batches and nonces: safe to lose and to double."""

from __future__ import annotations

from celery import shared_task

from disbursements import authentication, batches


@shared_task(name="disbursements.pay_batches")
def pay_batches() -> None:
    """Make payouts of open batches."""
    batches.pay_batches()


@shared_task(name="disbursements.forget_nonces")
def forget_nonces() -> None:
    """Delete nonces that nobody can use again."""
    authentication.forget_nonces()
