"""What is found by name is there: tasks, doors, rails, invariants, schedules."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.utils.module_loading import import_string

from engine.ledger.invariants import Invariant
from engine.payouts.doors import door_named
from engine.rails.base import rail_named

ROOT = Path(__file__).parent.parent


def nudged():
    """The task names that services nudge, read from the source."""
    for path in [
        *ROOT.glob("engine/**/*.py"),
        *ROOT.glob("connect/*.py"),
        *ROOT.glob("disbursements/*.py"),
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "after_commit"
            ):
                yield ast.literal_eval(node.args[0])


def test_every_nudge_wakes_a_task():
    current_app.loader.import_default_modules()

    assert set(nudged()) == {
        "payouts.drain",
        "webhooks.deliver",
        "disbursements.pay_batches",
    }
    assert set(nudged()) <= set(current_app.tasks)


@pytest.mark.parametrize(
    "entry", settings.CELERY_BEAT_SCHEDULE.values(), ids=lambda e: e["task"]
)
def test_every_schedule_names_a_task(entry):
    current_app.loader.import_default_modules()

    assert entry["task"] in current_app.tasks


@pytest.mark.parametrize("name", settings.PAYOUT_DOORS)
def test_every_door_knows_its_name(name):
    assert door_named(name).name == name


@pytest.mark.parametrize("name", settings.PAYOUT_RAILS)
def test_every_rail_knows_its_name_and_its_three_verbs(name):
    rail = rail_named(name)

    assert rail.name == name
    assert all(callable(getattr(rail, verb)) for verb in ("prepare", "submit", "look_up"))


def test_invariants_have_names_of_their_own():
    listed = [one for path in settings.LEDGER_INVARIANTS for one in import_string(path)]

    assert all(isinstance(one, Invariant) for one in listed)
    assert len({one.name for one in listed}) == len(listed) == 30


def test_what_every_process_loads_leaves_out_what_only_a_few_need():
    """Ten to forty megabytes each, in a web process or a worker that may never use them."""
    program = (
        "import sys, zopay_site.wsgi; from django.urls import get_resolver;"
        " get_resolver().url_patterns; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert {"django", "engine.rails.addresses", "tracking.devnet"} <= set(loaded)
    assert not {"eth_utils", "web3", "pydantic", "phonenumbers", "schwifty", "lxml"} & set(
        loaded
    )
