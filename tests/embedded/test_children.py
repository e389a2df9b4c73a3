"""Programs we start: ended in good order or by force, never orphaned, never mistaken.

Goal: whatever kills bin/up, nothing of it stays, and nothing of anybody else is touched.
Method: real programs; what ought to be gone is looked for by pid and start time.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from zopay_site.embedded import children, home

# Starts a grandchild, says its pid, and waits for ever.
WITH_GRANDCHILD = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(grandchild.pid, flush=True)
time.sleep(600)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def python(code):
    return [sys.executable, "-c", code]


def wait_for(look, *, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} s in vain")


def first_line(place, name):
    def look():
        text = (place / "logs" / f"{name}.log").read_text()
        return text.splitlines()[0] if "\n" in text else None

    return wait_for(look)


def is_gone(pid):
    return children.began(pid) is None


def test_ending_a_child_ends_its_children_too(tmp_path):
    child = children.start("family", python(WITH_GRANDCHILD), home=tmp_path)
    grandchild = int(first_line(tmp_path, "family"))

    child.stop()

    wait_for(lambda: is_gone(child.pid) and is_gone(grandchild))
    assert child.ending == "SIGTERM"
    assert list((tmp_path / "pids").iterdir()) == []


def test_a_child_that_does_not_listen_is_killed_when_patience_ends(tmp_path):
    child = children.start("deaf", python(DEAF), home=tmp_path)
    first_line(tmp_path, "deaf")

    child.stop(patience=0.1)

    assert child.ending == "SIGKILL"


def test_children_end_when_their_starter_is_killed(tmp_path):
    code = textwrap.dedent(f"""
        import pathlib, time
        from zopay_site.embedded import children
        place = pathlib.Path({str(tmp_path)!r})
        child = children.start("lonely", ["/bin/sleep", "600"], home=place)
        print(child.pid, flush=True)
        time.sleep(600)
    """)
    starter = subprocess.Popen(
        [sys.executable, "-c", code], cwd=home.ROOT, stdout=subprocess.PIPE, text=True
    )
    pid = int(starter.stdout.readline())
    # From here on it is /bin/sleep and no longer ours: only the kernel can tell it.
    wait_for(lambda: b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()[:10])

    starter.kill()
    starter.communicate()

    wait_for(lambda: is_gone(pid))


@pytest.fixture
def stranger():
    """A program that is none of ours."""
    popen = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    yield popen
    popen.kill()
    popen.wait()


def test_what_was_left_running_is_found_by_its_pid_file_and_ended(tmp_path, stranger):
    record = {"pid": stranger.pid, "began": children.began(stranger.pid)}
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "worker.json").write_text(json.dumps(record))

    assert children.stop_leftovers(tmp_path) == ["worker"]

    assert stranger.wait(timeout=5) == -signal.SIGTERM
    assert list((tmp_path / "pids").iterdir()) == []


def test_a_pid_that_came_round_to_somebody_else_is_left_alone(tmp_path, stranger):
    record = {"pid": stranger.pid, "began": "long before"}
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "worker.json").write_text(json.dumps(record))

    assert children.stop_leftovers(tmp_path) == []

    assert stranger.poll() is None
    assert list((tmp_path / "pids").iterdir()) == []


def test_members_of_a_session_whose_leader_is_gone_are_ended(tmp_path):
    child = children.start("family", python(WITH_GRANDCHILD), home=tmp_path)
    grandchild = int(first_line(tmp_path, "family"))
    os.kill(child.pid, signal.SIGKILL)
    child.popen.wait()
    assert not is_gone(grandchild)

    assert children.stop_leftovers(tmp_path) == ["family"]

    wait_for(lambda: is_gone(grandchild))


def test_a_spoilt_pid_file_is_forgotten(tmp_path):
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "worker.json").write_text("{half a")

    assert children.stop_leftovers(tmp_path) == []
    assert list((tmp_path / "pids").iterdir()) == []
