"""check_ledger, as an operator and as beat run it."""

import json
from datetime import datetime
from io import StringIO

import pytest
from django.core.management import call_command
from structlog.testing import capture_logs

from engine.ledger.checks import ROWS_MAX, check
from engine.ledger.invariants import INVARIANTS, Invariant
from engine.ledger.tasks import check as check_task
from engine.ledger.tasks import roll_up as roll_up_task


@pytest.fixture(autouse=True)
def only_the_ledger_s_own(settings):
    settings.LEDGER_INVARIANTS = ["engine.ledger.invariants.INVARIANTS"]


@pytest.fixture
def run(db):
    def call(*arguments):
        out, status = StringIO(), 0
        try:
            call_command("check_ledger", *arguments, stdout=out, no_color=True)
        except SystemExit as end:
            status = end.code
        return status, out.getvalue()

    return call


@pytest.fixture
def broken(available, sql):
    sql("UPDATE ledger_account SET balance = 1001 WHERE id = %s", available)


def test_clean_books_are_one_line_an_invariant_and_status_0(available, run):
    status, said = run()

    assert status == 0
    assert said.splitlines() == [f"ok      {each.name}: {each.says}" for each in INVARIANTS]


def test_broken_books_are_named_and_status_1(broken, run):
    status, said = run()

    assert status == 1
    assert said.splitlines()[:2] == [
        "BROKEN  balances_sum_to_zero: In each asset and mode, all balances together are zero.",
        '        {"asset": "USDT", "livemode": true, "sum": "1"}',
    ]


def test_the_same_in_json(broken, run):
    status, said = run("--json")

    report = json.loads(said)
    assert status == 1
    assert report["clean"] is False
    assert datetime.fromisoformat(report["checked_at"]).tzinfo is not None
    assert [each["name"] for each in report["invariants"]] == [i.name for i in INVARIANTS]
    assert report["invariants"][0] == {
        "name": "balances_sum_to_zero",
        "clean": False,
        "rows": [{"asset": "USDT", "livemode": True, "sum": "1"}],
    }
    assert report["invariants"][3] == {
        "name": "no_account_is_overdrawn",
        "clean": True,
        "rows": [],
    }


def test_clean_json_is_status_0(available, run):
    status, said = run("--json")

    assert (status, json.loads(said)["clean"]) == (0, True)


def test_the_list_in_settings_decides(available, run, settings):
    settings.LEDGER_INVARIANTS = ["engine.ledger.invariants.INVARIANTS"] * 2

    assert len(run()[1].splitlines()) == 2 * len(INVARIANTS)


@pytest.mark.django_db(transaction=True)
def test_one_snapshot_serves_all_and_writes_nothing(available, other):
    isolation = Invariant(
        name="isolation",
        says="",
        sql="SELECT current_setting('transaction_isolation') AS level,"
        " current_setting('transaction_read_only') AS read_only,"
        " pg_current_snapshot()::text AS snapshot",
    )

    report = check([isolation, *INVARIANTS, isolation])

    first, last = report.findings[0].rows, report.findings[-1].rows
    assert first == last
    assert (first[0]["level"], first[0]["read_only"]) == ("repeatable read", "on")


def test_endless_trouble_is_told_briefly(db):
    many = Invariant("many", "", "SELECT n FROM generate_series(1, 1000000) n")

    assert len(check([many]).findings[0].rows) == ROWS_MAX


def test_the_task_logs_what_is_broken_and_does_not_raise(broken):
    with capture_logs() as lines:
        check_task()

    assert [(line["event"], line["log_level"], line["invariant"]) for line in lines] == [
        ("ledger_broken", "error", "balances_sum_to_zero"),
        ("ledger_broken", "error", "balance_equals_its_movements"),
    ]
    assert lines[0]["rows"] == [{"asset": "USDT", "livemode": True, "sum": "1"}]


def test_the_task_is_silent_about_clean_books(available):
    with capture_logs() as lines:
        check_task()

    assert lines == []


def test_the_roll_up_task_rolls_up(available, custody, sql):
    roll_up_task()

    assert sql("SELECT balance FROM ledger_account WHERE id = %s", custody) == [(-1_000,)]


def test_tasks_are_named_as_beat_names_them():
    assert (check_task.name, roll_up_task.name) == ("ledger.check", "ledger.roll_up")
