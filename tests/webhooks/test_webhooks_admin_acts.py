"""What staff may do about webhooks: switch an endpoint, send a message again, and no more.

Who may not is offered nothing and refused, and a refusal moves nothing.
"""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from engine.webhooks import services
from engine.webhooks.models import Delivery, Endpoint, Message
from tests.webhooks.test_webhooks_admin import ENDPOINTS, MESSAGES, URL, page, text_of


def everything():
    """What an act could have changed."""
    return [
        list(model.objects.order_by("pk").values()) for model in (Endpoint, Delivery, Message)
    ] + [LogEntry.objects.count()]


def test_a_viewer_sees_all_and_is_offered_nothing(viewer, endpoint, message):
    for path in (ENDPOINTS, MESSAGES, page(endpoint), page(message)):
        seen = text_of(viewer, path)
        for verb in ("enable", "disable", "resend"):
            assert f"/{verb}/" not in seen
            assert f'value="{verb}_selected"' not in seen


def test_an_operator_is_offered_what_can_be_done(operator, endpoint, message):
    assert 'value="resend_selected"' in text_of(operator, MESSAGES)
    assert page(message, "resend") in text_of(operator, page(message))
    seen = text_of(operator, page(endpoint))
    assert page(endpoint, "disable") in seen
    assert page(endpoint, "enable") not in seen
    services.disable(endpoint_id=endpoint.pk, reason="It answered 410 Gone.")
    seen = text_of(operator, page(endpoint))
    assert page(endpoint, "enable") in seen
    assert page(endpoint, "disable") not in seen


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_viewer_s_crafted_request_is_a_403_and_moves_nothing(
    viewer, endpoint, message, method
):
    before, send = everything(), getattr(viewer, method)

    assert send(page(endpoint, "enable")).status_code == 403
    assert send(page(endpoint, "disable")).status_code == 403
    assert send(page(message, "resend"), {"to": "all"}).status_code == 403
    crafted = {"action": "resend_selected", "_selected_action": [str(message.pk)]}
    assert viewer.post(MESSAGES, crafted).status_code == 403
    assert everything() == before


@pytest.mark.parametrize(
    ("held", "allowed"),
    [("change_endpoint", ["enable", "disable"]), ("resend_message", ["resend"])],
)
def test_each_permission_opens_its_own_verbs_only(viewer, endpoint, message, held, allowed):
    viewer.user.user_permissions.add(Permission.objects.get(codename=held))
    status = {
        "enable": viewer.get(page(endpoint, "enable")).status_code,
        "disable": viewer.get(page(endpoint, "disable")).status_code,
        "resend": viewer.get(page(message, "resend")).status_code,
    }

    assert status == {verb: 200 if verb in allowed else 403 for verb in status}


def test_a_get_asks_and_changes_nothing(operator, endpoint, message):
    before = everything()
    for path in (
        page(endpoint, "enable"),
        page(endpoint, "disable"),
        page(message, "resend"),
    ):
        assert operator.get(path).status_code == 200
        assert operator.head(path).status_code == 200
    assert everything() == before


def test_without_its_form_s_token_nothing_is_done(operator, endpoint, message):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator.user)
    before = everything()

    for path in (page(endpoint, "disable"), page(message, "resend")):
        assert strict.post(path, {"to": "all"}).status_code == 403
    assert everything() == before


def test_disabling_and_enabling_leave_an_audit_trail(operator, endpoint, owe):
    operator.post(page(endpoint, "disable"))
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "Staff switched it off.")
    Endpoint.objects.update(failures=9, failing_since="2026-01-30T11:00:00Z")

    operator.post(page(endpoint, "enable"))
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == ("enabled", "")
    assert (endpoint.failures, endpoint.failing_since) == (0, None)
    entries = LogEntry.objects.order_by("pk")
    assert [(entry.user, entry.object_id, entry.change_message) for entry in entries] == [
        (operator.user, str(endpoint.pk), "Disabled."),
        (operator.user, str(endpoint.pk), "Enabled again."),
    ]


