"""Calling a person: a mail to OPERATORS_EMAIL, if there is one. The log has it in any case."""

from __future__ import annotations

from functools import partial

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction


def tell_operators(*, subject: str, text: str) -> None:
    """Write to the operators once the caller's database transaction stands.

    A mail server that is away keeps nobody from anything: what is said here is in the log.
    """
    if settings.OPERATORS_EMAIL:
        transaction.on_commit(
            partial(
                send_mail,
                subject=subject,
                message=text,
                from_email=None,
                recipient_list=[settings.OPERATORS_EMAIL],
                fail_silently=True,
            ),
            robust=True,
        )
