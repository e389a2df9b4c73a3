"""A house of the release before: its batches were begun before anything was set aside."""

from contextlib import contextmanager

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from disbursements import batches
from disbursements.models import Batch, BatchRow, PayoutFile
from disbursements.rest import give_up
from engine.common.ids import parse_public_id
from engine.ledger.checks import check, listed_invariants
from engine.ledger.models import Account
from engine.payouts import fence
from engine.payouts.models import Freeze, Payout
from engine.payouts.models.floats import FloatReserve
from tests.disbursements.merchant import csv_of

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = [
    ("disbursements", "0001_signing_and_batches"),
    ("payouts", "0012_a_quote_keeps_to_its_door"),
]
# A row of 100 francs, with its fees.
COST = 102


@contextmanager
def the_release_before():
    """The tables as they were, and models for them; afterwards, those of today again."""
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    executor.migrate(BEFORE)
    try:
        yield MigrationExecutor(connection).loader.project_state(BEFORE).apps
    finally:
        MigrationExecutor(connection).migrate(leaves)


@pytest.fixture
def upgraded(merchant, acme):
    """Upgrades a house with a batch that has one row paid, one refused, and some to come."""

    def run(rows=4, *, is_over=False):
        file_id = parse_public_id("file", merchant.upload(csv_of(rows)).json()["file_id"])
        paid = merchant.pay(msisdn="+237670000000", amount="100")
        with the_release_before() as old:
            batch = old.get_model("disbursements", "Batch").objects.create(
                partner_id=acme.pk,
                file_id=file_id,
                key="b-1",
                total_payouts=rows,
                made_payouts=2,
                status="COMPLETED" if is_over else "PROCESSING",
            )
            row = old.get_model("disbursements", "BatchRow").objects
            row.create(batch=batch, line=2, payout_id=parse_public_id("pay", paid["payout_id"]))
            row.create(batch=batch, line=3, error="Payouts to it are not allowed.")
        return Batch.objects.get()

    return run


def rows():
    return list(
        BatchRow.objects.order_by("line").values_list(
            "line", "currency", "units", "is_from_reserve"
        )
    )


def findings():
    found = check(listed_invariants()).findings
    return [(one.invariant.name, one.rows) for one in found if not one.clean]


def told(merchant):
    return merchant.get(f"/bulk/{Batch.objects.get().public_id}").json()


OLD_ROWS = [(2, "XAF", COST, False), (3, "XAF", 0, False)]


def test_old_rows_say_what_they_took_and_page_nobody(upgraded):
    upgraded(2, is_over=True)

    assert rows() == OLD_ROWS
    assert findings() == []


def test_what_is_left_is_set_aside_and_paid_to_the_end(upgraded, left, monkeypatch):
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 1)
    batch = upgraded()
    assert findings() == []

    assert batches._pay_some(batch.pk) == 1
    reserve = FloatReserve.objects.get()
    assert (reserve.units, reserve.rows) == (2 * COST, 4)
    assert Account.objects.get(pk=reserve.account_id).balance == COST
    assert left() == 100_000 - 3 * COST
    assert findings() == []
    assert batches.pay_batches() == 1

    batch.refresh_from_db()
    assert (batch.status, batch.made_payouts, batch.waits_for) == ("COMPLETED", 4, "")
    assert rows() == [*OLD_ROWS, (4, "XAF", COST, True), (5, "XAF", COST, True)]
    destinations = Payout.objects.values_list("destination", flat=True)
    assert sorted(destinations) == ["+237670000000", "+237670000002", "+237670000003"]
    assert left() == 100_000 - 3 * COST
    assert findings() == []


@pytest.fixture
def short(upgraded, merchant, left):
    """The rest of the batch needs 204 francs, and the float has 98."""
    batch = upgraded()
    merchant.pay(amount="99303")
    assert left() == 98
    assert [batches.pay_batches(), batches.pay_batches()] == [0, 0]
    return batch


def test_where_the_float_is_too_short_it_says_so_and_goes_on_when_it_is_not(
    short, merchant, acme, give, left, admin_client
):
    why = (
        "The float has 98.00 XAF, and the rest of this batch needs 204.00."
        " It goes on by itself when the float covers it."
    )
    seen = told(merchant)
    assert (seen["status"], seen["made_payouts"]) == ("PROCESSING", 2)
    assert seen["waiting_for"] == why
    for page in (f"{short.pk}/change/", ""):
        assert why in admin_client.get(f"/admin/disbursements/batch/{page}").text
    assert (left(), FloatReserve.objects.count()) == (98, 0)
    assert findings() == []

    give(acme, units=204 - 98, reference="bank-2")
    assert batches.pay_batches() == 2

    assert (told(merchant)["status"], told(merchant)["waiting_for"]) == ("COMPLETED", None)
    assert (left(), findings()) == (0, [])


def test_what_nothing_was_set_aside_for_may_be_given_up(short, merchant, left):
    assert give_up(batch_id=short.pk, reason="Nobody tops it up.") == 2

    assert (told(merchant)["status"], told(merchant)["waiting_for"]) == ("COMPLETED", None)
    assert [row["message"] for row in told(merchant)["errors"]] == [
        "Payouts to it are not allowed.", "Nobody tops it up.", "Nobody tops it up.",
    ]  # fmt: skip
    assert (left(), findings(), batches.pay_batches()) == (98, [], 0)


def test_a_row_that_may_be_paid_already_is_not_paid_again(upgraded, merchant, left):
    """After a restore a journal brings its payout back, by an id that says nothing of it."""
    upgraded()
    merchant.pay(msisdn="+237670000003", amount="100")

    assert batches.pay_batches() == 0

    assert told(merchant)["waiting_for"] == (
        "Rows of it may have been paid already. We are looking at them; nothing is sent."
    )
    assert Payout.objects.count() == 2
    assert left() == 100_000 - 2 * COST
    assert findings() == []


@pytest.mark.parametrize("amount", ["101", "99"])
def test_another_payout_to_the_same_number_stops_nothing(upgraded, merchant, amount):
    upgraded()
    merchant.pay(msisdn="+237670000003", amount=amount)

    assert batches.pay_batches() == 2


def test_nothing_is_set_aside_while_the_house_may_have_forgotten_payouts(
    upgraded, merchant, left
):
    upgraded()
    fence.put_up("a test")

    assert batches.pay_batches() == 0

    assert "paused" in told(merchant)["waiting_for"]
    assert (FloatReserve.objects.count(), left()) == (0, 100_000 - COST)


def test_while_frozen_it_says_why_it_waits_and_keeps_what_it_set_aside(
    upgraded, merchant, left
):
    upgraded()
    freeze = Freeze.objects.create(network="mtn_momo", reason="a test")
    assert batches.pay_batches() == 0

    assert "paused" in told(merchant)["waiting_for"]
    assert left() == 100_000 - 3 * COST
    freeze.delete()
    assert batches.pay_batches() == 2
    assert told(merchant)["waiting_for"] is None


def test_a_batch_that_breaks_says_so(upgraded, merchant):
    upgraded()
    whole = PayoutFile.objects.get().rows
    PayoutFile.objects.update(rows=[{"line": 2}] * 4)
    assert batches.pay_batches() == 0

    assert told(merchant)["waiting_for"] == (
        "Something of ours breaks at this batch. It is tried again; nothing is sent meanwhile."
    )
    PayoutFile.objects.update(rows=whole)
    assert batches.pay_batches() == 2
    assert told(merchant)["waiting_for"] is None
