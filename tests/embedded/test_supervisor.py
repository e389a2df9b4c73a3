"""The supervisor: who dies starts again, ever more slowly, and all end in reverse order."""

import os
import signal

import pytest

from zopay_site.embedded import children, say
from zopay_site.embedded.say import Stop
from zopay_site.embedded.supervisor import Supervisor


@pytest.fixture
def supervisor():
    supervisor = Supervisor()
    yield supervisor
    supervisor.stop()


@pytest.fixture
def told(monkeypatch):
    lines = []
    monkeypatch.setattr(say.VOICE, "line", lines.append)
    return lines


def sleeper(name, place):
    return lambda: children.start(name, ["/bin/sleep", "600"], home=place)


def look_until(supervisor, condition):
    for _ in range(500):
        supervisor.look()
        if condition():
            return
        os.sched_yield()
        signal.sigtimedwait([], 0.02)
    raise AssertionError("the supervisor did nothing for ten seconds")


def test_a_service_that_dies_starts_again_with_a_line_about_it(supervisor, told, tmp_path):
    first = supervisor.add("worker", sleeper("worker", tmp_path))
    os.kill(first.pid, signal.SIGKILL)

    look_until(supervisor, lambda: len(told) == 2)

    assert told[0].startswith("  worker died (SIGKILL); it starts again in 0.5 s.")
    assert told[1] == "  worker runs again."
    assert supervisor.services[0].child.pid != first.pid
    assert supervisor.dead() is None


def test_a_service_that_keeps_dying_waits_longer_each_time(supervisor, told, tmp_path):
    supervisor.add("web", lambda: children.start("web", ["/bin/false"], home=tmp_path))

    look_until(supervisor, lambda: supervisor.services[0].pause == 2.0)

    died = [line.partition(" See ")[0] for line in told if "died" in line]
    assert died == [
        "  web died (status 1); it starts again in 0.5 s.",
        "  web died (status 1); it starts again in 1 s.",
    ]


def test_a_service_that_cannot_start_is_tried_again(supervisor, told, tmp_path):
    tries = []

    def start():
        tries.append(1)
        if len(tries) == 2:
            raise Stop("Memory is still in use.", then="wait")
        return sleeper("postgres", tmp_path)()

    first = supervisor.add("postgres", start)
    os.kill(first.pid, signal.SIGKILL)

    look_until(supervisor, lambda: len(told) == 3)

    assert told[1:] == [
        "  postgres does not start: Memory is still in use.",
        "  postgres runs again.",
    ]


def test_services_end_in_the_reverse_of_the_order_they_began(monkeypatch, supervisor, tmp_path):
    ended = []
    stop = children.Child.stop

    def noting(child, **options):
        ended.append(child.name)
        stop(child, **options)

    monkeypatch.setattr(children.Child, "stop", noting)
    for name in ("postgres", "valkey", "worker", "beat", "web"):
        supervisor.add(name, sleeper(name, tmp_path))

    supervisor.stop()

    assert ended == ["web", "beat", "worker", "valkey", "postgres"]
