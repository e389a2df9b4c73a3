"""A worker dies of kill -9 before and after every step of a payout, and each is paid once."""

import pytest

from tests.survival.kill_points import POINTS

pytestmark = [pytest.mark.survival, pytest.mark.timeout(60, func_only=True)]


@pytest.fixture(scope="module")
def mortal(shared_house):
    """One worker for all of them; when it dies there is another one."""
    changes = ["changes.names_nobody_can_guess", "kill_points.install"]
    with shared_house.working(changes=changes) as (worker,):
        yield worker


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_a_step_pays_nobody_twice(house, mortal, paid_once, point):
    deaths = mortal.deaths
    live, test = house.partner(), house.partner("test")
    # The first death is the child's that runs the step, the second one the whole worker's.
    house.arm(point, "before", "child")
    house.arm(point, "after", "worker")
    executes = [
        live.pay(),
        live.pay(network="polygon"),
        test.pay(cents="01"),
        test.pay(cents="02"),
        test.pay(cents="02", network="polygon"),
    ]
    total = paid_once(executes)

    assert house.still_armed() == []
    assert mortal.deaths == deaths + 1
    assert (total.delivered, total.failed) == (2, 3)
