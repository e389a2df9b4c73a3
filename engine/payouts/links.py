"""The public address of a payout: its key and 128 bits that only we can add to it.

No column and no index: a random token beside a time-ordered key would be one more random
index on the path of every execute (performance.md).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from django.conf import settings

from engine.common.secrets import is_signed, sign

PURPOSE = "tracking"
KEY_BYTES = 16
TOKEN_CHARACTERS = 43


def tracking_token(payout_id: UUID) -> str:
    """43 characters of base64url: 16 bytes of key, 16 bytes of HMAC."""
    key = payout_id.bytes
    return urlsafe_b64encode(key + sign(PURPOSE, key)[:KEY_BYTES]).decode().rstrip("=")


def tracking_url(payout_id: UUID) -> str:
    return f"{settings.ZOPAY_PUBLIC_URL}/t/{tracking_token(payout_id)}"


def payout_id_of(token: str) -> UUID | None:
    """The payout a tracking token opens; None for a token we did not make."""
    if len(token) != TOKEN_CHARACTERS or not token.isascii():
        return None
    try:
        plain = urlsafe_b64decode(token + "=")
    except ValueError:
        return None
    key, mac = plain[:KEY_BYTES], plain[KEY_BYTES:]
    # The last character carries two bits nobody reads: only one spelling is ours.
    if not is_signed(PURPOSE, key, mac) or _is_spelled_otherwise(token, plain):
        return None
    return UUID(bytes=key)


def _is_spelled_otherwise(token: str, plain: bytes) -> bool:
    """Whether `token` is another spelling of the bytes `plain`."""
    return urlsafe_b64encode(plain).decode().rstrip("=") != token
