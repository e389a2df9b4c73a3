"""Keys in the admin: the secret is seen once, by whoever may, and never again by anybody.

Goal: after the page that shows a secret, no page, row, session, message or log line holds
it. Method: mint and rotate through the pages, then read everything there is.
"""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from engine.partners.keys import digest_key
from engine.partners.models import ALL_SCOPES, ApiKey
from tests.partners.conftest import SECRET

LIST = "/admin/partners/apikey/"
MINT = f"{LIST}mint/"


def form(partner, **changes):
    return {
        "partner": str(partner.pk),
        "mode": "live",
        "name": "payroll server",
        "scopes": list(ALL_SCOPES),
        "cidrs": "",
        "expires_at": "",
    } | changes


def page(key, name):
    return f"{LIST}{key.pk}/{name}/"


def secret_in(response):
    """The one secret of a page that shows one."""
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    (secret,) = SECRET.findall(response.content.decode())
    return secret


def every_row_of_every_table():
    """The whole database as text."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        rows = []
        for table in tables:
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def keys():
    return list(ApiKey.objects.order_by("pk").values())


def test_a_minted_key_is_what_was_asked_for(key_admin, acme):
    response = key_admin.post(
        MINT,
        form(
            acme,
            scopes=["payouts:read"],
            cidrs="203.0.113.7\n2001:DB8::/32",
            expires_at="2099-01-31T12:30",
        ),
    )

    secret = secret_in(response)
    key = ApiKey.objects.get()
    assert bytes(key.digest) == digest_key(secret)
    assert (key.partner, key.livemode, key.name, key.scopes, key.cidrs, key.created_by) == (
        acme,
        True,
        "payroll server",
        ["payouts:read"],
        ["203.0.113.7/32", "2001:db8::/32"],
        key_admin.user,
    )
    assert key.expires_at.isoformat() == "2099-01-31T12:30:00+00:00"


def test_the_secret_is_seen_once_and_never_again(key_admin, superuser, acme, caplog):
    caplog.set_level("DEBUG")
    minted = secret_in(key_admin.post(MINT, form(acme)))
    key = ApiKey.objects.get()
    rotated = secret_in(key_admin.post(page(key, "rotate"), {"old_lives_seconds": "3600"}))
    new = ApiKey.objects.get(replaces=key)

    seen = [every_row_of_every_table(), caplog.text, str(key_admin.cookies)]
    seen += [str(session.get_decoded()) for session in Session.objects.all()]
    for client in (key_admin, superuser):
        for path in (
            LIST,
            f"{LIST}?q={minted[-4:]}",
            page(key, "change"),
            page(new, "change"),
            page(key, "history"),
            page(new, "history"),
            page(new, "rotate"),
            page(new, "revoke"),
            MINT,
            "/admin/",
        ):
            response = client.get(path, follow=True)
            assert response.status_code == 200
            seen.append(response.content.decode() + str(response.headers))
    everything = "\n".join(seen)
    assert f"sk_live_…{minted[-4:]}" in everything
    for secret in (minted, rotated):
        assert secret[8:44] not in everything
    assert not SECRET.search(everything)


def test_minting_and_rotating_leave_an_audit_trail(key_admin, acme):
    key_admin.post(MINT, form(acme))
    old = ApiKey.objects.get()
    key_admin.post(page(old, "rotate"), {"old_lives_seconds": "86400"})
    new = ApiKey.objects.get(replaces=old)
    key_admin.post(page(new, "revoke"))

    entries = LogEntry.objects.order_by("pk")
    assert {entry.user for entry in entries} == {key_admin.user}
    assert [(entry.object_repr, entry.change_message) for entry in entries] == [
        (str(old), "Minted for Acme."),
        (str(new), f"Minted in place of {old}."),
        (str(old), f"Rotated to {new}: one more day."),
        (str(new), "Revoked."),
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "\u200b"}, "The name has nothing in it to read."),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["everything"]}, "everything is not one of the available choices."),
        ({"mode": "both"}, "both is not one of the available choices."),
        ({"cidrs": "203.0.113.7/24"}, "Write a network such as 203.0.113.0/24"),
        ({"expires_at": "2001-01-01T00:00"}, "That moment has passed."),
        ({"partner": "01890000-0000-7000-8000-000000000000"}, "Select a valid choice."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_form_that_makes_no_sense_says_why_and_mints_nothing(
    key_admin, acme, change, problem
):
    response = key_admin.post(MINT, form(acme) | change)

    assert problem in response.content.decode()
    assert not SECRET.search(response.content.decode())
    assert keys() == []
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", ["mint", "rotate", "revoke"])
def test_a_get_changes_nothing(superuser, key, name):
    before = keys()
    path = MINT if name == "mint" else page(key, name)

    assert superuser.get(path).status_code == 200
    assert superuser.head(path).status_code == 200
    assert keys() == before
    assert not LogEntry.objects.exists()


def test_the_old_key_lives_as_long_as_the_form_says(key_admin, key):
    key_admin.post(page(key, "rotate"), {"old_lives_seconds": "604800"})

    key.refresh_from_db()
    left = key.expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


@pytest.mark.parametrize("lives", ["", "1", "-1", "99999999", "abc"])
def test_no_other_span_is_offered(key_admin, key, lives):
    before = keys()

    response = key_admin.post(page(key, "rotate"), {"old_lives_seconds": lives})

    assert not SECRET.search(response.content.decode())
    assert keys() == before


@pytest.mark.parametrize("name", ["rotate", "revoke"])
def test_a_key_that_is_over_offers_nothing_and_stays_as_it_is(key_admin, key, name):
    key_admin.post(page(key, "revoke"))
    before, entries = keys(), LogEntry.objects.count()

    response = key_admin.post(page(key, name), {"old_lives_seconds": "0"})
    assert response.status_code == 409
    assert "This key is revoked already." in response.content.decode()
    assert (keys(), LogEntry.objects.count()) == (before, entries)
    shown = key_admin.get(page(key, "change")).content.decode()
    assert page(key, "rotate") not in shown
    assert page(key, "revoke") not in shown


def test_a_rotated_key_can_still_be_revoked_but_not_rotated(key_admin, key):
    key_admin.post(page(key, "rotate"), {"old_lives_seconds": "3600"})
    shown = key_admin.get(page(key, "change")).content.decode()

    assert page(key, "rotate") not in shown
    assert page(key, "revoke") in shown
    assert key_admin.post(page(key, "rotate"), {"old_lives_seconds": "0"}).status_code == 409
    assert key_admin.post(page(key, "revoke")).status_code == 302
    key.refresh_from_db()
    assert key.state == "revoked"


def test_a_key_that_does_not_exist_is_a_404(key_admin, db):
    for name in ("rotate", "revoke"):
        assert key_admin.post(f"{LIST}999999/{name}/").status_code == 404


def test_a_viewer_sees_keys_and_no_button(viewer, key):
    for path in (LIST, page(key, "change")):
        shown = viewer.get(path).content.decode()
        assert f"sk_test_…{key.last4}" in shown
        for verb in (MINT, page(key, "rotate"), page(key, "revoke")):
            assert verb not in shown


def test_a_key_admin_sees_every_button(key_admin, key):
    assert MINT in key_admin.get(LIST).content.decode()
    shown = key_admin.get(page(key, "change")).content.decode()
    assert page(key, "rotate") in shown
    assert page(key, "revoke") in shown


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_viewer_s_crafted_request_is_a_403_and_moves_nothing(viewer, acme, key, method):
    before = keys()
    send = getattr(viewer, method)

    assert send(MINT, form(acme)).status_code == 403
    assert send(page(key, "rotate"), {"old_lives_seconds": "0"}).status_code == 403
    assert send(page(key, "revoke")).status_code == 403
    assert keys() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("held", ["mint", "rotate", "revoke"])
def test_each_verb_needs_its_own_permission(viewer, acme, key, held):
    from django.contrib.auth.models import Permission

    viewer.user.user_permissions.add(Permission.objects.get(codename=f"{held}_apikey"))
    answers = {
        "mint": viewer.get(MINT).status_code,
        "rotate": viewer.get(page(key, "rotate")).status_code,
        "revoke": viewer.get(page(key, "revoke")).status_code,
    }

    assert answers == {verb: 200 if verb == held else 403 for verb in answers}


def test_a_stranger_is_sent_to_the_login(acme, key):
    before = keys()
    for path in (LIST, MINT, page(key, "rotate"), page(key, "revoke")):
        response = Client().post(path, form(acme))
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")

    assert keys() == before


def test_a_post_without_its_csrf_token_is_a_403(key_admin, acme, key):
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(key_admin.user)
    before = keys()

    for path in (MINT, page(key, "rotate"), page(key, "revoke")):
        assert forger.post(path, form(acme)).status_code == 403
    assert keys() == before


@pytest.mark.parametrize("name", ["add", "change", "delete"])
def test_nobody_edits_a_key_as_a_row(superuser, key, name):
    before = keys()
    path = f"{LIST}add/" if name == "add" else page(key, name)

    assert superuser.post(path, {"name": "mine", "post": "yes"}).status_code == 403
    assert superuser.post(
        LIST, {"action": "delete_selected", "_selected_action": key.pk}
    ).status_code in (200, 302)
    assert keys() == before
