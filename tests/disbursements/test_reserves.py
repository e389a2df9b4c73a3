"""What a batch costs is set aside when it is accepted: nobody else spends it meanwhile."""

import pytest
from django.db import connection, transaction

from disbursements import batches
from disbursements.invariants import INVARIANTS
from disbursements.models import Batch, BatchRow
from engine.ledger.checks import check, listed_invariants
from engine.ledger.models import Account
from engine.payouts.floats import credit_float, read_float
from engine.payouts.models import BlockedDestination, GatewayFee, Limit, Payout
from engine.payouts.models.floats import FloatReserve
from tests.cast import footprint
from tests.disbursements.merchant import Merchant, csv_of
from tests.meeting import Session, wait_until_so_many_wait_for_me

# Six rows of 10,000 francs, each with 50 of fees.
ROWS, COST = 6, 10_050


@pytest.fixture(autouse=True)
def books_are_clean_afterwards(db, request):
    yield
    if request.function is not test_an_invariant_that_is_broken_is_told:
        assert check(listed_invariants()).clean


@pytest.fixture
def begin(merchant):
    def run(text, key="b-1"):
        file_id = merchant.upload(text).json()["file_id"]
        return merchant.post("/bulk", {"file_id": file_id, "idempotency_key": key})

    return run


@pytest.fixture
def begun(begin):
    answer = begin(csv_of(ROWS, amount=10_000))
    assert answer.status_code == 201
    return Batch.objects.get()


def reserved():
    """What batches have set aside, by currency."""
    ids = FloatReserve.objects.values("account_id")
    return {one.asset: int(one.balance) for one in Account.objects.filter(id__in=ids)}


def test_an_accepted_batch_has_left_the_float_before_a_row_is_paid(begun, left, live_api):
    assert reserved() == {"XAF": ROWS * COST}
    assert left() == 100_000 - ROWS * COST
    [line] = [
        line
        for line in live_api.get("/balances").json()["balances"]
        if line["network"] == "float"
    ]
    assert (line["amount"], line["held"]) == (str(100_000 - ROWS * COST), str(ROWS * COST))


def test_nobody_spends_what_a_batch_needs(begun, merchant, left, finish):
    quote = merchant.quote(amount="39651")
    answer = merchant.execute(quote["quote_id"])

    assert (answer.status_code, answer.json()["missing"]) == (402, "150.00")
    assert Payout.objects.count() == 0
    merchant.pay(amount="39500")
    assert left() == 100_000 - ROWS * COST - 39_698
    assert batches.pay_batches() == ROWS
    finish()
    assert reserved() == {"XAF": 0}
    assert set(Payout.objects.values_list("status", flat=True)) == {"delivered"}
    assert Payout.objects.count() == ROWS + 1
    assert left() == 100_000 - ROWS * COST - 39_698


def test_the_fees_are_those_of_the_beginning(begun, left):
    GatewayFee.objects.filter(gateway="mtn_momo").update(gateway_units=1000)

    assert batches.pay_batches() == ROWS

    assert left() == 100_000 - ROWS * COST
    assert reserved() == {"XAF": 0}
    assert set(Payout.objects.values_list("units_sent", flat=True)) == {COST}


def test_a_refused_row_gives_its_money_back_before_the_others_are_paid(
    begun, left, monkeypatch
):
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    BlockedDestination.objects.create(destination="+237670000000", reason="a test")

    assert batches._pay_some(begun.pk) == 2

    assert left() == 100_000 - (ROWS - 1) * COST
    assert reserved() == {"XAF": (ROWS - 2) * COST}
    row = BatchRow.objects.get(line=2)
    assert (row.payout_id, row.units, row.currency) == (None, COST, "XAF")


def test_a_failed_payout_of_a_batch_gives_back_to_the_float(begin, left, finish):
    begin(csv_of(1, amount=10_000, first=670_006_089))
    batches.pay_batches()
    finish()

    assert Payout.objects.get().status == "failed"
    assert left() == 100_000
    assert reserved() == {"XAF": 0}


def test_while_frozen_everything_stays_set_aside_and_no_quote_is_left(begun, left):
    from engine.payouts.models import Freeze, Quote

    Freeze.objects.create(network="mtn_momo", reason="a test")
    before = footprint()

    assert batches.pay_batches() == 0

    assert footprint() == before
    assert reserved() == {"XAF": ROWS * COST}
    assert Quote.objects.count() == 0


