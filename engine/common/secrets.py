"""Signatures of our own, under SIGNING_KEYS: the first key signs, every key verifies."""

from __future__ import annotations

import hmac
from hashlib import sha256

from django.conf import settings


def sign(purpose: str, message: bytes) -> bytes:
    """Return 32 bytes only we can make for `message`.

    `purpose` keeps signatures for different uses apart: one made for a quote never
    opens a tracking page.
    """
    return _sign(settings.SIGNING_KEYS[0], purpose, message)


def is_signed(purpose: str, message: bytes, signature: bytes) -> bool:
    """Whether `signature`, or its first 16 bytes or more, is ours for `message`."""
    if len(signature) < sha256().digest_size // 2:
        return False
    return any(
        hmac.compare_digest(_sign(key, purpose, message)[: len(signature)], signature)
        for key in settings.SIGNING_KEYS
    )


def _sign(key: str, purpose: str, message: bytes) -> bytes:
    return hmac.digest(key.encode(), purpose.encode() + b"\x00" + message, "sha256")
