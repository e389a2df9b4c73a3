"""What must be right in the settings before anything starts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from engine.rails.derivation import XpubInvalid, read_account


@register
def deposit_xpub_is_an_account_s(**_: Any) -> list[CheckMessage]:
    """A wrong one would be noticed by the first partner who wants an address."""
    if not settings.DEPOSIT_XPUB:
        return []
    try:
        read_account(settings.DEPOSIT_XPUB)
    except XpubInvalid as error:
        return [
            Error(
                f"DEPOSIT_XPUB is refused: {error}.",
                hint="It is the extended public key (xpub…) of m/44'/60'/0'.",
                id="rails.E001",
            )
        ]
    return []
