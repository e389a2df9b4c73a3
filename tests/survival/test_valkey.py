"""Nudges are lost, and then their broker itself: nobody waits, and nothing else is lost."""

from time import monotonic

import pytest

from tests.survival.door import Crowd

pytestmark = [pytest.mark.survival, pytest.mark.timeout(90, func_only=True)]

ANSWER_SECONDS_MAX = 1.0


def test_valkey_may_forget_everything_at_any_moment(house, worker, paid_once):
    with Crowd(house.port, house.keys["live"], size=2) as crowd:
        for number in range(12):
            house.wait(
                lambda enough=2 * number: len(crowd.accepted) > enough,
                seconds=20,
                what="payouts",
            )
            house.flush_valkey()

    assert len(crowd.accepted) == len(crowd.executes) >= 22
    paid_once(crowd.accepted)


def test_valkey_may_be_killed_and_start_again(house, worker, paid_once):
    with Crowd(house.port, house.keys["live"], size=2) as crowd:
        for number in range(1, 4):
            house.wait(
                lambda enough=5 * number: len(crowd.accepted) > enough,
                seconds=20,
                what="payouts",
            )
            house.valkey.kill()
            house.start_valkey()

    assert len(crowd.accepted) == len(crowd.executes)
    paid_once(crowd.accepted)


def test_while_valkey_is_away_executes_are_answered_and_paid_when_it_is_back(
    house, worker, paid_once
):
    house.wait_for_the_end([house.partner().pay().payout_id])
    house.valkey.kill()
    began = monotonic()
    with Crowd(house.port, house.keys["live"], size=2) as crowd:
        house.wait(lambda: monotonic() > began + 4, seconds=9, what="four seconds")
    slowest = max(asked.answers[0].seconds for asked in crowd.executes)
    house.start_valkey()
    back = monotonic()
    paid_once(crowd.accepted, seconds=40)

    print(f"{len(crowd.executes)} executes, the slowest answered after {slowest:.3f} s;")
    print(f"all paid {monotonic() - back:.1f} s after Valkey was back")
    assert len(crowd.accepted) == len(crowd.executes) >= 10
    assert slowest < ANSWER_SECONDS_MAX
