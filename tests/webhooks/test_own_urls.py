"""A message with a URL of its own goes there, whoever else listens, and delays nobody."""

import hmac
from time import monotonic, sleep

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from standardwebhooks import Webhook

from engine.common.secrets import seal
from engine.webhooks import outcomes, sending, services
from engine.webhooks.models import Attempt, Delivery, Endpoint, Message
from engine.webhooks.reads import Outbox
from tests.meeting import Session
from tests.webhooks.conftest import pass_time

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "tk_test_" + "7" * 42
SECONDS_MAX = 5.0


def sealed(text=TOKEN):
    return seal(services.TOKEN_PURPOSE, text.encode())


@pytest.fixture
def tell(owe):
    """Owe messages of payments to a URL; '' is to whoever listens."""

    def make(url="", count=1, **changes):
        return owe(
            count, **{"dialect": "signature", "url": url, "sealed_token": sealed()} | changes
        )

    return make


def signature(body, token=TOKEN):
    return hmac.digest(token.encode(), body, "sha256").hex()


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


def wait_for(condition):
    began = monotonic()
    while not condition():
        assert monotonic() - began < SECONDS_MAX, "it did not come in time"
        sleep(0.01)


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
    listen(new_receiver(), **changes)

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


# --- One row, whatever comes -----------------------------------------------------


def test_any_number_of_urls_make_one_row_for_each_partner_and_mode(tell, acme, other):
    for partner in (acme, other):
        for livemode in (True, False):
            tell("https://hooks.example.com/0", partner_id=partner.pk, livemode=livemode)
    for number in range(100):
        tell(f"https://hooks-{number}.example.com/{number}")

    assert Endpoint.objects.count() == 4
    assert Delivery.objects.count() == 104


def test_the_row_is_no_endpoint_of_the_partner_s(tell, acme, monkeypatch):
    tell("https://hooks.example.com/0")
    monkeypatch.setattr(services, "ENDPOINTS_MAX", 1)
    outbox = Outbox(partner_id=acme.pk, livemode=True, dialect="signature")

    assert outbox.endpoints(limit=10) == []
    endpoint, _ = services.create_endpoint(
        partner_id=acme.pk, livemode=True, url="https://hooks.example.com/", dialect="signature"
    )
    assert outbox.endpoints(limit=10) == [endpoint]


def test_two_who_owe_the_first_at_once_make_one_row(tell, acme):
    for _ in range(3):
        sessions = [
            Session(lambda n=number: tell(f"https://h{n}.example.com/")) for number in range(8)
        ]
        for session in sessions:
            session.wait()
        assert Endpoint.objects.filter(partner=acme, url="").count() == 1
        assert Delivery.objects.count() == 8
        Attempt.objects.all().delete()
        Delivery.objects.all().delete()
        Endpoint.objects.all().delete()


# --- One slow URL delays nobody --------------------------------------------------


@pytest.fixture
def worker():
    """Delivers until the end of the test, as beat would have it."""
    made = []

    def look():
        if not made or not made[-1].thread.is_alive():
            made.append(Session(sending.deliver))

    yield look
    for session in made:
        session.thread.join(timeout=60)


def test_a_slow_url_delays_no_other_of_the_same_partner_s(new_receiver, tell, worker):
    slow, quick = new_receiver(), new_receiver()
    slow.seconds = 2.5
    tell(slow.url, 6)
    worker()
    wait_for(lambda: slow.at_once == 2)

    for number in range(5):
        began = monotonic()
        tell(f"{quick.url}/{number}")
        wait_for(lambda n=number: worker() or len(quick.requests) == n + 1)
        assert monotonic() - began < 2.0
    assert slow.most_at_once == 2


def test_a_slow_host_leaves_room_to_others_however_many_urls_it_has(new_receiver, tell, worker):
    slow, quick = new_receiver(), new_receiver()
    slow.seconds = 2.5
    for number in range(6):
        tell(f"{slow.url}/{number}")
    worker()
    wait_for(lambda: slow.at_once == 3)

    began = monotonic()
    tell(quick.url)
    wait_for(lambda: worker() or len(quick.requests) == 1)

    assert monotonic() - began < 2.0
    assert slow.most_at_once == 3


def test_a_partner_with_slow_urls_only_starves_no_other(new_receiver, tell, other, worker):
    slow, quick = [new_receiver() for _ in range(6)], new_receiver()
    for number, receiver in enumerate(slow):
        receiver.seconds = 2.5
        tell(f"{receiver.url}/{number}", 2)
    worker()
    wait_for(lambda: sum(receiver.at_once for receiver in slow) == 4)

    for number in range(5):
        began = monotonic()
        tell(f"{quick.url}/{number}", partner_id=other.pk)
        wait_for(lambda n=number: worker() or len(quick.requests) == n + 1)
        assert monotonic() - began < 2.0
    assert sum(receiver.most_at_once for receiver in slow) == 4


def test_two_workers_keep_the_bounds_together(new_receiver, tell):
    slow = new_receiver()
    slow.seconds = 0.3
    tell(slow.url, 8)
    for session in [Session(sending.deliver) for _ in range(3)]:
        session.thread.join(timeout=60)

    assert len(slow.requests) == 8
    assert slow.most_at_once == 2
    assert states() == ["delivered"] * 8


def test_a_killed_worker_s_messages_go_out_when_its_leases_are_over(receiver, tell):
    tell(receiver.url, 4)
    turns = sending._lease_endpoints(1)
    assert len(sending._own_calls(turns[0])) == 2
    sending.deliver()
    assert receiver.requests == []

    pass_time(minutes=1)
    sending.deliver()

    assert len(receiver.requests) == 4
    assert len({delivery.tries for delivery in Delivery.objects.all()}) == 1


def test_a_long_queue_of_a_slow_host_is_passed_over_in_one_statement(receiver, tell):
    tell("https://slow.example.com/hook", 2000)
    tell(receiver.url)
    hung = sending._lease_endpoints(1)
    assert len(sending._own_calls(hung[0])) == 2
    Endpoint.objects.update(leased_until=None)

    with CaptureQueriesContext(
        connection,
    ) as caught:
        (turn,) = sending._lease_endpoints(1)
        calls = sending._own_calls(turn)

    assert [call.args[1].url for call in calls] == [receiver.url]
    assert len(caught.captured_queries) <= 8