MIXED = """phone,amount,gateway,reference
+237670000000,10000,MTN_MOMO,a
+2250505050505,10000,MTN_MOMO,b
"""


def test_each_currency_is_set_aside_or_none_is(begin, acme, left):
    before = footprint()
    answer = begin(MIXED)

    assert answer.status_code == 402
    assert (answer.json()["currency"], answer.json()["missing"]) == ("XOF", "10050.00")
    assert footprint()["ledger_movement"] == before["ledger_movement"]
    assert (left(), reserved(), Batch.objects.count()) == (100_000, {}, 0)

    credit_float(
        partner_id=acme.pk, livemode=True, currency="XOF", units=10_050, reference="x",
        reason="a test", by="tests",
    )  # fmt: skip
    assert begin(MIXED, key="b-2").status_code == 201
    assert reserved() == {"XAF": COST, "XOF": COST}
    assert batches.pay_batches() == 2
    assert read_float(partner_id=acme.pk, livemode=True, currency="XOF").units == 0
    assert reserved() == {"XAF": 0, "XOF": 0}


def test_a_file_that_nothing_of_ours_could_pay_is_not_begun(begin, settings):
    settings.PAYOUT_RAIL = ""
    before = footprint()

    answer = begin(csv_of(2))

    assert (answer.status_code, answer.json()["code"]) == (422, "ROUTE_UNAVAILABLE")
    assert footprint() == before
    assert Batch.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_turn_and_a_single_payout_that_meet_do_not_lock_each_other_out(
    begun, merchant, acme, left
):
    """With a limit for the day each takes two locks, and must take them in one order."""
    Limit.objects.create(partner=acme, payout_usd_micros_max=10**12, day_usd_micros_max=10**12)
    quote = merchant.quote(amount="1000")
    one = Merchant(merchant.key, merchant.secret)
    with transaction.atomic():
        list(Account.objects.select_for_update())
        turn = Session(lambda: batches._pay_some(begun.pk))
        wait_until_so_many_wait_for_me(1)
        single = Session(lambda: one.execute(quote["quote_id"]))
        wait_until_so_many_wait_for_me(2)

    assert turn.wait() == ROWS
    assert single.wait().status_code == 200
    assert Payout.objects.count() == ROWS + 1


@pytest.mark.django_db(transaction=True)
def test_a_batch_and_a_single_payout_do_not_both_get_the_last_of_the_float(merchant, left):
    file_id = merchant.upload(csv_of(9, amount=10_000)).json()["file_id"]
    quote = merchant.quote(amount="10000")
    hands = [Merchant(merchant.key, merchant.secret) for _ in range(2)]
    with transaction.atomic():
        list(Account.objects.select_for_update())
        sessions = [
            Session(
                lambda: hands[0].post("/bulk", {"file_id": file_id, "idempotency_key": "b"})
            ),
            Session(lambda: hands[1].execute(quote["quote_id"])),
        ]
        wait_until_so_many_wait_for_me(2)

    statuses = [session.wait().status_code for session in sessions]
    assert statuses in ([201, 402], [402, 200])
    assert left() == (100_000 - 9 * COST if statuses[0] == 201 else 100_000 - COST)
    assert reserved() == ({"XAF": 9 * COST} if statuses[0] == 201 else {})


BREAKS = {
    "batches_hold_what_their_rows_still_need": "UPDATE disbursements_batchrow SET units = 1",
    "finished_batches_hold_nothing": """
        UPDATE disbursements_batch SET status = 'FAILED'
    """,
    "rows_of_batches_are_paid_once": """
        UPDATE disbursements_batchrow SET payout_id = (
            SELECT payout_id FROM disbursements_batchrow LIMIT 1)
    """,
    "batches_note_every_row": "UPDATE disbursements_batch SET made_payouts = 1",
}


@pytest.mark.parametrize("name", BREAKS)
def test_an_invariant_that_is_broken_is_told(name, begun, monkeypatch):
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    batches._pay_some(begun.pk)
    assert check(INVARIANTS).clean

    with connection.cursor() as cursor:
        cursor.execute(BREAKS[name])

    assert name in {
        finding.invariant.name for finding in check(INVARIANTS).findings if not finding.clean
    }


def test_every_invariant_is_broken_above():
    assert list(BREAKS) == [invariant.name for invariant in INVARIANTS]
