"""Files and what becomes of them: checked whole, paid row by row, each row once."""

import time

import pytest
from django.db import OperationalError, connection, transaction

from disbursements import batches
from disbursements.models import Batch, BatchRow, BatchStatus, PayoutFile
from engine.ledger.models import Account
from engine.payouts.models import Freeze, Payout
from tests.cast import footprint
from tests.disbursements.merchant import csv_of, multipart
from tests.meeting import Session, wait_until_somebody_waits_for_me

HEADER = "phone,amount,gateway,reference"
GOOD = "+237670000000,100,MTN_MOMO,r-0"


def begin(merchant, file_id, key="b-1"):
    return merchant.post("/bulk", {"file_id": file_id, "idempotency_key": key})


def upload(merchant, rows=3, **options):
    answer = merchant.upload(csv_of(rows, **options))
    assert answer.status_code == 201, answer.content
    return answer.json()["file_id"]


@pytest.mark.parametrize(
    "base", ["/files/v1/payout-csv", "/api/v1/disbursements/files/v1/payout-csv"]
)
def test_a_file_is_kept_and_nothing_moves(merchant, base):
    before = footprint()
    answer = merchant.upload(csv_of(3), name="october.csv", base=base)

    assert answer.status_code == 201
    told = answer.json()
    assert list(told) == ["file_id", "filename", "row_count", "uploaded_at"]
    assert (told["filename"], told["row_count"]) == ("october.csv", 3)
    assert footprint() == before


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ([GOOD, "+237670000001,0,MTN_MOMO,x"], 3, "more than zero"),
        ([GOOD, "+237670000001,10.5,MTN_MOMO,x"], 3, "decimals"),
        ([GOOD, "+237670000001,１,MTN_MOMO,x"], 3, "decimal string"),
        ([GOOD, "670000001,100,MTN_MOMO,x"], 3, "+ and digits"),
        ([GOOD, "+2376700,100,MTN_MOMO,x"], 3, "too long or short"),
        ([GOOD, "+14155550100,100,MTN_MOMO,x"], 3, "not paid"),
        ([GOOD, "+237670000001,100,WAVE,x"], 3, "MTN_MOMO, ORANGE_MONEY"),
        ([GOOD, "+237670000001,100,mtn_momo,x"], 3, "MTN_MOMO, ORANGE_MONEY"),
        ([GOOD, "+237670000001,100,MTN_MOMO"], 3, "3 cells, not 4"),
        ([GOOD, "+237670000001,100,MTN_MOMO,x,y"], 3, "5 cells, not 4"),
        ([GOOD, "", '"+237670000001",100,MTN_MOMO,"a\x00b"'], 4, "printable"),
        ([GOOD, f"+237670000001,100,MTN_MOMO,{'x' * 101}"], 3, "100 characters"),
        ([GOOD, GOOD], 3, "Line 2 pays this number"),
    ],
)  # fmt: skip
def test_a_bad_row_is_told_by_its_line_and_nothing_is_kept(merchant, rows, line, words):
    answer = merchant.upload("\n".join([HEADER, *rows]))

    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
    (error,) = answer.json()["errors"]
    assert error["line"] == line
    assert words in error["message"]
    assert PayoutFile.objects.count() == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        HEADER.upper() + "\n" + GOOD,
        GOOD,
        f'{HEADER}\n"unclosed,100,MTN_MOMO,x',
        b"\xff\xfe" + HEADER.encode(),
        b"\xed\xa0\x80",
        "\x00" * 100,
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(merchant, text):
    answer = merchant.upload(text)

    assert answer.status_code == 400, answer.content
    assert PayoutFile.objects.count() == 0


def test_a_file_from_a_spreadsheet_is_read(merchant):
    text = "\ufeff" + f"{HEADER}\r\n{GOOD}\r\n\r\n+24106030303,5,ORANGE_MONEY,\r\n"

    assert merchant.upload(text).json()["row_count"] == 2


def test_the_part_must_be_called_file_and_be_a_form(merchant):
    body, kind = multipart(csv_of(1).encode(), "x.csv", part="other")
    for raw, told in ((body, kind), (csv_of(1).encode(), "text/csv"), (b"", kind)):
        answer = merchant.post("", raw=raw, base="/files/v1/payout-csv", kind=told)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_INPUT")


def test_ten_thousand_rows_are_taken_in_seconds_and_one_more_is_not(merchant, give, acme):
    give(acme, units=10**7, reference="bank-2")
    began = time.process_time()
    file_id = upload(merchant, 10_000)
    answer = begin(merchant, file_id)

    assert (answer.status_code, answer.json()["total_payouts"]) == (201, 10_000)
    # Of this process alone, since others may have the machine.
    assert time.process_time() - began < 10
    refused = merchant.upload(csv_of(10_001))
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "A file may have at most 10,000 rows.",
    )


def test_a_file_of_ten_megabytes_is_too_large(merchant):
    answer = merchant.upload(b"x" * (10 * 1024 * 1024 + 1))
    larger = merchant.upload(b"x" * (11 * 1024 * 1024))

    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert (larger.status_code, larger.json()["error"]) == (413, "Content Too Large")


def test_a_batch_pays_each_row_once(merchant, left, finish):
    answer = begin(merchant, upload(merchant, 60))
    told = answer.json()
    assert answer.status_code == 201
    assert list(told) == ["batch_id", "total_payouts", "status", "created_at"]
    assert (told["total_payouts"], told["status"]) == (60, "PROCESSING")

    assert batches.pay_batches() == 60
    assert batches.pay_batches() == 0

    assert left() == 100_000 - 60 * 102
    assert Payout.objects.values("destination").distinct().count() == 60
    seen = merchant.get(f"/bulk/{told['batch_id']}").json()
    assert (seen["status"], seen["made_payouts"], seen["errors"]) == ("COMPLETED", 60, [])
    page = merchant.get("", batch_id=told["batch_id"], limit=100).json()
    assert (page["total"], len(page["payouts"])) == (60, 60)
    finish()
    assert merchant.get("", batch_id=told["batch_id"], status="SUCCESS").json()["total"] == 60


