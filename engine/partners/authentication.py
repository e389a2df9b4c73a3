"""Who is calling? An API key in the Authorization header answers.

Every failure is the same 401: what exactly is wrong with a key is nobody's business but
its owner's, and they see it in the admin.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from math import inf
from threading import Lock
from time import monotonic, time
from typing import TYPE_CHECKING

from django.db import connection
from rest_framework.authentication import BaseAuthentication

from engine.common.client_address import client_address
from engine.common.errors import Forbidden, Unauthorized
from engine.partners.errors import PartnerNotApproved
from engine.partners.key_cache import Caller, KnownKey, known_key
from engine.partners.keys import digest_key, parse_key
from engine.partners.models import ApiKey

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

# One space exactly; the scheme in any case (RFC 9110), the key in its own.
AUTHORIZATION = re.compile(r"(?:bearer )?(.+)\Z", re.ASCII | re.IGNORECASE)
LAST_USED_SECONDS = 60
KEYS_REMEMBERED_MAX = 10_000

# SKIP LOCKED: a key being rotated at this moment must not make its user wait.
NOTE_USE = """
UPDATE partners_apikey SET last_used_at = statement_timestamp()
WHERE id = (
    SELECT id FROM partners_apikey
    WHERE id = %s
      AND (last_used_at IS NULL
           OR last_used_at <= statement_timestamp() - make_interval(secs => %s))
    FOR UPDATE SKIP LOCKED
)
"""

_lock = Lock()
_noted: dict[int, float] = {}


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk_…`, or the bare key: the partners' documents show both."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        """Return the caller, twice as DRF wants it.

        Raises Unauthorized, and PartnerNotApproved for a live key before its time.
        """
        caller = authenticate(request._request)
        return caller, caller

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        return 'Bearer realm="zopay"'


def authenticate(request: HttpRequest) -> Caller:
    """Return who sends this request. Raises Unauthorized, PartnerNotApproved."""
    match = AUTHORIZATION.match(request.META.get("HTTP_AUTHORIZATION", ""))
    parsed = parse_key(match[1]) if match is not None else None
    if parsed is None:
        raise Unauthorized
    known = known_key(digest_key(parsed.text), look_up=_look_up)
    if known is None or known.expires_at <= time() or not _comes_from(request, known):
        raise Unauthorized
    caller = known.caller
    _note_use(caller.key_id)
    if caller.livemode and not caller.is_approved:
        raise PartnerNotApproved
    return caller


def require_scope(caller: Caller, scope: str) -> None:
    """Raise Forbidden unless the caller's key has `scope`, such as ``payouts:write``."""
    if scope not in caller.scopes:
        raise Forbidden(f"This key lacks the scope {scope}.")


def _look_up(digest: bytes) -> KnownKey | None:
    key = (
        ApiKey.objects.filter(digest=digest, revoked_at=None).select_related("partner").first()
    )
    if key is None:
        return None
    caller = Caller(
        partner_id=key.partner_id,
        partner_name=key.partner.name,
        livemode=key.livemode,
        key_id=key.pk,
        scopes=frozenset(key.scopes),
        is_approved=key.partner.is_approved,
        fee_schedule_id=key.partner.fee_schedule_id,
    )
    return KnownKey(
        caller=caller,
        expires_at=inf if key.expires_at is None else key.expires_at.timestamp(),
        networks=tuple(ip_network(network) for network in key.cidrs),
    )


def _comes_from(request: HttpRequest, known: KnownKey) -> bool:
    if not known.networks:
        return True
    text = client_address(request)
    return bool(text) and any(ip_address(text) in network for network in known.networks)


def _note_use(key_id: int) -> None:
    """Write when the key was last used, at most once a minute, whoever else writes it.

    This process remembers when it last tried, so the other requests of that minute do
    not even ask.
    """
    now = monotonic()
    if now < _noted.get(key_id, -inf):
        return
    with _lock:
        if len(_noted) >= KEYS_REMEMBERED_MAX:
            _noted.clear()
        _noted[key_id] = now + LAST_USED_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(NOTE_USE, [key_id, LAST_USED_SECONDS])
