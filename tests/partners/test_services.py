"""Minting, rotating and revoking keys, and seeing end users for the first time."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from engine.partners.errors import KeyNotActive
from engine.partners.keys import digest_key, parse_key
from engine.partners.models import ALL_SCOPES, ApiKey, EndUser
from engine.partners.services import mint_key, revoke_key, rotate_key, see_end_user

HOUR, DAY = 3600, 86_400


def keys():
    return list(ApiKey.objects.order_by("pk").values())


def test_a_minted_key_is_kept_as_a_digest_and_four_characters(acme, superuser):
    key, text = mint_key(
        partner=acme,
        livemode=True,
        name=" payroll\u200b server ",
        scopes=["payouts:write", "payouts:read"],
        cidrs=["203.0.113.7", "2001:DB8::/32"],
        by=superuser.user,
    )

    key.refresh_from_db()
    assert parse_key(text).livemode is True
    assert bytes(key.digest) == digest_key(text)
    assert (key.prefix_shown, key.last4, str(key)) == (
        "sk_live_",
        text[-4:],
        f"sk_live_…{text[-4:]}",
    )
    assert (key.name, key.scopes, key.cidrs, key.created_by) == (
        "payroll server",
        ["payouts:read", "payouts:write"],
        ["203.0.113.7/32", "2001:db8::/32"],
        superuser.user,
    )
    assert (key.expires_at, key.revoked_at, key.last_used_at, key.state) == (
        None,
        None,
        None,
        "active",
    )
    assert text[8:44] not in str(keys())


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "\u200b"},
        {"scopes": []},
        {"scopes": ["payouts:write", "everything"]},
        {"cidrs": ["203.0.113.7/24"]},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_a_key_that_makes_no_sense_is_not_minted(acme, asked):
    with pytest.raises(ValidationError):
        mint_key(
            **{"partner": acme, "livemode": True, "name": "n", "scopes": ALL_SCOPES} | asked
        )

    assert keys() == []


@pytest.mark.parametrize("lives_seconds", [0, HOUR, DAY, 7 * DAY])
def test_a_rotated_key_hands_on_its_rights_and_lives_as_long_as_asked(acme, lives_seconds):
    old, old_text = mint_key(
        partner=acme,
        livemode=True,
        name="server",
        scopes=["payouts:read"],
        cidrs=["203.0.113.0/24"],
    )
    before = timezone.now()
    new, new_text = rotate_key(key=old, old_lives_seconds=lives_seconds, by=None)
    after = timezone.now()

    old.refresh_from_db()
    assert old.replaced_by == new
    lives = timedelta(seconds=lives_seconds)
    assert before + lives <= old.expires_at <= after + lives
    assert old.state == ("active" if lives_seconds else "expired")
    assert (new.partner, new.livemode, new.name, new.scopes, new.cidrs, new.expires_at) == (
        acme,
        True,
        "server",
        ["payouts:read"],
        ["203.0.113.0/24"],
        None,
    )
    assert new_text != old_text
    assert bytes(new.digest) == digest_key(new_text)


def test_rotating_never_lengthens_the_old_key_s_life(key):
    ends_at = timezone.now() + timedelta(minutes=30)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=ends_at)
    rotate_key(key=key, old_lives_seconds=DAY, by=None)

    key.refresh_from_db()
    assert key.expires_at == ends_at


def test_the_successor_of_a_key_minted_for_30_days_lives_30_days(key):
    now = timezone.now()
    ApiKey.objects.filter(pk=key.pk).update(
        created_at=now - timedelta(days=28), expires_at=now + timedelta(days=2)
    )
    new, _ = rotate_key(key=key, old_lives_seconds=0, by=None)

    assert timedelta(0) <= new.expires_at - now - timedelta(days=30) < timedelta(minutes=1)


@pytest.mark.parametrize("lives_seconds", [-1, 1, 3599, 2 * DAY])
def test_an_old_key_lives_one_of_four_spans(key, lives_seconds):
    before = keys()
    with pytest.raises(ValueError, match="cannot live"):
        rotate_key(key=key, old_lives_seconds=lives_seconds, by=None)

    assert keys() == before


def test_a_key_is_rotated_once(key):
    rotate_key(key=key, old_lives_seconds=DAY, by=None)
    before = keys()

    with pytest.raises(KeyNotActive, match="rotated already"):
        rotate_key(key=key, old_lives_seconds=DAY, by=None)
    assert keys() == before


def test_a_revoked_key_is_neither_rotated_nor_revoked_again(key):
    revoked = revoke_key(key=key, by=None)
    assert revoked.state == "revoked"
    before = keys()

    with pytest.raises(KeyNotActive, match="revoked already"):
        revoke_key(key=key, by=None)
    with pytest.raises(KeyNotActive, match="revoked already"):
        rotate_key(key=key, old_lives_seconds=0, by=None)
    assert keys() == before


def test_an_expired_key_cannot_be_rotated(key):
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    before = keys()

    with pytest.raises(KeyNotActive, match="expired already"):
        rotate_key(key=key, old_lives_seconds=0, by=None)
    assert keys() == before


def test_an_end_user_is_made_on_first_sight_and_found_again(acme, other):
    first = see_end_user(partner_id=acme.pk, livemode=True, external_ref="user-1")
    again = see_end_user(partner_id=acme.pk, livemode=True, external_ref="user-1")
    test_mode = see_end_user(partner_id=acme.pk, livemode=False, external_ref="user-1")
    stranger = see_end_user(partner_id=other.pk, livemode=True, external_ref="user-1")

    assert first == again
    assert len({first.pk, test_mode.pk, stranger.pk}) == 3
    assert EndUser.objects.count() == 3
