"""What an operator gives up of a batch: refused with her reason, and the float's again."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.messages import get_messages
from django.db import IntegrityError, OperationalError, connection, transaction

from disbursements import batches
from disbursements.models import Batch, BatchRow
from disbursements.rest import BatchIsOver, give_up
from engine.ledger.checks import check, listed_invariants
from engine.ledger.models import Account
from engine.payouts import fence
from engine.payouts.errors import PayoutsFrozen
from engine.payouts.models import Payout
from engine.payouts.models.floats import FloatReserve
from tests.cast import footprint
from tests.disbursements.merchant import csv_of
from tests.meeting import (
    Session,
    wait_until_so_many_wait_for_me,
    wait_until_somebody_waits_for_me,
)

BATCHES = "/admin/disbursements/batch/"
# Six rows of 10,000 francs, each with 50 of fees.
ROWS, COST = 6, 10_050
WHY = {"reason": "The merchant has asked for it."}


@pytest.fixture
def batch(merchant, monkeypatch):
    """Two of its six rows are payouts."""
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    file_id = merchant.upload(csv_of(ROWS, amount=10_000)).json()["file_id"]
    merchant.post("/bulk", {"file_id": file_id, "idempotency_key": "b-1"})
    assert batches._pay_some(Batch.objects.get().pk) == 2
    return Batch.objects.get()


@pytest.fixture
def staff(client, db):
    def sign_in(group):
        user = User.objects.create_user("somebody", password="x", is_staff=True)
        user.groups.set(Group.objects.filter(name=group))
        client.force_login(user)
        return client

    return sign_in


def set_aside():
    return int(Account.objects.get(pk=FloatReserve.objects.get().account_id).balance)


def is_untouched(batch, left):
    batch.refresh_from_db()
    return (batch.status, batch.made_payouts, set_aside(), left()) == (
        "PROCESSING", 2, 4 * COST, 100_000 - ROWS * COST,
    )  # fmt: skip


def is_given_up_after(made, left):
    batch = Batch.objects.get()
    refused = BatchRow.objects.filter(payout_id=None, error=WHY["reason"], units=0)
    return (
        (batch.status, batch.made_payouts) == ("COMPLETED", ROWS)
        and Payout.objects.count() == made
        and refused.count() == ROWS - made == BatchRow.objects.count() - made
        and (set_aside(), left()) == (0, 100_000 - made * COST)
        and check(listed_invariants()).clean
    )


def test_an_operator_gives_up_the_rest_with_a_reason(staff, batch, merchant, left, finish):
    client, page = staff("operator"), f"{BATCHES}{batch.pk}/give-up/"
    question = client.get(page)
    assert "This cannot be undone." in question.text
    assert "· live" in question.text
    assert is_untouched(batch, left)
    assert client.post(page, {"reason": "\u200b "}).status_code == 200
    assert is_untouched(batch, left)

    answer = client.post(page, WHY)

    assert (answer.status_code, answer["Location"]) == (302, f"{BATCHES}{batch.pk}/change/")
    assert is_given_up_after(2, left)
    told = merchant.get(f"/bulk/{batch.public_id}").json()
    assert (told["status"], told["waiting_for"]) == ("COMPLETED", None)
    assert told["errors"] == [
        {"line": line, "message": WHY["reason"]} for line in range(4, ROWS + 2)
    ]
    entry = LogEntry.objects.get()
    assert f"Gave up 4 rows: {WHY['reason']}" in entry.change_message
    finish()
    assert set(Payout.objects.values_list("status", flat=True)) == {"delivered"}
    assert batches.pay_batches() == 0
    assert is_given_up_after(2, left)


@pytest.mark.parametrize("group", ["viewer", "key admin"])
def test_nobody_else_gives_anything_up(staff, batch, left, group):
    client = staff(group)

    assert client.post(f"{BATCHES}{batch.pk}/give-up/", WHY).status_code == 403
    assert "give-up" not in client.get(f"{BATCHES}{batch.pk}/change/").text
    assert is_untouched(batch, left)


def test_what_is_over_is_not_offered_and_not_given_up(staff, batch, left):
    client, page = staff("operator"), f"{BATCHES}{batch.pk}/give-up/"
    assert "give-up" in client.get(f"{BATCHES}{batch.pk}/change/").text
    batches.pay_batches()
    before = footprint()

    answer = client.post(page, WHY)

    assert [str(one) for one in get_messages(answer.wsgi_request)] == [
        "Nothing was given up. Every row of the batch is a payout or refused."
    ]
    assert (footprint(), LogEntry.objects.count()) == (before, 0)
    assert BatchRow.objects.exclude(error="").count() == 0
    assert "give-up" not in client.get(f"{BATCHES}{batch.pk}/change/").text


def test_a_batch_without_a_payout_has_failed(merchant, left):
    file_id = merchant.upload(csv_of(ROWS, amount=10_000)).json()["file_id"]
    merchant.post("/bulk", {"file_id": file_id, "idempotency_key": "b-1"})

    assert give_up(batch_id=Batch.objects.get().pk, **WHY) == ROWS

    assert (Batch.objects.get().status, left()) == ("FAILED", 100_000)
    assert check(listed_invariants()).clean


def test_nothing_is_given_up_that_a_journal_may_bring_back(batch, left):
    fence.put_up("a test")

    with pytest.raises(PayoutsFrozen):
        give_up(batch_id=batch.pk, **WHY)
    assert is_untouched(batch, left)


def test_a_row_whose_payout_was_brought_back_is_noted_with_it(batch, left):
    """As a journal leaves it: the payout and its money are there, the row is not noted."""
    batches._pay_some(batch.pk)
    BatchRow.objects.filter(line__gte=4).delete()
    Batch.objects.update(made_payouts=2)
    assert check(listed_invariants()).clean

    assert give_up(batch_id=batch.pk, **WHY) == 2

    assert is_given_up_after(4, left)


@pytest.mark.django_db(transaction=True)
def test_who_gives_up_waits_for_the_worker_and_the_next_worker_finds_nothing(batch, left):
    with transaction.atomic():
        list(Account.objects.select_for_update())
        worker = Session(lambda: batches._pay_some(batch.pk))
        wait_until_so_many_wait_for_me(1)
        operator = Session(lambda: give_up(batch_id=batch.pk, **WHY))
        wait_until_so_many_wait_for_me(2)

    assert (worker.wait(), operator.wait()) == (2, 2)
    assert batches.pay_batches() == 0
    assert is_given_up_after(4, left)


@pytest.mark.django_db(transaction=True)
def test_a_worker_steps_around_a_batch_that_is_being_given_up(batch, left):
    with transaction.atomic():
        list(Account.objects.select_for_update())
        operator = Session(lambda: give_up(batch_id=batch.pk, **WHY))
        wait_until_so_many_wait_for_me(1)
        assert Session(lambda: batches._pay_some(batch.pk)).wait() == 0

    assert operator.wait() == 4
    assert is_given_up_after(2, left)


@pytest.mark.django_db(transaction=True)
def test_two_who_give_up_at_once_do_it_once(batch, left):
    with transaction.atomic():
        list(Account.objects.select_for_update())
        first = Session(lambda: give_up(batch_id=batch.pk, **WHY))
        wait_until_so_many_wait_for_me(1)
        second = Session(lambda: give_up(batch_id=batch.pk, **WHY))
        wait_until_so_many_wait_for_me(2)

    assert first.wait() == 4
    with pytest.raises(BatchIsOver):
        second.wait()
    assert is_given_up_after(2, left)


@pytest.mark.django_db(transaction=True)
def test_who_is_killed_while_giving_up_has_given_up_nothing(batch, left):
    with transaction.atomic():
        list(Account.objects.select_for_update())
        operator = Session(lambda: give_up(batch_id=batch.pk, **WHY))
        wait_until_somebody_waits_for_me()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
        with pytest.raises(OperationalError):
            operator.wait()
    assert is_untouched(batch, left)
    assert BatchRow.objects.count() == 2

    assert give_up(batch_id=batch.pk, **WHY) == 4
    assert is_given_up_after(2, left)


@pytest.mark.parametrize(
    ("sql", "guard"),
    [
        ("UPDATE payouts_floatreserve SET units = units + 1", "reserve_is_for_ever"),
        ("UPDATE payouts_floatreserve SET rows = 1", "reserve_is_for_ever"),
        ("UPDATE payouts_floatreserve SET account_id = 1", "reserve_is_for_ever"),
        ("DELETE FROM payouts_floatreserve", "reserve_is_for_ever"),
        ("TRUNCATE payouts_floatreserve", "reserves_are_never_emptied"),
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_what_was_set_aside_is_noted_for_ever(batch, sql, guard, role):
    with transaction.atomic(), connection.cursor() as cursor:
        # Only so is TRUNCATE not refused for what the test itself has written.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"SET LOCAL session_replication_role = {role}")
        with pytest.raises(IntegrityError) as refusal, transaction.atomic():
            cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert refusal.value.__cause__.diag.constraint_name == guard
    assert FloatReserve.objects.get().units == ROWS * COST