def test_disabling_twice_keeps_the_first_reason_and_one_entry(operator, endpoint):
    services.disable(endpoint_id=endpoint.pk, reason="It answered 410 Gone.")
    operator.post(page(endpoint, "disable"))

    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == "It answered 410 Gone."
    assert LogEntry.objects.count() == 0


def test_a_deleted_endpoint_can_be_looked_at_and_not_switched(operator, endpoint, message):
    services.delete_endpoint(endpoint_id=endpoint.pk)
    before = everything()

    assert "The partner deleted it." in text_of(operator, page(endpoint))
    for verb in ("enable", "disable"):
        assert page(endpoint, verb) not in text_of(operator, page(endpoint))
        assert operator.post(page(endpoint, verb)).status_code == 404
    assert everything() == before


@pytest.mark.parametrize("to", ["all", "one"])
def test_one_message_is_sent_again(operator, acme, endpoint, message, to):
    services.create_endpoint(partner_id=acme.pk, livemode=True, url=f"{URL}/2")
    chosen = "all" if to == "all" else endpoint.public_id

    answer = operator.post(page(message, "resend"), {"to": chosen}, follow=True)

    count = 2 if to == "all" else 1
    assert Delivery.objects.filter(state="pending", is_replay=True, tries=0).count() == count
    assert f"1 message, {count} deliver" in answer.content.decode()
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (
        operator.user,
        str(message.pk),
        f"Sent again to {count} endpoints.",
    )
    assert Message.objects.get().public_id == message.public_id


def test_an_endpoint_of_nobody_s_choice_is_refused(operator, other, message):
    theirs, _ = services.create_endpoint(partner_id=other.pk, livemode=True, url=URL)
    before = everything()

    for to in (theirs.public_id, "whe_0", "", "every"):
        answer = operator.post(page(message, "resend"), {"to": to})
        assert answer.status_code == 200
        assert 'class="errors' in answer.content.decode()
    assert everything() == before


def test_what_nobody_wants_is_said_not_to_be_sent(operator, endpoint, message):
    services.disable(endpoint_id=endpoint.pk, reason="x")
    answer = operator.post(page(message, "resend"), {"to": "all"}, follow=True)

    assert "no enabled endpoint wants it" in answer.content.decode()
    assert LogEntry.objects.count() == 0


def test_a_selection_is_sent_again_the_oldest_first(operator, endpoint, owe):
    told = [owe()[0] for _ in range(4)]
    Delivery.objects.update(state="delivered", tries=1, due_at=None)
    chosen = [str(message.pk) for message in reversed(told[:3])]

    operator.post(MESSAGES, {"action": "resend_selected", "_selected_action": chosen})

    going = Delivery.objects.filter(state="pending").order_by("due_at", "pk")
    assert [delivery.message_id for delivery in going] == [one.pk for one in told[:3]]
    assert [entry.change_message for entry in LogEntry.objects.all()] == [
        "Sent again, one of 3."
    ] * 3


def test_too_large_a_selection_is_refused_whole(operator, endpoint, owe, monkeypatch):
    monkeypatch.setattr("engine.webhooks.admin_messages.RESEND_MAX", 2)
    told = owe(3)
    Delivery.objects.update(state="delivered", tries=1, due_at=None)
    before = everything()

    answer = operator.post(
        MESSAGES,
        {
            "action": "resend_selected",
            "_selected_action": [str(told[0].pk)],
            "select_across": "1",
        },
        follow=True,
    )
    assert "At most 2 messages" in answer.content.decode()
    assert everything() == before


@pytest.mark.parametrize("verb", ["add", "delete"])
def test_nothing_is_written_by_hand_even_by_a_superuser(admin_client, endpoint, message, verb):
    before = everything()
    for row in (endpoint, message):
        folder = ENDPOINTS if row is endpoint else MESSAGES
        path = f"{folder}add/" if verb == "add" else page(row, "delete")
        assert admin_client.post(path, {"post": "yes"}).status_code == 403
        assert (
            admin_client.post(page(row), {"url": "https://evil.example.com/"}).status_code
            == 403
        )
    assert everything() == before
