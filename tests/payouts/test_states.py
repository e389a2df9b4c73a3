"""The life of a payout is one table in Python and one trigger in PostgreSQL: the same."""

import itertools

import pytest
from django.db import IntegrityError, connection, transaction

from engine.payouts.models import Payout
from engine.payouts.states import EDGES, FINAL, GIVEN_UP, Status, starts_of


def test_final_states_lead_nowhere_and_every_other_leads_to_failed():
    assert {Status.DELIVERED, Status.FAILED, Status.CANCELLED} == FINAL
    assert {Status.FAILED, Status.CANCELLED} == GIVEN_UP
    for status in Status:
        assert (status in FINAL) == (EDGES[status] == frozenset())
        assert status in FINAL or Status.FAILED in EDGES[status]


def test_starts_are_the_edges_read_backwards():
    assert starts_of(Status.BROADCAST) == {Status.SENDING}
    assert starts_of(Status.FAILED) == {Status.PENDING, Status.SENDING, Status.BROADCAST}
    assert starts_of(Status.PENDING) == frozenset()


@pytest.mark.parametrize(("start", "end"), list(itertools.permutations(Status.values, 2)))
def test_postgresql_allows_exactly_the_edges(payout, start, end):
    put_in_state(payout, start)

    def step():
        with transaction.atomic():
            write_state(payout, end)

    if Status(end) in EDGES[Status(start)]:
        step()
    else:
        with pytest.raises(IntegrityError, match=f"a {start} payout cannot become {end}"):
            step()
        payout.refresh_from_db()
        assert payout.status == start


def put_in_state(payout, status):
    with connection.cursor() as cursor:
        # Deferred foreign keys are "pending events", which ALTER TABLE refuses to pass.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE payouts_payout DISABLE TRIGGER payout_step_is_legal")
    write_state(payout, status)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payouts_payout ENABLE ALWAYS TRIGGER payout_step_is_legal")


def write_state(payout, status):
    final, given_up = Status(status) in FINAL, Status(status) in GIVEN_UP
    Payout.objects.filter(pk=payout.pk).update(
        status=status,
        finished_at=payout.created_at if final else None,
        due_at=None if final else payout.created_at,
        failure_code="tested" if given_up else "",
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("destination", "0x0"),
        ("units_received", 1),
        ("units_sent", 10**9),
        ("to_network", "tron"),
        ("held_account_id", 1),
        ("rail", "another"),
    ],
)
def test_the_terms_of_a_payout_cannot_be_changed_even_by_the_owner(payout, column, value):
    with pytest.raises(IntegrityError, match="are fixed"), transaction.atomic():
        Payout.objects.filter(pk=payout.pk).update(**{column: value})


def test_a_payout_and_its_events_cannot_be_deleted_even_by_the_owner(payout):
    with connection.cursor() as cursor:
        # TRUNCATE refuses by itself while foreign keys wait to be checked.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for statement in (
        "DELETE FROM payouts_payoutevent",
        "UPDATE payouts_payoutevent SET status = 'delivered'",
        "DELETE FROM payouts_payout",
        "TRUNCATE payouts_payoutevent",
        "TRUNCATE payouts_payout CASCADE",
    ):
        with (
            pytest.raises(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    assert payout.events.count() == 1


@pytest.mark.parametrize("column", ["units_received", "destination", "expires_at", "answer"])
def test_a_live_quote_is_a_promise(promise, column):
    quote = promise()
    value = {"units_received": 1, "expires_at": quote.created_at}.get(column, "other")

    with pytest.raises(IntegrityError, match="is a promise"), transaction.atomic():
        type(quote).objects.filter(pk=quote.pk).update(**{column: value})


@pytest.mark.parametrize("livemode", [True, False])
def test_a_used_quote_can_never_be_unused_again(promise, execute, livemode):
    quote = promise(livemode=livemode)
    execute(quote)

    for used_at in (None, quote.expires_at):
        with pytest.raises(IntegrityError, match="is a promise"), transaction.atomic():
            type(quote).objects.filter(pk=quote.pk).update(used_at=used_at)
