"""Engines broken on purpose: whoever counts must see it, or the other tests prove nothing.

In each of these the books agree with themselves to the last unit. Only the outside knows.
"""

import pytest

from tests.survival.counting import NOT_ENDED, broken_books, count

pytestmark = [pytest.mark.survival, pytest.mark.timeout(60, func_only=True)]

FAULT = "INSERT INTO rails_simulatedfault (kind, remaining, seconds) VALUES (%s, 1, 0)"


@pytest.fixture
def count_one(house):
    """Pay once with broken workers, and count."""

    def run(*changes, fault=None, death=None):
        house.change("UPDATE rails_simulatedfault SET remaining = 0")
        if fault:
            house.change(FAULT, [fault])
        if death:
            house.arm(*death)
        names = ["names_nobody_can_guess", *changes]
        line = [*(f"changes.{name}" for name in names), "kill_points.install"]
        with house.working(changes=line):
            key = house.partner().pay().payout_id
            house.wait(
                lambda: not house.still_armed() and not house.ask(NOT_ENDED, [[key]])[0][0],
                seconds=20,
                what="the end of a payout",
            )
        assert broken_books(house.ask) == {}
        return key, count(house.ask, [key])

    return run


@pytest.mark.parametrize(
    ("fault", "death"),
    [
        ("drop_reply", None),
        ("never_seen", None),
        (None, ("open_attempts", "after", "child")),
        (None, ("submit", "after", "child")),
    ],
)
def test_the_engine_as_it_is_comes_through_what_breaks_the_others(count_one, fault, death):
    _, total = count_one(fault=fault, death=death)

    assert total.is_right
    assert total.delivered == 1


def test_sending_before_keeping_is_seen_to_pay_twice(count_one):
    key, total = count_one("send_before_keeping", death=("open_attempts", "after", "child"))

    assert total.twice == [key]


def test_failing_what_was_not_answered_is_seen_to_pay_and_give_back(count_one):
    key, total = count_one("no_answer_means_failed", fault="drop_reply")

    assert (total.failed, total.twice) == (1, [key])


def test_sending_another_when_nobody_answered_is_seen_to_pay_twice(count_one):
    key, total = count_one("no_answer_means_send_another", fault="drop_reply")

    assert (total.delivered, total.twice) == (1, [key])


def test_believing_a_send_is_seen_to_lose_money(count_one):
    key, total = count_one("sent_means_delivered", fault="never_seen")

    assert (total.delivered, total.lost) == (1, [key])


def test_a_lease_that_outlives_its_worker_is_seen_to_strand_a_payout(house):
    house.arm("prepare_due", "before", "worker")
    with house.working(changes=["changes.a_lease_is_for_ever", "kill_points.install"]):
        stranded = house.partner().pay().payout_id
        house.wait(lambda: not house.still_armed(), seconds=20, what="a death")
        house.wait_for_the_end([house.partner().pay().payout_id])

        assert count(house.ask, [stranded]).unfinished == [stranded]
    house.change("UPDATE payouts_payout SET due_at = now() WHERE finished_at IS NULL")
    with house.working():
        house.wait_for_the_end([stranded])
