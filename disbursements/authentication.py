"""Who is asking? Whoever has signed exactly this request, lately, and for the first time.

The order of the checks is the contract's: the shape of the headers, the key, the time,
the signature; only then is the nonce written down, in PostgreSQL and committed at once,
so that neither a restarted cache nor a refused request makes it good again; and last,
where the request may come from. The moment of all of them is one reading of the
database's clock: what is young enough by it is never older than the nonces we remember.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication

from disbursements.errors import NotAdmitted, NotAuthentic
from disbursements.models import SigningKey
from disbursements.signing import Signed, is_signature
from engine.common.client_address import client_address
from engine.common.errors import BodyTooLarge
from engine.common.secrets import unseal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.request import Request

VERSION = "1.0"
TIME_SECONDS_MAX = 300
NONCE_SECONDS = 600
BODY_BYTES_MAX = 64 * 1024
PURPOSE = "disbursements signing key"
# A header that came twice arrives joined by a comma, which none of these admits.
SHAPES = {
    "key": re.compile(r"[A-Za-z0-9_-]{1,64}\Z", re.ASCII),
    # No zero before it: what is signed has no separators, and a zero may be another part's.
    "timestamp": re.compile(r"[1-9][0-9]{0,11}\Z", re.ASCII),
    "nonce": re.compile(r"[A-Za-z0-9_.:-]{8,128}\Z", re.ASCII),
    "origin": re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,240}\Z", re.ASCII),
    "signature": re.compile(r"[0-9a-f]{64}\Z", re.ASCII),
    "version": re.compile(r"1\.0\Z", re.ASCII),
}
# Committed by itself. A nonce that is older than any timestamp we take may come again:
# TIME_SECONDS_MAX before and after make NONCE_SECONDS.
NOTE_NONCE = """
INSERT INTO disbursements_seennonce AS s (key_id, nonce, seen_at)
VALUES (%(key)s, %(nonce)s, %(at)s)
ON CONFLICT (key_id, nonce) DO UPDATE SET seen_at = excluded.seen_at
    WHERE s.seen_at < excluded.seen_at - make_interval(secs => %(seconds)s)
"""
NOTE_USE = """
UPDATE disbursements_signingkey SET last_used_at = statement_timestamp()
WHERE id = (
    SELECT id FROM disbursements_signingkey
    WHERE id = %s AND (last_used_at IS NULL
                       OR last_used_at < statement_timestamp() - interval '1 minute')
    FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Merchant:
    """The partner who asks, and the key she asks with. Keys of this door are live."""

    partner_id: UUID
    key_id: int
    livemode: bool = True


class SignedRequest(BaseAuthentication):
    """The six `x-zo-` headers."""

    def authenticate(self, request: Request) -> tuple[Merchant, Merchant]:
        """Return the merchant, twice as DRF wants it. Raises NotAuthentic, NotAdmitted."""
        merchant = authenticate(request._request)
        return merchant, merchant


def authenticate(request: HttpRequest, *, bytes_max: int = BODY_BYTES_MAX) -> Merchant:
    """The merchant who has signed this request. Raises NotAuthentic, NotAdmitted."""
    headers = _headers(request)
    key = (
        SigningKey.objects.select_related("partner")
        .annotate(asked_at=Now())
        .filter(key=headers["key"], revoked_at=None)
        .first()
    )
    if key is None:
        raise NotAuthentic("Merchant not found")
    asked_at = key.asked_at
    if abs(asked_at.timestamp() - int(headers["timestamp"])) > TIME_SECONDS_MAX:
        raise NotAuthentic("Request too old")
    signed = Signed(
        method=request.method or "",
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        body=read_body(request, bytes_max=bytes_max),
        timestamp=headers["timestamp"],
        nonce=headers["nonce"],
        origin=headers["origin"],
    )
    secret = unseal(PURPOSE, bytes(key.sealed_secret)).decode()
    if not is_signature(signed, headers["signature"], secret=secret):
        raise NotAuthentic("Invalid signature")
    _note(key, headers["nonce"], asked_at)
    _admit(request, key, headers["origin"])
    return Merchant(partner_id=key.partner_id, key_id=key.pk)


def _note(key: SigningKey, nonce: str, asked_at: datetime) -> None:
    """Count the nonce, once, whatever becomes of the request. Raises NotAuthentic."""
    with connection.cursor() as cursor:
        cursor.execute(
            NOTE_NONCE,
            {"key": key.pk, "nonce": nonce, "at": asked_at, "seconds": NONCE_SECONDS},
        )
        if cursor.rowcount != 1:
            raise NotAuthentic("Nonce already used")
        cursor.execute(NOTE_USE, [key.pk])


def _headers(request: HttpRequest) -> dict[str, str]:
    headers = {}
    for name, shape in SHAPES.items():
        text = request.META.get(f"HTTP_X_ZO_{name.upper()}", "")
        if not shape.match(text):
            raise NotAuthentic(f"Missing or malformed header x-zo-{name}")
        headers[name] = text
    return headers


def read_body(request: HttpRequest, *, bytes_max: int) -> bytes:
    """The raw bytes as they were sent; Django and DRF read the same ones afterwards."""
    body = request.read(bytes_max + 1)
    if len(body) > bytes_max:
        raise BodyTooLarge(f"A body may have at most {bytes_max // 1024} KB.")
    request._body = body
    return body


def _admit(request: HttpRequest, key: SigningKey, origin: str) -> None:
    if not key.partner.is_approved:
        raise NotAdmitted("This merchant is not approved yet")
    if origin not in key.origins:
        raise NotAdmitted("This origin is not one of the key's")
    if key.cidrs:
        told = client_address(request)
        if not told or not any(ip_address(told) in ip_network(cidr) for cidr in key.cidrs):
            raise NotAdmitted("This address is not one of the key's")


def forget_nonces() -> int:
    """Delete nonces that no request could use any more. Returns how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM disbursements_seennonce"
            " WHERE seen_at < clock_timestamp() - make_interval(secs => %s)",
            [2 * NONCE_SECONDS],
        )
        return int(cursor.rowcount)