def test_the_same_call_again_gives_the_same_answer_before_and_after(merchant):
    file_id = upload(merchant)
    first = begin(merchant, file_id)
    again = begin(merchant, file_id)
    batches.pay_batches()

    assert first.content == again.content == begin(merchant, file_id).content
    assert Batch.objects.count() == 1
    assert Payout.objects.count() == 3


def test_another_key_or_another_file_is_a_conflict(merchant):
    first, second = upload(merchant), upload(merchant, first=671_000_000)
    begin(merchant, first)
    before = footprint()

    for answer in (begin(merchant, first, key="b-2"), begin(merchant, second, key="b-1")):
        assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert Batch.objects.count() == 1
    assert footprint() == before


def test_a_batch_larger_than_the_float_is_refused_whole(merchant, left):
    file_id = upload(merchant, 11, amount=10_000)
    before = footprint()

    answer = begin(merchant, file_id)

    assert (answer.status_code, answer.json()["code"]) == (402, "INSUFFICIENT_FLOAT")
    assert answer.json()["missing"] == "10550.00"
    assert batches.pay_batches() == 0
    assert Batch.objects.count() == 0
    assert footprint() == before


def test_a_batch_counts_on_nothing_that_another_one_needs(merchant):
    begin(merchant, upload(merchant, 6, amount=10_000))
    answer = begin(merchant, upload(merchant, 6, amount=10_000, first=671_000_000), key="b-2")

    assert (answer.status_code, answer.json()["missing"]) == (402, "20600.00")


def test_rows_that_can_no_longer_be_paid_are_told_and_the_others_go_on(merchant, left):
    from engine.payouts.models import BlockedDestination

    BlockedDestination.objects.create(destination="+237670000001", reason="a test")
    told = begin(merchant, upload(merchant)).json()
    batches.pay_batches()

    seen = merchant.get(f"/bulk/{told['batch_id']}").json()
    assert (seen["status"], seen["made_payouts"]) == ("COMPLETED", 3)
    assert [error["line"] for error in seen["errors"]] == [3]
    assert Payout.objects.count() == 2
    assert left() == 100_000 - 2 * 102


def test_a_batch_of_which_nothing_was_paid_has_failed(merchant, left):
    from engine.payouts.models import BlockedDestination

    BlockedDestination.objects.create(destination="+237670000000", reason="a test")
    told = begin(merchant, upload(merchant, 1)).json()
    batches.pay_batches()

    assert merchant.get(f"/bulk/{told['batch_id']}").json()["status"] == "FAILED"
    assert left() == 100_000


def test_while_frozen_a_batch_waits_and_goes_on_afterwards(merchant):
    begin(merchant, upload(merchant))
    freeze = Freeze.objects.create(network="mtn_momo", reason="a test")
    assert batches.pay_batches() == 0
    assert Batch.objects.get().status == BatchStatus.PROCESSING

    freeze.delete()
    assert batches.pay_batches() == 3


def test_a_batch_that_breaks_holds_up_no_other(merchant):
    begin(merchant, upload(merchant))
    begin(merchant, upload(merchant, first=671_000_000), key="b-2")
    PayoutFile.objects.filter(batch__key="b-1").update(rows=[{"line": 2}] * 3)

    assert batches.pay_batches() == 3
    assert {row.batch.key for row in BatchRow.objects.all()} == {"b-2"}


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(merchant, left, monkeypatch):
    """Its connection is cut while it waits for the float, after rows of a later turn."""
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 4)
    begin(merchant, upload(merchant, 10))
    assert batches._pay_some(Batch.objects.get().pk) == 4
    with transaction.atomic():
        list(Account.objects.select_for_update())
        worker = Session(lambda: batches._pay_some(Batch.objects.get().pk))
        wait_until_somebody_waits_for_me()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
        with pytest.raises(OperationalError):
            worker.wait()
    assert Payout.objects.count() == BatchRow.objects.count() == 4
    assert Batch.objects.get().made_payouts == 4

    assert batches.pay_batches() == 6

    assert Payout.objects.values("destination").distinct().count() == 10
    assert left() == 100_000 - 10 * 102
    assert Batch.objects.get().status == BatchStatus.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_a_second_worker_leaves_a_batch_to_the_first(merchant, left):
    begin(merchant, upload(merchant))
    with transaction.atomic():
        Batch.objects.select_for_update().get()
        assert Session(batches.pay_batches).wait() == 0

    assert batches.pay_batches() == 3


def test_another_s_file_and_batch_do_not_exist(merchant, stranger):
    file_id = upload(merchant)
    theirs = begin(stranger, file_id)
    missing = begin(stranger, f"file_{'0' * 32}")
    assert (theirs.status_code, theirs.content) == (404, missing.content)

    batch_id = begin(merchant, file_id).json()["batch_id"]
    batches.pay_batches()
    theirs = stranger.get(f"/bulk/{batch_id}")
    missing = stranger.get(f"/bulk/batch_{'0' * 32}")
    assert (theirs.status_code, theirs.content) == (404, missing.content)
    assert stranger.get("", batch_id=batch_id).json()["total"] == 0
    assert merchant.get("", batch_id=batch_id).json()["total"] == 3
