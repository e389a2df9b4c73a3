"""One house for each program that runs tests, copied from a template they share."""

import fcntl
import os
import shutil
from contextlib import contextmanager

import pytest

from tests.survival.counting import broken_books, count
from tests.survival.house import copy_of, make_template
from zopay_site.embedded import services


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """Made by whoever comes first: xdist's workers have one folder in common."""
    base = tmp_path_factory.getbasetemp()
    place = (base if base.name.startswith("pytest-") else base.parent) / "settled house"
    users = place.with_name("settled house users")
    with _alone(users):
        if not any(users.iterdir()):
            make_template(place)
        (users / str(os.getpid())).touch()
    yield place
    with _alone(users):
        (users / str(os.getpid())).unlink()
        if not any(users.iterdir()):
            shutil.rmtree(place)


@contextmanager
def _alone(folder):
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@pytest.fixture(scope="session")
def shared_house(template, tmp_path_factory):
    house = copy_of(template, tmp_path_factory.mktemp("survival") / "house")
    try:
        house.start()
        yield house
    finally:
        house.stop()
        shutil.rmtree(house.place)


@pytest.fixture
def house(shared_house):
    """Web, beat and both servers run; the test brings its workers."""
    yield shared_house
    assert shared_house.supervisor.dead() is None
    assert broken_books(shared_house.ask) == {}


@pytest.fixture
def worker(house):
    """The worker that bin/up starts, next to its web and beat; they never need a restart."""
    names = ("worker", "beat", "web")
    house.run("worker", services.worker_line())
    pids = {name: house.child(name).pid for name in names}
    yield
    last = {name: house.child(name).pid for name in names}
    house.dismiss("worker")
    assert last == pids


@pytest.fixture
def paid_once(house):
    """Waits for the end of accepted payouts, and lets an outsider count."""

    def check(executes, *, seconds=30):
        ids = [asked.payout_id for asked in executes]
        house.wait_for_the_end(ids, seconds=seconds)
        total = count(house.ask, ids)
        assert total.is_right, total
        assert len(set(ids)) == len(executes)
        return total

    return check
