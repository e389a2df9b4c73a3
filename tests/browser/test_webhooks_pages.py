"""The inspector of webhooks in a browser: on a phone, in the dark, and copying its curl."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from engine.webhooks import services
from engine.webhooks.models import Attempt

WIDTHS = [360, 1280]


@pytest.fixture
def told(acme):
    """A message that failed once, and whose address and reply are as long as they come."""
    endpoint, _ = services.create_endpoint(
        partner_id=acme.pk, livemode=True, url="https://hooks.example.com/" + "long/" * 40
    )
    (message,) = services.owe_messages(
        [
            services.Draft(
                partner_id=acme.pk,
                livemode=True,
                door="connect",
                dialect="standard",
                type="payout.delivered",
                reference="tests:1",
                subject="pay_" + "0" * 32,
                sequence=1,
                body=b'{"type":"payout.delivered","data":{"word":"' + b"w" * 300 + b'"}}',
            )
        ]
    )
    Attempt.objects.create(
        delivery=message.deliveries.get(),
        request_headers={"webhook-id": message.public_id, "webhook-signature": "…"},
        status=500,
        reply=b"<html>" + b"x" * 2042,
        milliseconds=34,
    )
    return endpoint, message


@pytest.fixture
def visit(open_page, live_server):
    """Opens a page of the admin as somebody who may do everything."""

    def open_it(path, **options):
        client = Client()
        client.force_login(
            User.objects.get_or_create(username="root", is_superuser=True, is_staff=True)[0]
        )
        cookie = {
            "name": "sessionid",
            "value": client.cookies["sessionid"].value,
            "domain": "localhost",
            "path": "/",
        } | {"expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}
        state = {"cookies": [cookie], "origins": []}
        return open_page(path, storage_state=state, **options)

    return open_it


def pages(told):
    endpoint, message = told
    return [
        "/admin/webhooks/endpoint/",
        f"/admin/webhooks/endpoint/{endpoint.pk}/change/",
        f"/admin/webhooks/endpoint/{endpoint.pk}/disable/",
        "/admin/webhooks/message/",
        f"/admin/webhooks/message/{message.pk}/change/",
        f"/admin/webhooks/message/{message.pk}/resend/",
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_screen(visit, told, width):
    for path in pages(told):
        page = visit(path, width=width)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("#content, #content-main, .zp-column").first.is_visible()


def test_a_checker_of_accessibility_finds_nothing_in_what_is_ours(visit, told):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for scheme in ("light", "dark"):
        for path in pages(told):
            page = visit(path, color_scheme=scheme)
            ours = [one for one in (".zp-part", ".zp-column") if page.locator(one).count()]
            for selector in ours:
                found = axe.run(page, context=selector).response["violations"]
                assert [(one["id"], one["nodes"]) for one in found] == [], path


def test_request_and_reply_stand_side_by_side_where_there_is_room(visit, told):
    for width, is_wide in ((360, False), (1280, True)):
        page = visit(pages(told)[4], width=width)
        request, reply = (
            page.locator(".zp-sides > div").nth(place).bounding_box() for place in (0, 1)
        )
        assert (request["y"] == reply["y"]) is is_wide


def test_the_curl_is_copied_whole(visit, told):
    page = visit(pages(told)[4], permissions=["clipboard-read", "clipboard-write"])
    assert not page.locator("textarea").first.is_visible()
    page.get_by_text("The same as curl").click()
    page.get_by_role("button", name="Copy").click()
    page.wait_for_function("document.querySelector('[data-copied]').textContent !== ''")

    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("textarea").first.input_value()
    assert "w" * 300 in copied
    assert page.locator("[data-copied]").text_content() == "Copied."
