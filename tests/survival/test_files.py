"""A file is paid while its workers die of kill -9: every row once, counted from outside.

The full size is SURVIVAL_ROWS=10000; the tests pay a few hundred.
"""

import http.client
import json
import os
from collections import Counter
from contextlib import closing
from random import Random
from secrets import randbelow
from time import monotonic

import pytest

from tests.disbursements.merchant import BASE, Merchant, csv_of, multipart

pytestmark = [pytest.mark.survival, pytest.mark.timeout(900, func_only=True)]

ROWS = int(os.environ.get("SURVIVAL_ROWS") or 300)
KILLS = 6
AMOUNT, COST = 100, 102
FIRST = 670_000_000
# What the simulated outside does by a number's end is another story.
TELLING = ("6089", "6119", "6129")
MADE = "SELECT made_payouts, total_payouts, status FROM disbursements_batch WHERE id = %s"
UNFINISHED = """
SELECT count(*) FROM disbursements_batchrow r JOIN payouts_payout p ON p.id = r.payout_id
WHERE r.batch_id = %s AND p.finished_at IS NULL
"""
ARRIVED = """
SELECT t.destination, count(*), min(t.units), max(t.units)
FROM rails_simulatedtransfer t JOIN disbursements_batchrow r ON r.payout_id = t.payout_id::uuid
WHERE r.batch_id = %s AND t.fails_at IS NULL GROUP BY t.destination
"""
FLOAT = """
SELECT code LIKE '%%:float:available', balance::bigint FROM ledger_account
WHERE asset = 'XAF' AND code LIKE 'partner:%%'
"""


@pytest.fixture
def merchant(house):
    return Caller(house.port, Merchant(**house.keys["signing"]))


class Caller:
    """Signed calls over HTTP; each must be answered well."""

    def __init__(self, port, merchant):
        self.port, self.merchant = port, merchant

    def __call__(self, method, path, body=b"", kind="application/json"):
        headers = self.merchant.signed(method, path, "", body) | {"Content-Type": kind}
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with closing(line):
            line.request(method, path, body, headers)
            with line.getresponse() as answer:
                told = answer.read()
                assert answer.status in {200, 201}, told
                return json.loads(told)

    def begin(self, text, key):
        body, kind = multipart(text.encode(), "pay.csv")
        file_id = self("POST", "/files/v1/payout-csv", body, kind)["file_id"]
        asked = json.dumps({"file_id": file_id, "idempotency_key": key}).encode()
        return self("POST", f"{BASE}/bulk", asked)["batch_id"]


def file_of(rows, first):
    """`rows` rows with numbers of their own, none of which means something else."""
    lines = csv_of(rows + rows // 1000 + 4, amount=AMOUNT, first=first).splitlines()
    good = [line for line in lines[1:] if line.split(",")[0][-4:] not in TELLING]
    return "\n".join([lines[0], *good[:rows]])


def left(house):
    """What the float may spend, and what payouts and batches hold of it."""
    rows = house.ask(FLOAT)
    return (
        sum(units for is_free, units in rows if is_free),
        sum(units for is_free, units in rows if not is_free),
    )


def test_a_file_whose_workers_are_killed_in_the_middle_pays_every_row_once(house, merchant):
    seed = int(os.environ.get("SURVIVAL_SEED") or randbelow(10**6))
    print(f"SURVIVAL_SEED={seed}")
    dice, before = Random(seed), left(house)
    house.change("UPDATE rails_simulatedfault SET remaining = 0")
    began = monotonic()
    batch_id = merchant.begin(file_of(ROWS, FIRST), f"killed {seed}")
    accepted = monotonic() - began
    key = batch_id.removeprefix("batch_")
    assert sum(left(house)) == sum(before)
    with house.working(size=2, changes=["changes.names_nobody_can_guess"]) as workers:
        for number in range(KILLS):
            # Spread over all the rows, and the last one over their way to the recipients.
            enough = ROWS * number // KILLS
            house.wait(
                lambda enough=enough: house.ask(MADE, [key])[0][0] >= enough,
                seconds=300,
                what=f"{enough} rows",
            )
            victim = dice.choice(workers)
            victim.kill() if dice.random() < 0.5 else victim.kill_children()
        made = monotonic() - began
        house.wait(
            lambda: house.ask(MADE, [key])[0][2] == "COMPLETED", seconds=300, what="the batch"
        )
        made = monotonic() - began
        house.wait(
            lambda: house.ask(UNFINISHED, [key])[0][0] == 0, seconds=600, what="the payouts"
        )
        paid = monotonic() - began

    arrived = house.ask(ARRIVED, [key])
    print(
        f"{ROWS} rows: accepted after {accepted:.1f} s, payouts after {made:.1f} s,"
        f" paid after {paid:.1f} s, {KILLS} kills; arrived {len(arrived)},"
        f" twice {sum(1 for row in arrived if row[1] > 1)}"
    )
    assert Counter(tuple(row[1:]) for row in arrived) == {(1, AMOUNT, AMOUNT): ROWS}
    assert merchant("GET", f"{BASE}/bulk/{batch_id}") | {"created_at": ""} == {
        "batch_id": batch_id,
        "total_payouts": ROWS,
        "made_payouts": ROWS,
        "status": "COMPLETED",
        "waiting_for": None,
        "errors": [],
        "created_at": "",
    }
    assert left(house) == (before[0] - ROWS * COST, before[1])


@pytest.mark.parametrize(("moment", "what"), [("before", "child"), ("after", "worker")])
def test_a_worker_killed_at_a_turn_pays_its_rows_once(house, merchant, moment, what):
    before, rows = left(house), 120
    first = FIRST + (1_000_000 if moment == "before" else 2_000_000)
    house.arm("pay_rows", moment, what)
    with house.working(changes=["changes.names_nobody_can_guess", "kill_points.install"]):
        key = merchant.begin(file_of(rows, first), moment).removeprefix("batch_")
        house.wait(
            lambda: (
                house.ask(MADE, [key])[0][2] == "COMPLETED"
                and house.ask(UNFINISHED, [key])[0][0] == 0
            ),
            seconds=60,
            what="the batch",
        )
        assert house.still_armed() == []

    assert {tuple(row[1:]) for row in house.ask(ARRIVED, [key])} == {(1, AMOUNT, AMOUNT)}
    assert len(house.ask(ARRIVED, [key])) == rows
    assert left(house) == (before[0] - rows * COST, before[1])
