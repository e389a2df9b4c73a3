"""A message with a URL of its own goes there, whoever else listens, and delays nobody."""

import hmac

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from engine.webhooks import outcomes, sending, services
from engine.webhooks.models import Attempt, Delivery, Endpoint, Message
from tests.webhooks.conftest import TOKEN, pass_time, sealed

pytestmark = pytest.mark.django_db(transaction=True)


def signature(body, token=TOKEN):
    return hmac.digest(token.encode(), body, "sha256").hex()


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


# --- Where it goes, and how it is signed -----------------------------------------


def test_a_message_goes_to_its_own_url_and_to_no_endpoint(new_receiver, listen, tell):
    own, default = new_receiver(), new_receiver()
    listen(default, dialect="signature")

    tell(own.url)
    sending.deliver()

    assert (len(own.requests), len(default.requests)) == (1, 0)
    assert states() == ["delivered"]


def test_without_a_url_it_goes_to_the_endpoints_of_its_dialect(new_receiver, listen, tell):
    default, standard = new_receiver(), new_receiver()
    _, secret = listen(default, dialect="signature")
    listen(standard)

    tell()
    sending.deliver()

    ((headers, body),) = default.requests
    assert standard.requests == []
    assert headers["Signature"] == signature(body)
    Webhook(secret).verify(body, headers)


def test_a_url_of_its_own_is_signed_by_the_token_alone_where_no_endpoint_is(receiver, tell):
    tell(receiver.url)
    sending.deliver()

    ((headers, body),) = receiver.requests
    assert headers["Signature"] == signature(body)
    assert not [name for name in headers if name.lower().startswith("webhook-")]


def test_a_url_of_its_own_is_signed_by_the_first_endpoint_s_secret_too(
    new_receiver, listen, tell
):
    own, default, second = new_receiver(), new_receiver(), new_receiver()
    first, secret = listen(default, dialect="signature")
    listen(second, dialect="signature")
    services.disable(endpoint_id=first.pk, reason="its own trouble")

    tell(own.url)
    sending.deliver()

    ((headers, body),) = own.requests
    assert headers["Signature"] == signature(body)
    assert Webhook(secret).verify(body, headers) == {"n": 0}


@pytest.mark.parametrize(
    "changes",
    [{"livemode": False}, {"dialect": "standard"}, {"dialect": "x_zo"}],
    ids=["the other mode", "Connect's", "Disbursements'"],
)
def test_no_other_endpoint_s_secret_signs_it(new_receiver, listen, tell, changes):
    own = new_receiver()
    listen(new_receiver(), **{"dialect": "signature"} | changes)

    tell(own.url)
    sending.deliver()

    assert "webhook-signature" not in own.requests[0][0]


def test_another_partner_s_secret_never_signs_it(new_receiver, listen, tell, other):
    own = new_receiver()
    listen(new_receiver(), dialect="signature", partner_id=other.pk)

    tell(own.url)
    sending.deliver()

    assert "webhook-signature" not in own.requests[0][0]


def test_a_deleted_endpoint_s_secret_signs_no_more(new_receiver, listen, tell):
    own = new_receiver()
    endpoint, _ = listen(new_receiver(), dialect="signature")
    services.delete_endpoint(endpoint_id=endpoint.pk)

    tell(own.url)
    sending.deliver()

    assert "webhook-signature" not in own.requests[0][0]


def test_each_token_signs_its_own_message(receiver, tell):
    texts = [f"tk_live_{number}" for number in range(3)]
    for text in texts:
        tell(receiver.url, sealed_token=sealed(text))
    sending.deliver()

    signatures = {headers["Signature"] for headers, _ in receiver.requests}
    assert signatures == {signature(b'{"n": 0}', text) for text in texts}


def test_neither_the_token_nor_its_signature_is_kept(receiver, tell):
    tell(receiver.url)
    sending.deliver()

    attempt = Attempt.objects.get()
    assert attempt.request_headers == {"Signature": "…"}
    assert TOKEN.encode() not in bytes(Message.objects.get().sealed_token)


# --- SSRF ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example.com/x", "scheme"),
        ("https://127.0.0.1/x", "numeric_host"),
        ("https://169.254.169.254/latest/meta-data", "numeric_host"),
        ("https://[64:ff9b::a9fe:a9fe]/x", "numeric_host"),
        ("https://localhost/x", "not_public"),
        ("https://zopay.internal/x", "not_public"),
        ("https://a:b@hooks.example.com/x", "userinfo"),
        ("https://hooks.example.com\\@127.0.0.1/x", "characters"),
    ],
)
def test_no_url_of_its_own_leads_inside(tell, settings, url, reason):
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    tell(url)
    sending.deliver()

    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error) == (None, reason)
    assert states() == ["pending"]


def test_loopback_is_admitted_at_a_delivery_by_the_setting_only(receiver, tell, settings):
    tell(receiver.url)
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    sending.deliver()
    assert receiver.requests == []

    settings.WEBHOOK_ALLOW_LOOPBACK = True
    pass_time(hours=1)
    sending.deliver()
    assert len(receiver.requests) == 1


# --- Trying again, and giving up -------------------------------------------------


def test_a_url_that_always_fails_is_given_up_after_ten_tries(receiver, tell, monkeypatch):
    monkeypatch.setattr(outcomes, "BREAKER_FAILURES", 1)
    tell(receiver.url)
    receiver.answers = [500]
    for _ in range(12):
        sending.deliver()
        pass_time(days=1, hours=5)

    assert len(receiver.requests) == 10
    assert len({body for _, body in receiver.requests}) == 1
    assert states() == ["dead"]
    queue = Endpoint.objects.get()
    assert (queue.state, queue.failures, queue.paused_until) == ("enabled", 0, None)


def test_410_gives_one_message_up_and_leaves_the_others(new_receiver, tell):
    gone, there = new_receiver(), new_receiver()
    gone.answers = [410]
    tell(gone.url)
    tell(there.url)
    sending.deliver()
    pass_time(days=1)
    sending.deliver()

    assert (len(gone.requests), len(there.requests)) == (1, 1)
    assert states() == ["dead", "delivered"]
    assert Endpoint.objects.get().state == "enabled"


def test_a_retry_after_is_that_message_s_alone(new_receiver, tell):
    busy, there = new_receiver(), new_receiver()
    busy.answers, busy.headers = [429], {"Retry-After": "900"}
    tell(busy.url)
    sending.deliver()
    tell(there.url)
    sending.deliver()

    assert len(there.requests) == 1
    due_at = Delivery.objects.get(state="pending").due_at
    assert 890 < (due_at - timezone.now()).total_seconds() <= 900


def test_a_broken_seal_stops_its_own_message_only(receiver, tell):
    tell(receiver.url, sealed_token=b"no seal of ours, whoever wrote it here")
    tell(receiver.url)
    sending.deliver()

    assert len(receiver.requests) == 1
    assert states() == ["delivered", "pending"]
    assert Endpoint.objects.get().paused_until is None


def test_it_is_sent_again_by_hand_to_its_own_url(new_receiver, listen, tell):
    own, default = new_receiver(), new_receiver()
    listen(default, dialect="signature")
    (message,) = tell(own.url)
    sending.deliver()

    assert services.resend([message]) == 1
    sending.deliver()

    assert (len(own.requests), len(default.requests)) == (2, 0)


def test_a_message_without_a_url_is_sent_again_past_the_queue_of_the_others(
    new_receiver, listen, tell
):
    own, default = new_receiver(), new_receiver()
    listen(default, dialect="signature")
    tell(own.url)
    (message,) = tell()
    assert services.resend([message]) == 1
