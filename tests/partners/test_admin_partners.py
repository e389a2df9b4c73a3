"""Partners, end users and groups in the admin, and the headers its pages carry."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client

from engine.partners.models import EndUser, FeeSchedule, Partner
from engine.partners.services import see_end_user

PARTNERS = "/admin/partners/partner/"


def form(**changes):
    return {
        "name": "Acme Payroll",
        "is_approved": "on",
        "fee_schedule": str(FeeSchedule.objects.get().pk),
        "redirect_hosts": "pay.example.com\r\nwww.example.com\r\npay.example.com",
        "frame_hosts": "",
    } | changes


def test_a_partner_is_added_with_one_host_a_line(superuser):
    assert superuser.post(f"{PARTNERS}add/", form(name="Ac\u200bme")).status_code == 302

    partner = Partner.objects.get()
    assert (partner.name, partner.is_approved) == ("Acme", True)
    assert partner.redirect_hosts == ["pay.example.com", "www.example.com"]
    assert partner.frame_hosts == []
    shown = superuser.get(f"{PARTNERS}{partner.pk}/change/").content.decode()
    assert "pay.example.com\nwww.example.com" in shown


@pytest.mark.parametrize(
    "change",
    [
        {"name": "\u202e"},
        {"redirect_hosts": "https://pay.example.com"},
        {"redirect_hosts": "pay.example.com:8443"},
        {"redirect_hosts": "*.example.com"},
        {"frame_hosts": "localhost"},
        {"frame_hosts": "pay.example.com\n192.0.2.1"},
    ],
)
def test_a_partner_that_breaks_a_rule_is_not_added(superuser, change):
    response = superuser.post(f"{PARTNERS}add/", form(**change))

    assert response.status_code == 200
    assert "errors" in response.content.decode()
    assert not Partner.objects.exists()


def test_a_partner_is_never_deleted(superuser, acme):
    assert superuser.post(f"{PARTNERS}{acme.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Partner.objects.get() == acme


def test_a_viewer_sees_partners_and_changes_none(viewer, acme):
    assert viewer.get(PARTNERS).status_code == 200
    assert viewer.get(f"{PARTNERS}{acme.pk}/change/").status_code == 200
    assert viewer.post(f"{PARTNERS}{acme.pk}/change/", form()).status_code == 403
    assert viewer.post(f"{PARTNERS}add/", form()).status_code == 403
    assert list(Partner.objects.values_list("name", flat=True)) == ["Acme"]


def test_end_users_are_read_only_even_to_a_superuser(superuser, acme):
    user = see_end_user(partner_id=acme.pk, livemode=True, external_ref="user-1")
    path = f"/admin/partners/enduser/{user.pk}/"

    assert "user-1" in superuser.get("/admin/partners/enduser/").content.decode()
    assert "user-1" in superuser.get(f"{path}change/").content.decode()
    for name in ("change", "delete"):
        assert superuser.post(f"{path}{name}/", {"external_ref": "x"}).status_code == 403
    assert superuser.post("/admin/partners/enduser/add/", {}).status_code == 403
    assert EndUser.objects.get().external_ref == "user-1"


@pytest.mark.parametrize(
    "path",
    [
        "feeschedule/",
        "partner/",
        "apikey/",
        "enduser/",
        "apikey/?state=active",
        "apikey/?state=expired",
        "apikey/?state=revoked",
    ],
)
def test_every_list_opens(superuser, key, path):
    assert superuser.get(f"/admin/partners/{path}").status_code == 200


def test_the_state_filter_agrees_with_the_state_shown(superuser, key):
    for state in ("active", "expired", "revoked"):
        shown = superuser.get(f"/admin/partners/apikey/?state={state}").content.decode()
        assert (f"sk_test_…{key.last4}" in shown) is (state == key.state)


def test_staff_pages_open(superuser):
    for path in ("user/", "group/", "user/add/", f"user/{superuser.user.pk}/change/"):
        assert superuser.get(f"/admin/auth/{path}").status_code == 200


def codenames(name):
    return set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))


def test_the_groups_may_view_everything_of_ours_and_nothing_of_django_s(db):
    call_command("migrate", verbosity=0)
    everything = codenames("viewer")

    assert {"view_partner", "view_apikey", "view_enduser", "view_feeschedule"} <= everything
    assert all(codename.startswith("view_") for codename in everything)
    assert not everything & {"view_session", "view_user", "view_logentry", "view_permission"}
    assert codenames("operator") >= everything
    assert codenames("key admin") - everything == {
        "mint_apikey",
        "rotate_apikey",
        "revoke_apikey",
        "mint_signingkey",
        "mint_token",
        "revoke_signingkey",
        "revoke_token",
    }


def directives(response):
    policy = response["Content-Security-Policy"]
    return {words[0]: set(words[1:]) for words in (part.split() for part in policy.split(";"))}


def test_the_admin_alone_may_compile_and_style_inline(db):
    admin = directives(Client().get("/admin/login/"))
    elsewhere = directives(Client().get("/nowhere/"))

    assert admin["script-src"] == {"'self'", "'unsafe-eval'"}
    assert admin["style-src"] == {"'self'", "'unsafe-inline'"}
    assert admin["default-src"] == {"'none'"}
    assert admin["frame-ancestors"] == {"'none'"}
    assert not re.search("unsafe", str(elsewhere))


def test_a_browser_that_keeps_its_referrer_to_itself_can_still_log_in(db):
    """Under `no-referrer` a browser sends `Origin: null`, and the login would be a 403."""
    User.objects.create_superuser("root", password="correct horse")
    browser = Client(enforce_csrf_checks=True)
    page = browser.get("/admin/login/")
    assert page["Referrer-Policy"] == "same-origin"
    assert Client().get("/nowhere/")["Referrer-Policy"] == "no-referrer"

    def log_in(origin):
        return browser.post(
            "/admin/login/",
            {
                "username": "root",
                "password": "correct horse",
                "csrfmiddlewaretoken": browser.cookies["csrftoken"].value,
            },
            headers={"origin": origin},
        )

    assert log_in("null").status_code == 403
    answer = log_in("http://testserver")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
