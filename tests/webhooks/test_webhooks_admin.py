"""Webhooks in the admin: everything is to be seen but secrets.

Goal: staff see what a partner was told and what came back, word for word; no page, row or
log line holds a secret or a signature.
"""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from engine.webhooks import sending, services
from engine.webhooks.inspecting import curl, shown_json
from engine.webhooks.models import Attempt, Delivery, Endpoint
from tests.webhooks.conftest import BODY, pass_time

ENDPOINTS, MESSAGES = "/admin/webhooks/endpoint/", "/admin/webhooks/message/"
URL = "https://hooks.example.com/zopay"


def attempt(message, **changes):
    return Attempt.objects.create(
        **{
            "delivery": message.deliveries.get(),
            "request_headers": {
                "webhook-id": message.public_id,
                "webhook-timestamp": "1769860800",
                "webhook-signature": "…",
            },
            "status": 200,
            "reply": b"ok",
            "milliseconds": 34,
        }
        | changes
    )


def page(row, name="change"):
    folder = ENDPOINTS if isinstance(row, Endpoint) else MESSAGES
    return f"{folder}{row.pk}/{name}/"


def text_of(client, path, **query):
    response = client.get(path, query)
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_says_how_each_endpoint_is(viewer, endpoint, message, acme):
    attempt(message)
    Delivery.objects.update(state="pending", due_at="2026-01-31T12:00:00Z")
    Endpoint.objects.update(failing_since="2026-01-30T11:00:00Z", failures=3)

    seen = text_of(viewer, ENDPOINTS)
    for expected in ("hooks.example.com/zopay", "Acme", "failing", "30 Jan 2026 11:00:00"):
        assert expected in seen
    row = re.sub(r"<[^>]+>|\s+", " ", seen)
    at = Attempt.objects.get().at
    assert f"1 {at:%d %b %Y %H:%M:%S}" in re.sub(" +", " ", row)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "enabled"),
        ({"failing_since": "2026-01-30T11:00:00Z"}, "failing"),
        ({"state": "disabled", "disabled_reason": "It answered 410 Gone."}, "disabled"),
        (
            {"state": "disabled", "disabled_reason": "x", "deleted_at": "2026-01-30T11:00:00Z"},
            "deleted",
        ),
    ],
)
def test_endpoints_are_found_by_their_state(viewer, endpoint, changes, word):
    Endpoint.objects.update(**changes)
    found = {
        state
        for state in ("failing", "disabled", "deleted")
        if page(endpoint) in text_of(viewer, ENDPOINTS, state=state)
    }

    assert found == {word} - {"enabled"}
    assert (page(endpoint) in text_of(viewer, ENDPOINTS, state="enabled")) == (
        word in {"enabled", "failing"}
    )


@pytest.mark.parametrize("term", ["public_id", "url"])
def test_an_endpoint_is_found_by_its_id_and_its_address(viewer, endpoint, acme, term):
    elsewhere, _ = services.create_endpoint(
        partner_id=acme.pk, livemode=True, url="https://elsewhere.example.com/"
    )
    seen = text_of(viewer, ENDPOINTS, q=getattr(endpoint, term))

    assert page(endpoint) in seen
    assert page(elsewhere) not in seen


@pytest.mark.parametrize("term", ["public_id", "subject"])
def test_a_message_is_found_by_its_id_and_its_subject(viewer, message, owe, term):
    (another,) = owe()
    seen = text_of(viewer, MESSAGES, q=getattr(message, term))

    assert page(message) in seen
    assert page(another) not in seen


@pytest.mark.parametrize("term", ["evt_", "evt_zz", "pay_" + "0" * 32, "\x01", "' OR 1=1 --"])
def test_a_strange_search_finds_nothing_and_breaks_nothing(viewer, message, term):
    for path in (MESSAGES, ENDPOINTS):
        response = viewer.get(path, {"q": term})
        assert response.status_code in {200, 302, 400}
        assert page(message) not in response.content.decode()


def test_messages_are_found_by_what_became_of_them(viewer, message, owe):
    (waiting,) = owe()
    (dead,) = owe()
    Delivery.objects.filter(message=dead).update(state="dead", due_at=None)

    for state, found in (("pending", waiting), ("dead", dead)):
        seen = text_of(viewer, MESSAGES, delivery=state)
        shown = {row.pk for row in (message, waiting, dead) if page(row) in seen}
        assert shown == {found.pk}


