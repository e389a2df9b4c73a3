"""Signatures of our own, and the sealing of secrets that must be read back.

SIGNING_KEYS sign and SEALING_KEYS seal; in both the first key is used for what is new and
every key for what is old, which is how a key is rotated.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from engine.common.errors import ZopayError

# A sealed secret is: which key (8 bytes), the nonce (12), the ciphertext with its tag.
KEY_NAME_BYTES = 8
NONCE_BYTES = 12


class SealBroken(ZopayError):
    """None of SEALING_KEYS opens this: it was sealed under another, or altered."""

    code = "seal_broken"


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


def seal(purpose: str, secret: bytes) -> bytes:
    """Encrypt a secret (AES-256-GCM) so that it can be stored and read back.

    `purpose` binds it to its use: a secret sealed for one column opens in no other.
    """
    key = _sealing_key(settings.SEALING_KEYS[0])
    nonce = os.urandom(NONCE_BYTES)
    return _key_name(key) + nonce + AESGCM(key).encrypt(nonce, secret, purpose.encode())


def unseal(purpose: str, sealed: bytes) -> bytes:
    """Read what `seal` wrote. Raises SealBroken."""
    name, rest = sealed[:KEY_NAME_BYTES], sealed[KEY_NAME_BYTES:]
    nonce, ciphertext = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
    for text in settings.SEALING_KEYS:
        key = _sealing_key(text)
        if _key_name(key) == name:
            try:
                return AESGCM(key).decrypt(nonce, ciphertext, purpose.encode())
            except (InvalidTag, ValueError):
                break
    raise SealBroken("A stored secret cannot be read back; check SEALING_KEYS.")


def _sealing_key(text: str) -> bytes:
    """32 bytes from whatever the environment holds; it is random, so one hash is enough."""
    return sha256(b"sealing\x00" + text.encode()).digest()


def _key_name(key: bytes) -> bytes:
    return sha256(b"name\x00" + key).digest()[:KEY_NAME_BYTES]
