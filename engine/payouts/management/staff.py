"""Who says so, at the terminal."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.management.base import CommandError


def staff_named(username: str) -> str:
    """The username of somebody on the staff, as it is spelled. Raises CommandError."""
    known = User.objects.filter(username=username, is_staff=True, is_active=True)
    if not known.exists():
        raise CommandError(f"Nobody on the staff is called {username!r}.")
    return username
