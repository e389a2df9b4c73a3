"""Minting and revoking tokens: found by their digest, sealed to sign webhooks with.

A token has one or both of two boxes ticked: "Payout" makes and reads payments, "Payout
form" fills their forms in for a partner who shows a form of her own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from engine.common.secrets import seal
from engine.partners.keys import TOKEN_PREFIXES, digest_key, new_key_text
from engine.partners.validation import exact_network, visible_text
from engine.webhooks.services import TOKEN_PURPOSE
from payments.models import Token

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.contrib.auth.models import User

    from engine.partners.models import Partner


@sensitive_variables("text")
def mint_token(
    *,
    partner: Partner,
    livemode: bool,
    name: str,
    may_pay_out: bool,
    may_fill_forms: bool = False,
    cidrs: Iterable[str] = (),
    expires_at: datetime | None = None,
    by: User | None = None,
) -> tuple[Token, str]:
    """Make a token. Returns its row and, for the only time, its text.

    Raises Django's ValidationError for an empty name, no box ticked, a network that is
    none, and an expiry that has passed.
    """
    if not (may_pay_out or may_fill_forms):
        raise ValidationError({"may_pay_out": "Tick what it may do, one box at least."})
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": "That moment has passed."})
    text = new_key_text(livemode=livemode, prefixes=TOKEN_PREFIXES)
    token = Token(
        partner=partner,
        livemode=livemode,
        name=visible_text(name),
        digest=digest_key(text),
        sealed_text=seal(TOKEN_PURPOSE, text.encode()),
        prefix_shown=TOKEN_PREFIXES[livemode],
        last4=text[-4:],
        may_pay_out=may_pay_out,
        may_fill_forms=may_fill_forms,
        cidrs=[exact_network(network) for network in cidrs],
        expires_at=expires_at,
        created_by=by,
    )
    token.full_clean(exclude={"created_at"})
    token.save()
    return token, text


def revoke_token(token: Token) -> bool:
    """Refuse the token from now on; False when it was revoked before.

    What it has asked for goes on, and its webhooks are signed with it as before: nobody
    else could check them.
    """
    return bool(Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()))
