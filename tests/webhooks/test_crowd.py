"""One bad receiver among a hundred good ones is felt by nobody but itself."""

from time import monotonic, sleep

import pytest

from engine.webhooks import sending
from engine.webhooks.models import Delivery
from tests.meeting import Session

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = 100
P95_SECONDS_MAX = 5.0


@pytest.fixture
def crowd(new_receiver, listen, monkeypatch):
    """A hundred endpoints that answer at once, behind one server, and one that drips."""
    monkeypatch.setattr("engine.webhooks.services.ENDPOINTS_MAX", GOOD + 1)
    good, dripping = new_receiver(), new_receiver()
    dripping.drips = True
    listen(dripping)
    for number in range(GOOD):
        endpoint, _ = listen(good)
        endpoint.url = f"{good.url}/{number}"
        endpoint.save(update_fields=["url"])
    return good, dripping


def test_a_receiver_that_drips_delays_none_of_a_hundred_others(crowd, owe):
    good, dripping = crowd
    lags = []
    worker = Session(sending.deliver)
    for _ in range(3):
        began, before = monotonic(), len(good.requests)
        owe()
        while len(good.requests) < before + GOOD:
            assert monotonic() - began < 100
            if not worker.thread.is_alive():
                # It had looked its last when these were owed; beat would start another.
                worker = Session(sending.deliver)
            sleep(0.01)
        # The last of the hundred; every other was quicker.
        lags.append(monotonic() - began)

    worker.thread.join(timeout=60)
    # One that dripped on the others would do so every time; a busy machine does not.
    assert min(lags) < P95_SECONDS_MAX
    assert len(dripping.requests) >= 1
    assert Delivery.objects.filter(state="delivered").count() >= 3 * GOOD
    print(f"slowest of {GOOD} good receivers, three rounds: {lags}")
