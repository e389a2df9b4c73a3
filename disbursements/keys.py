"""Minting and revoking the keys that sign requests."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.db.models.functions import Now

from disbursements.authentication import PURPOSE, SHAPES
from disbursements.models import SigningKey
from engine.common.secrets import seal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.partners.models import Partner

PREFIX, SECRET_PREFIX = "zk_live_", "zs_live_"
KEY_BYTES, SECRET_BYTES = 18, 32


class OriginInvalid(ValueError):
    """What was given is no origin. Its text says what one looks like."""


def exact_origin(text: str) -> str:
    """An origin as requests say it: scheme and host, no path. Raises OriginInvalid."""
    if SHAPES["origin"].match(text) is None:
        raise OriginInvalid("Write an origin such as https://shop.example, without a path.")
    return text


def mint_signing_key(
    *, partner: Partner, name: str, origins: Sequence[str], cidrs: Sequence[str] = ()
) -> tuple[SigningKey, str]:
    """A new key, and its secret, which is shown this once. Raises OriginInvalid."""
    secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    key = SigningKey.objects.create(
        partner=partner,
        name=name,
        key=PREFIX + secrets.token_urlsafe(KEY_BYTES),
        sealed_secret=seal(PURPOSE, secret.encode()),
        origins=[exact_origin(origin) for origin in origins],
        cidrs=list(cidrs),
    )
    return key, secret


def revoke_signing_key(key: SigningKey) -> bool:
    """Refuse the key from now on; False when it was revoked before."""
    return bool(SigningKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()))
