"""How often somebody may call."""

import pytest

from engine.common import limits
from engine.common.errors import RateLimited
from engine.common.limits import RateLimit


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limit(clock):
    return RateLimit(clock=clock)


def test_the_last_allowed_call_passes_and_the_next_does_not(limit):
    left = [limit.take("a", per_minute=3).remaining for _ in range(3)]
    with pytest.raises(RateLimited) as refusal:
        limit.take("a", per_minute=3)

    assert left == [2, 1, 0]
    assert refusal.value.headers == {"Retry-After": "60"}


def test_a_minute_after_the_first_call_a_new_window_begins(limit, clock):
    limit.take("a", per_minute=1)
    clock.now += 59.2
    with pytest.raises(RateLimited) as refusal:
        limit.take("a", per_minute=1)
    clock.now += 0.8

    assert refusal.value.retry_after_seconds == 1
    assert limit.take("a", per_minute=1).remaining == 0


def test_callers_are_counted_apart(limit):
    limit.take("a", per_minute=1)

    assert limit.take("b", per_minute=1).remaining == 0


def test_what_is_left_is_told_as_the_draft_writes_it(limit, clock):
    limit.count("a", per_minute=10)
    clock.now += 12.5

    assert limit.count("a", per_minute=10).headers == {
        "RateLimit-Policy": '"default";q=10;w=60',
        "RateLimit": '"default";r=8;t=48',
    }


def test_a_flood_of_callers_costs_a_bounded_memory(limit, monkeypatch):
    monkeypatch.setattr(limits, "CALLERS_MAX", 100)
    for caller in range(1000):
        limit.take(caller, per_minute=1)

    assert len(limit._windows) == 100
    # The newest are remembered, the oldest forgotten.
    with pytest.raises(RateLimited):
        limit.take(999, per_minute=1)
    limit.take(0, per_minute=1)


def test_whoever_begins_anew_is_not_the_next_to_be_forgotten(limit, clock, monkeypatch):
    monkeypatch.setattr(limits, "CALLERS_MAX", 2)
    limit.take("a", per_minute=5)
    limit.take("b", per_minute=5)
    clock.now += 61
    limit.take("a", per_minute=5)
    limit.take("c", per_minute=5)

    assert list(limit._windows) == ["a", "c"]