def test_a_message_shows_each_attempt_request_and_reply(viewer, message):
    attempt(message, status=None, reply=b"", error="timeout", milliseconds=15000)
    attempt(message, reply=b'{"taken":true,"by":"<b>"}')

    seen = text_of(viewer, page(message))
    for expected in (
        message.public_id,
        message.subject,
        URL,
        "timeout",
        "15000 ms",
        "34 ms",
        "webhook-timestamp",
        "1769860800",
        "not kept",
        "&quot;note&quot;: &quot;&lt;script&gt;&quot;",
        "&quot;by&quot;: &quot;&lt;b&gt;&quot;",
    ):
        assert expected in seen
    assert "<b>" not in seen
    assert seen.index("34 ms") < seen.index("15000 ms")


def test_a_message_that_nobody_heard_shows_its_body(viewer, owe):
    (told,) = owe(body=BODY)

    seen = text_of(viewer, page(told))
    assert "Nobody listens" in seen
    assert "&quot;type&quot;: &quot;payout.delivered&quot;" in seen


def test_a_page_of_a_message_costs_the_same_with_many_attempts(viewer, message):
    attempt(message)
    with CaptureQueriesContext(connection) as one:
        text_of(viewer, page(message))
    for _ in range(40):
        attempt(message)
    with CaptureQueriesContext(connection) as many:
        seen = text_of(viewer, page(message))

    assert len(one) == len(many)
    assert seen.count('class="zp-attempt"') == 30
    assert "Earlier attempts are kept" in seen


def test_the_curl_repeats_the_bytes_and_cannot_be_broken_out_of():
    text = curl(
        "https://hooks.example.com/?a=$(id)&b='",
        {"webhook-id": "evt_1", "webhook-signature": "…", "X-Odd": "it's"},
        b'{"name":"O\'Neil; rm -rf /"}',
    )

    assert text == (
        "# The signature was not kept, and would be too old by now: a receiver that verifies"
        " refuses this.\n"
        """curl --url 'https://hooks.example.com/?a=$(id)&b='"'"'' \\\n"""
        "  -H 'webhook-id: evt_1' \\\n"
        """  -H 'X-Odd: it'"'"'s' \\\n"""
        """  --data-raw '{"name":"O'"'"'Neil; rm -rf /"}'"""
    )


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        (b'{"a":1}', '{\n  "a": 1\n}'),
        (b"plain\r\ntext", "plain\ntext"),
        (b"", ""),
        (b"\xff\xfe", "��"),
        ("a\u202eb\u0000".encode(), "a\\u202eb\\u0000"),
        ('"\u200b"'.encode(), '"\\u200b"'),
        (b"[" * 2000, "[" * 2000),
        (b"1" * 5000, "1" * 5000),
    ],
)
def test_a_stranger_s_reply_is_shown_as_it_is_and_what_hides_is_spelt_out(reply, shown):
    assert shown_json(reply) == shown


@pytest.mark.django_db(transaction=True)
def test_no_page_holds_a_secret_or_a_signature(receiver, listen, owe, caplog):
    caplog.set_level("DEBUG")
    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    endpoint, first = listen(receiver)
    second = services.roll_secret(endpoint_id=endpoint.pk)
    (told,) = owe()
    sending.deliver()
    root.post(page(told, "resend"), {"to": "all"})
    pass_time(seconds=1)
    sending.deliver()
    root.post(page(endpoint, "disable"))
    root.post(page(endpoint, "enable"))
    assert len(receiver.requests) == 2

    seen = [caplog.text, str(root.cookies)]
    for path in (
        ENDPOINTS, MESSAGES, "/admin/",
        *(page(endpoint, name) for name in ("change", "history", "enable", "disable")),
        *(page(told, name) for name in ("change", "history", "resend")),
    ):  # fmt: skip
        response = root.get(path)
        assert response.status_code == 200
        seen.append(response.content.decode() + str(response.headers))
    seen += [str(row) for row in LogEntry.objects.values()]
    seen += [str(row) for row in Attempt.objects.values()]
    text = "\n".join(seen)
    sealed = Endpoint.objects.get()
    assert "webhook-signature" in text
    for secret in (first, second):
        assert secret.removeprefix("whsec_") not in text
    for kept in (sealed.secret, sealed.old_secret):
        assert bytes(kept).hex() not in text
        assert str(bytes(kept)) not in text
        assert "memory at" not in text
    for headers, _ in receiver.requests:
        for signature in headers["webhook-signature"].split():
            assert signature.removeprefix("v1,") not in text
