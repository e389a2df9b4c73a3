"""bin/up as a stranger runs it: one command, one payout that arrives, one Ctrl-C.

Goal: the promise of the README. Method: the real command in a home of its own, whose
output and programs are looked at from outside.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from zopay_site.embedded import anvil, children, environment, home, ports

# bin/test gives its tests servers and secrets; a stranger has none of these.
OURS = set(environment.BORROWED) | {"PAYOUT_RAIL"}
UP_SECONDS = 90


@pytest.fixture
def stranger(tmp_path):
    """The environment of somebody who just cloned the repository."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith("ZOPAY_") and n not in OURS}
    where = {"ZOPAY_HOME": str(tmp_path / "a home"), "ZOPAY_PORT": str(ports.pick())}
    return kept | where


def run(*line, environment):
    return subprocess.run(
        line, cwd=home.ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def up(stranger, tmp_path):
    """A running bin/up, and the file it prints to."""
    printed = tmp_path / "printed.txt"
    with printed.open("w") as file:
        popen = subprocess.Popen(
            ["bin/up"], cwd=home.ROOT, env=stranger, stdout=file, stderr=file
        )
    deadline = time.monotonic() + UP_SECONDS
    while "Ctrl-C ends everything" not in printed.read_text():
        assert popen.poll() is None, printed.read_text()
        assert time.monotonic() < deadline, printed.read_text()
        time.sleep(0.1)
    yield popen, printed
    popen.send_signal(signal.SIGTERM)
    popen.wait(timeout=30)


def ask(url, *, key):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def wait_for_delivery(base, *, key):
    """Until the first payout is delivered; answers it."""
    listed = ask(f"{base}/connect/v1/transactions?type=payout", key=key)["data"]
    url = f"{base}/connect/v1/payouts/{listed[0]['id']}"
    deadline = time.monotonic() + 60
    while (payout := ask(url, key=key))["status"] != "delivered":
        assert time.monotonic() < deadline, payout
        time.sleep(0.5)
    return payout


def has_chains():
    """This machine has an anvil, or npm brings one."""
    try:
        return anvil.find_or_fetch() is not None
    except anvil.NoAnvil:
        return False


def pids(place):
    return [json.loads(path.read_text())["pid"] for path in (place / "pids").glob("*.json")]


def test_one_command_delivers_a_payout_and_ctrl_c_ends_it(stranger, up, tmp_path):
    popen, printed = up
    place = tmp_path / "a home"
    base = f"http://127.0.0.1:{stranger['ZOPAY_PORT']}"
    demo = json.loads((place / "demo.json").read_text())
    key = demo["partners"][0]["connect"]["live_key"]
    text = printed.read_text()

    # It prints where to look, and hides the files with secrets from others.
    assert f"{base}/t/" in text
    assert key in text
    for name in ("demo.json", "secrets.json", "running.json"):
        assert (place / name).stat().st_mode & 0o777 == 0o600
    assert "Traceback" not in text

    # The payout it sent arrives.
    wait_for_delivery(base, key=key)

    # A second one is a sentence; bin/manage uses the servers of the first.
    second = run("bin/up", environment=stranger)
    assert (second.returncode, second.stderr.splitlines()[1]) == (
        1,
        "bin/up is already running.",
    )
    checked = run("bin/manage", "check_ledger", environment=stranger)
    assert checked.returncode == 0, checked.stdout + checked.stderr

    # Ctrl-C ends all of it in order.
    local = ["polygon", "ethereum"] if has_chains() else []
    order = ["web", "webhooks", "worker", "receiver", "mtn", *local, "valkey", "postgres"]
    programs = pids(place)
    assert len(programs) == len(order)
    popen.send_signal(signal.SIGINT)
    assert popen.wait(timeout=30) == 0
    assert [children.began(pid) for pid in programs] == [None] * len(order)
    assert f"Ending {', '.join(order)}." in printed.read_text()
    assert "Traceback" not in printed.read_text()


@pytest.fixture
def without_anvil(stranger):
    stranger["ZOPAY_ANVIL_BIN"] = "/nowhere/anvil"


def test_without_chains_one_line_says_so_and_the_payout_arrives(
    without_anvil, stranger, up, tmp_path
):
    _, printed = up
    demo = json.loads((tmp_path / "a home" / "demo.json").read_text())
    base = f"http://127.0.0.1:{stranger['ZOPAY_PORT']}"

    assert (
        "\n  EVM chains          none: ZOPAY_ANVIL_BIN=/nowhere/anvil is no anvil 1.0 or newer. "
        "Live keys settle on the simulated rail; ZOPAY_ANVIL_BIN=/some/anvil brings chains.\n"
    ) in printed.read_text()
    assert "    pays over         the simulated rail" in printed.read_text()
    wait_for_delivery(base, key=demo["partners"][0]["connect"]["live_key"])


def test_a_port_that_is_taken_is_said_before_anything_starts(stranger, tmp_path):
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", int(stranger["ZOPAY_PORT"])))
        somebody.listen()

        answer = run("bin/up", environment=stranger)

    assert answer.returncode == 1
    assert f"Port {stranger['ZOPAY_PORT']} on 127.0.0.1 is taken" in answer.stderr
    assert "Next: ZOPAY_PORT=" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "a home").exists()


def test_an_unknown_option_prints_how_to_call_it(stranger):
    answer = run("bin/up", "--frsh", environment=stranger)

    assert answer.returncode == 2
    assert answer.stderr.startswith("bin/up [--fresh]\n")


def test_manage_leaves_stdout_to_the_command(stranger):
    run("bin/manage", "migrate", environment=stranger)
    answer = run("bin/manage", "bootstrap_demo", "--json", environment=stranger)

    assert answer.returncode == 0, answer.stderr
    assert len(json.loads(answer.stdout)["partners"]) == 2
