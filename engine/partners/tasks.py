"""Celery's way in. Each task is one call."""

from __future__ import annotations

from celery import shared_task

from engine.partners import answers


@shared_task(name="partners.forget_answers")
def forget_answers() -> int:
    """Delete stored answers that are past their keeping."""
    return answers.forget_old()
