"""Who is asking? A token in the Authorization header answers.

It is looked up for every request, so a revoked one stops at once. Every failure is the same
401: what exactly is wrong with a token is nobody's business but its owner's, who sees it in
the admin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication

from engine.common.client_address import client_address
from engine.common.errors import Forbidden
from engine.partners.errors import PartnerNotApproved
from engine.partners.keys import TOKEN, digest_key, parse_key
from payments.errors import TokenInvalid
from payments.models import Token

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.request import Request

# One space exactly; the scheme in any case (RFC 9110), the token in its own.
AUTHORIZATION = re.compile(r"bearer (.+)\Z", re.ASCII | re.IGNORECASE)
LAST_USED_SECONDS = 60
# SKIP LOCKED: a token being revoked at this moment must not make its user wait.
NOTE_USE = """
UPDATE payments_token SET last_used_at = statement_timestamp()
WHERE id = (
    SELECT id FROM payments_token
    WHERE id = %s AND (last_used_at IS NULL
                       OR last_used_at <= statement_timestamp() - make_interval(secs => %s))
    FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A partner, in one mode, with one token. `request.user` in this API."""

    partner_id: UUID
    livemode: bool
    token_id: int
    may_pay_out: bool
    may_fill_forms: bool
    redirect_hosts: tuple[str, ...]

    @property
    def is_authenticated(self) -> bool:
        """Say yes to whoever asks a user, as DRF does."""
        return True


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer tk_…`."""

    def authenticate(self, request: Request) -> tuple[Bearer, Bearer]:
        """Return the bearer, twice as DRF wants it.

        Raises TokenInvalid, and PartnerNotApproved for a live token before its time.
        """
        bearer = authenticate(request._request)
        return bearer, bearer

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        return 'Bearer realm="zopay"'


def authenticate(request: HttpRequest) -> Bearer:
    """Return who sends this request. Raises TokenInvalid, PartnerNotApproved."""
    match = AUTHORIZATION.match(request.META.get("HTTP_AUTHORIZATION", ""))
    parsed = parse_key(match[1], kind=TOKEN) if match is not None else None
    if parsed is None:
        raise TokenInvalid
    token = (
        Token.objects.select_related("partner")
        .annotate(asked_at=Now())
        .filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
        .filter(digest=digest_key(parsed.text), revoked_at=None)
        .first()
    )
    if token is None or not _comes_from(request, token.cidrs):
        raise TokenInvalid
    used = token.last_used_at
    if used is None or token.asked_at - used >= timedelta(seconds=LAST_USED_SECONDS):
        with connection.cursor() as cursor:
            cursor.execute(NOTE_USE, [token.pk, LAST_USED_SECONDS])
    if token.livemode and not token.partner.is_approved:
        raise PartnerNotApproved
    return Bearer(
        partner_id=token.partner_id,
        livemode=token.livemode,
        token_id=token.pk,
        may_pay_out=token.may_pay_out,
        may_fill_forms=token.may_fill_forms,
        redirect_hosts=tuple(token.partner.redirect_hosts),
    )


def require_payout(bearer: Bearer) -> None:
    """Raise Forbidden unless the token may make and read payments."""
    if not bearer.may_pay_out:
        raise Forbidden("This token was minted without the box “Payout”.")


def require_form(bearer: Bearer) -> None:
    """Raise Forbidden unless the token may fill in forms; whoever may pay out may that."""
    if not (bearer.may_fill_forms or bearer.may_pay_out):
        raise Forbidden("This token was minted without the box “Payout form”.")


def _comes_from(request: HttpRequest, cidrs: list[str]) -> bool:
    if not cidrs:
        return True
    text = client_address(request)
    return bool(text) and any(ip_address(text) in ip_network(cidr) for cidr in cidrs)
