"""However many URLs of their own messages have, they wait in one row and delay nobody."""

from time import monotonic, sleep

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.webhooks import sending, services
from engine.webhooks.listener import Keys, dialect_of, look_at
from engine.webhooks.models import Attempt, Delivery, Endpoint
from engine.webhooks.reads import Outbox
from tests.meeting import Session
from tests.webhooks.conftest import TOKEN, pass_time

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS_MAX = 5.0


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


def wait_for(condition):
    began = monotonic()
    while not condition():
        assert monotonic() - began < SECONDS_MAX, "it did not come in time"
        sleep(0.01)


# --- As staff see it --------------------------------------------------------------


def test_the_admin_shows_where_it_went_and_offers_no_other_place(
    new_receiver, listen, tell, operator
):
    own, default = new_receiver(), new_receiver()
    listen(default, dialect="signature")
    (message,) = tell(own.url)
    sending.deliver()
    address = f"/admin/webhooks/message/{message.pk}"

    shown = operator.get(f"{address}/change/").text
    assert own.url in shown
    assert "not kept" in shown
    assert TOKEN not in shown
    asked = operator.get(f"{address}/resend/").text
    assert own.url in asked
    assert default.url not in asked
    assert operator.post(f"{address}/resend/", {"to": "all"}).status_code == 302
    sending.deliver()
    assert (len(own.requests), len(default.requests)) == (2, 0)


def test_the_queue_is_shown_by_its_name_and_may_be_switched_off_and_on(
    receiver, tell, operator
):
    tell(receiver.url)
    queue = Endpoint.objects.get()
    address = f"/admin/webhooks/endpoint/{queue.pk}"
    assert "URLs of single messages" in operator.get("/admin/webhooks/endpoint/").text

    operator.post(f"{address}/disable/")
    sending.deliver()
    assert receiver.requests == []
    assert "URLs of single messages" in operator.get(f"{address}/change/").text

    operator.post(f"{address}/enable/")
    sending.deliver()
    assert len(receiver.requests) == 1


def test_an_endpoint_s_own_resend_offers_no_queue(new_receiver, listen, tell, operator):
    endpoint, _ = listen(new_receiver(), dialect="signature")
    tell("https://hooks.example.com/0")
    (message,) = tell()
    queue = Endpoint.objects.get(url="")

    asked = operator.get(f"/admin/webhooks/message/{message.pk}/resend/").text

    assert endpoint.public_id in asked
    assert queue.public_id not in asked


@pytest.mark.parametrize(("token", "is_good"), [(TOKEN, True), (TOKEN[:-1] + "8", False)])
def test_the_listener_verifies_what_the_token_alone_has_signed(receiver, tell, token, is_good):
    tell(receiver.url)
    sending.deliver()
    ((headers, body),) = receiver.requests
    headers = {name.lower(): text for name, text in headers.items()}

    findings = look_at(
        dialect=dialect_of(headers),
        headers=headers,
        body=body,
        keys=Keys(token=token),
        now=timezone.now(),
    )

    assert [(one.header, one.is_good) for one in findings] == [("Signature", is_good)]


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
    queue = Endpoint.objects.get()
    assert len([sending._take_own(queue.pk)[1] for _ in range(2)]) == 2
    sending.deliver()
    assert receiver.requests == []

    pass_time(minutes=1)
    sending.deliver()

    assert len(receiver.requests) == 4
    assert len({delivery.tries for delivery in Delivery.objects.all()}) == 1


def test_a_long_queue_of_a_slow_host_is_passed_over_in_one_statement(receiver, tell):
    tell("https://slow.example.com/hook", 2000)
    tell(receiver.url)
    queue = Endpoint.objects.get()
    for _ in range(2):
        assert sending._take_own(queue.pk)[1].url == "https://slow.example.com/hook"

    with CaptureQueriesContext(connection) as caught:
        taken = sending._take_own(queue.pk)[1]

    assert taken.url == receiver.url
    assert sending._take_own(queue.pk)[1] is None
    assert len(caught.captured_queries) <= 5
