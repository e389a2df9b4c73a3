"""What a run comes to: medians, ratios, goals, the table and the picture."""

import json
import os
import xml.etree.ElementTree as ET
from time import thread_time

import pytest

from bench import machine, picture, report
from bench.cpu import Meter
from bench.goals import GROWTH, judge
from bench.load import Driven
from bench.samples import Row, Sample, measure

ABOUT = {
    "date": "2026-01-31 12:00Z",
    "commit": "0123456789ab",
    "is_quick": False,
    "machine": {
        "processor": "A processor",
        "cores": 2,
        "memory_gib": 24,
        "python": "3.11.7",
        "load_before": 0.1,
        "postgres": {"server_version": "18.6", "fsync": "on", "synchronous_commit": "on"},
    },
}


def sample(rate, *, p99=5.0, cpu=None, failures=None):
    return Sample(rate, 1.0, p99, cpu or {"postgres": 100.0, "web": 200.0}, 10, failures or {})


def row(name, *rates, of="L", **options):
    return Row(name, of, [sample(rate, **options) for rate in rates])


def rows_of(*rows):
    return {one.name: one for one in rows}


def test_a_row_is_its_middle_round_and_says_how_far_they_lay_apart():
    told = row("L", 900, 1000, 1400).as_json()

    assert told["per_second"] == 1000
    assert told["spread"] == [900, 1400]
    assert told["cpu_microseconds"] == {"postgres": 100, "web": 200}


def test_a_row_with_a_failure_has_no_rate():
    failed = row("L", 1000, failures={"HTTP/1.1 503 Busy": 1})

    assert failed.per_second == 0
    assert dict(failed.failures) == {"HTTP/1.1 503 Busy": 1}


def test_goals_are_met_missed_or_not_measured():
    rows = rows_of(
        row("L", 1000),
        row("POST /payouts", 260, p99=24),
        row("POST /payouts/batch", 2000),
        row("end to end", 210, p99=60),
        row(GROWTH.format("10,000"), 900, cpu={"postgres": 100.0}),
        row(GROWTH.format("1,000,000"), 800, cpu={"postgres": 119.0}),
    )
    judged = {goal.name: goal.is_met for goal in judge(rows)}

    assert judged == {
        "POST /payouts / L": True,
        "POST /payouts/batch / L": False,
        "end to end / L": True,
        "lag p99, end to end, paced": None,
        "lag p99, end to end": False,
        "POST /payouts p99": True,
        "webhook deliveries": None,
        "PostgreSQL CPU of an execute, aged / young": True,
        "POST /payouts / django-hordak behind DRF": None,
        "POST /payouts / localstripe": None,
    }


def test_the_table_names_every_row_its_limit_and_the_machine():
    rows = rows_of(row("L", 1000), row("POST /payouts", 250), row("GET /t/{token}", 90, of=""))
    told = report.tell(rows, ABOUT)
    lines = report.table(told).splitlines()

    assert "250" in lines[3]
    assert "0.25 L" in lines[3]
    assert lines[-1].startswith("0123456789ab · A processor, 2 cores, 24 GiB")
    assert len({len(line) for line in lines[:5]}) == 1


def test_the_figures_are_kept_as_json_without_names_of_machines_and_paths(tmp_path):
    told = report.tell(rows_of(row("L", 1000)), ABOUT)
    kept = report.keep(told, tmp_path / "figures.json").read_text()

    assert json.loads(kept) == json.loads(json.dumps(told))
    assert os.uname().nodename not in kept
    assert str(tmp_path) not in kept


def test_the_page_gets_new_figures_between_its_marks_and_keeps_the_rest(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"# Before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    told = report.tell(rows_of(row("L", 1000), row("POST /payouts", 250)), ABOUT)
    report.write_page(told, page)
    once = page.read_text()
    report.write_page(told, page)

    assert page.read_text() == once
    assert once.startswith(f"# Before\n{report.BEGIN}\n|  | a second |")
    assert "| POST /payouts | 250 |" in once
    assert "old" not in once
    assert once.endswith(f"{report.END}\nafter\n")


def test_the_same_figures_draw_the_same_picture(tmp_path):
    told = report.tell(rows_of(row("L", 1000), row("POST /payouts", 250)), ABOUT)
    first = picture.draw(told, tmp_path / "1.svg").read_text()

    assert picture.draw(told, tmp_path / "2.svg").read_text() == first
    texts = [element.text for element in ET.fromstring(first).iter() if element.text]  # noqa: S314 - our own
    assert {"1,000", "250", "POST /payouts"} <= {text.strip() for text in texts}
    assert "<script" not in first


def test_a_meter_sees_what_a_program_used():
    meter, began = Meter(python=os.getpid()), thread_time()
    while thread_time() - began < 0.1:
        pass

    assert meter.spent()["python"] == pytest.approx(0.1, abs=0.05)


def test_a_measurement_counts_operations_not_calls():
    driven = Driven(seconds=2.0)
    driven.latencies.extend([0.01] * 4)

    assert measure(lambda: driven, each=100, python=os.getpid()).per_second == 200


def test_the_commit_is_named():
    assert len(machine.commit().removesuffix("+")) in {0, 12}
