"""bin/chaos itself: a clean run of the product, and every wrong way found out.

Skipped only where no anvil can be had, since there is no chain to count on then.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from zopay_site.chaos.options import FAULTS, MUTATIONS
from zopay_site.embedded import anvil
from zopay_site.embedded.home import ROOT

pytestmark = [pytest.mark.survival, pytest.mark.timeout(240, func_only=True)]

COMMAND = [sys.executable, "-m", "zopay_site.embedded.run_chaos"]
# As few payouts as show each of them, and the faults that do; which wrongs may be named.
REVEALED_BY = {
    "send-before-commit": (
        ["--payouts", "48", "--faults", "drop-reply"],
        {"lost", "twice", "lied"},
    ),
    "nonce-from-node": (
        ["--payouts", "48", "--faults", "drop-reply"],
        {"lost", "twice"},
    ),
    "timeout-means-failed": (
        ["--payouts", "48", "--faults", "drop-reply"],
        {"lied"},
    ),
    "depth-1": (["--payouts", "24", "--kills", "60", "--faults", "reorg"], {"lost", "lied"}),
    "latest-hash-only": (
        ["--payouts", "24", "--kills", "60", "--faults", "base-fee"],
        {"lost", "lied"},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def program():
    try:
        return anvil.find_or_fetch()
    except anvil.NoAnvil as none:
        pytest.skip(f"bin/chaos needs anvil: {none}")


@pytest.fixture
def chaos(tmp_path):
    """Its exit status and its JSON; homes that it keeps are below the test's own folder."""

    def run(*arguments):
        child = start(tmp_path, "--json", *arguments)
        printed, words = child.communicate()
        assert child.returncode in {0, 1}, words
        return child.returncode, json.loads(printed)

    return run


def start(tmp_path, *arguments, **environment):
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_product_comes_through_all_of_it(chaos, tmp_path):
    status, told = chaos("--payouts", "40", "--kills", "8", "--patience", "100")

    wrongs = ("lost", "twice", "lied", "astray", "refused", "failed")
    assert told["findings"] == {}
    assert {name: told[name] for name in wrongs} == dict.fromkeys(wrongs, 0)
    assert (told["payouts"], told["transfers"], told["delivered"]) == (40, 40, 40)
    assert [told[name] for name in ("nonces_contiguous", "ledger_clean", "balances_right")] == [
        True,
        True,
        True,
    ]
    assert told["happened"]["kill"] == 8
    assert FAULTS.keys() - told["happened"].keys() <= {"drop-reply", "drop-request"}
    assert (status, told["right"], told["home"]) == (0, True, None)
    assert list(tmp_path.iterdir()) == []


def test_every_wrong_way_has_its_test():
    assert MUTATIONS.keys() == REVEALED_BY.keys()


@pytest.mark.parametrize("mutation", REVEALED_BY)
def test_a_wrong_way_of_paying_is_found_out(chaos, mutation):
    arguments, expected = REVEALED_BY[mutation]
    status, told = chaos("--mutation", mutation, "--patience", "40", *arguments)

    assert (status, told["right"]) == (1, False)
    assert {name for name in expected if told[name]}, told
    assert (Path(told["home"]) / "logs").is_dir()


def test_ctrl_c_ends_all_of_it_and_leaves_nothing(tmp_path):
    child = start(tmp_path, "--payouts", "1000")
    deadline = monotonic() + 60
    while not (pids := pids_in(tmp_path, "web")) and monotonic() < deadline:
        sleep(0.05)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)

    assert pids
    assert child.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert [pid for pid in pids if is_running(pid)] == []


def test_without_anvil_it_says_so_and_ends_with_2(tmp_path):
    child = start(tmp_path, ZOPAY_ANVIL_BIN="/bin/false")
    _, words = child.communicate(timeout=60)

    assert child.returncode == 2
    assert "/bin/false is no anvil" in words
    assert list(tmp_path.iterdir()) == []


def pids_in(folder, awaited):
    """Of all programs that a run has started, as soon as `awaited` is one of them."""
    files = {path.stem: path for path in folder.glob("zopay-chaos-*/pids/*.json")}
    if awaited not in files:
        return []
    return [json.loads(path.read_text())["pid"] for path in files.values()]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
