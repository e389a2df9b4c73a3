"""Every way a key can change, and how end users come to be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from engine.partners.errors import KeyNotActive
from engine.partners.keys import PREFIXES, digest_key, new_key_text
from engine.partners.models import ApiKey, EndUser, KeyState
from engine.partners.validation import exact_network, visible_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from django.contrib.auth.models import User

    from engine.partners.models import Partner

HOUR, DAY = 3600, 86_400
# How long the old key may live beside the new one: now, 1 h, 24 h, 7 d.
OLD_KEY_LIVES_SECONDS = (0, HOUR, DAY, 7 * DAY)


def mint_key(
    *,
    partner: Partner,
    livemode: bool,
    name: str,
    scopes: Iterable[str],
    cidrs: Iterable[str] = (),
    expires_at: datetime | None = None,
    by: User | None = None,
) -> tuple[ApiKey, str]:
    """Make a key. Returns its row and, for the only time, its text.

    Raises Django's ValidationError for an empty name, no scope or an unknown one, a
    network that is none, and an expiry that has passed.
    """
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": "That moment has passed."})
    text = new_key_text(livemode=livemode)
    key = ApiKey(
        partner=partner,
        livemode=livemode,
        name=visible_text(name),
        digest=digest_key(text),
        prefix_shown=PREFIXES[livemode],
        last4=text[-4:],
        scopes=sorted(set(scopes)),
        cidrs=[exact_network(network) for network in cidrs],
        expires_at=expires_at,
        created_by=by,
    )
    key.full_clean(exclude={"created_at"})
    key.save()
    return key, text


@transaction.atomic
def rotate_key(*, key: ApiKey, old_lives_seconds: int, by: User | None) -> tuple[ApiKey, str]:
    """Replace a key by a new one of the same rights; the old one lives on for a while.

    `old_lives_seconds` is one of OLD_KEY_LIVES_SECONDS, and never lengthens a life. A key
    that was minted to expire is replaced by one that lives as long again.

    Raises KeyNotActive when it is revoked, expired or rotated already, so of two people
    rotating one key at once only the first succeeds.
    """
    if old_lives_seconds not in OLD_KEY_LIVES_SECONDS:
        raise ValueError(f"an old key cannot live {old_lives_seconds} s")
    old = _lock_active(key.pk)
    if old.replaced_by_id is not None:
        raise KeyNotActive("This key was rotated already.")
    now = timezone.now()
    successor, text = mint_key(
        partner=old.partner,
        livemode=old.livemode,
        name=old.name,
        scopes=old.scopes,
        cidrs=old.cidrs,
        expires_at=old.expires_at and now + (old.expires_at - old.created_at),
        by=by,
    )
    ends_at = now + timedelta(seconds=old_lives_seconds)
    old.expires_at = min(old.expires_at or ends_at, ends_at)
    old.replaced_by = successor
    old.save(update_fields=["expires_at", "replaced_by"])
    return successor, text


@transaction.atomic
def revoke_key(*, key: ApiKey, by: User | None) -> ApiKey:  # noqa: ARG001 - for the audit
    """End a key's life. It stops working everywhere within KEY_CACHE_SECONDS.

    Raises KeyNotActive when it is over already.
    """
    revoked = _lock_active(key.pk)
    revoked.revoked_at = timezone.now()
    revoked.save(update_fields=["revoked_at"])
    return revoked


def see_end_user(*, partner_id: UUID, livemode: bool, external_ref: str) -> EndUser:
    """Return the partner's end user of that reference, made on first sight.

    Two requests that see one for the first time at once get the same row: the second
    insert waits for the first and yields.
    """
    theirs = EndUser.objects.filter(
        partner_id=partner_id, livemode=livemode, external_ref=external_ref
    )
    seen = theirs.first()
    if seen is not None:
        return seen
    newcomer = EndUser(partner_id=partner_id, livemode=livemode, external_ref=external_ref)
    EndUser.objects.bulk_create([newcomer], ignore_conflicts=True)
    return theirs.get()


def _lock_active(key_id: int) -> ApiKey:
    key = (
        ApiKey.objects.select_for_update(of=("self",)).select_related("partner").get(pk=key_id)
    )
    if key.state != KeyState.ACTIVE:
        raise KeyNotActive(f"This key is {key.state} already.")
    return key
