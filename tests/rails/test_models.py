"""Attempts and evidence are for ever, and PostgreSQL is the one who says so."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError
from django.utils import timezone

from engine.common.ids import new_id
from engine.rails.models import (
    Attempt,
    AttemptState,
    EvidenceKind,
    SendEvidence,
    SimulatedTransfer,
)
from tests.meeting import Session, wait_until_somebody_waits_for_me

pytestmark = pytest.mark.django_db


def attempt(**changes):
    values = {
        "payout_id": new_id(),
        "leg": 1,
        "number": 1,
        "rail": "simulated",
        "network": "ethereum",
        "reference": f"0x{new_id().hex}",
        "payload": b"signed",
    }
    return Attempt.objects.create(**values | changes)


def closed(state, **changes):
    return attempt(state=state, proof={"said": "dead"}, closed_at=timezone.now(), **changes)


def refused(sql, *values):
    """The name of the constraint or trigger that refuses a statement of the owner."""
    with (
        pytest.raises(DatabaseError) as refusal,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, values)
    return refusal.value.__cause__.diag.constraint_name


@pytest.mark.parametrize(
    "change",
    [
        "payout_id = '01890a5d-ac96-774b-bcce-b302099a8057'",
        "leg = 2",
        "number = 2",
        "rail = 'other'",
        "network = 'base'",
        "reference = 'other'",
        "payload = 'other'",
        "payload = ''",
        "created_at = now() - interval '1 day'",
        "id = id + 1",
    ],
)
def test_what_was_sent_never_changes(change):
    row = attempt()

    assert refused(f"UPDATE rails_attempt SET {change}") == "attempt_only_closes"
    assert Attempt.objects.get() == row


def test_a_live_attempt_is_closed_once():
    attempt()
    close = "UPDATE rails_attempt SET state = 'dead', proof = '{\"a\": 1}', closed_at = now()"
    with connection.cursor() as cursor:
        cursor.execute(close)

    for change in (
        "state = 'live', closed_at = NULL",
        "state = 'done'",
        "proof = NULL",
        "proof = '{\"a\": 2}'",
        "closed_at = now() + interval '1 day'",
        "state = state",
    ):
        assert refused(f"UPDATE rails_attempt SET {change}") == "attempt_only_closes"
    assert Attempt.objects.get().proof == {"a": 1}


@pytest.mark.parametrize(
    ("sql", "trigger"),
    [
        ("DELETE FROM rails_attempt", "attempt_is_never_deleted"),
        ("TRUNCATE rails_attempt CASCADE", "attempts_are_never_emptied"),
        ("UPDATE rails_sendevidence SET body = '{}'", "send_evidence_is_for_ever"),
        ("DELETE FROM rails_sendevidence", "send_evidence_is_for_ever"),
        ("TRUNCATE rails_sendevidence", "send_evidence_is_never_emptied"),
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_nothing_is_ever_taken_back(sql, trigger, role):
    SendEvidence.objects.create(attempt=attempt(), kind=EvidenceKind.SUBMIT, body={"a": 1})
    with connection.cursor() as cursor:
        # Foreign keys are checked at commit, and TRUNCATE refuses while checks wait.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT set_config('session_replication_role', %s, true)", [role])

    assert refused(sql) == trigger
    assert (Attempt.objects.count(), SendEvidence.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"state": "gone", "closed_at": timezone.now()}, "attempt_state_is_known"),
        ({"state": "done"}, "attempt_is_closed_unless_live"),
        ({"closed_at": timezone.now()}, "attempt_is_closed_unless_live"),
        ({"state": "dead", "closed_at": timezone.now()}, "dead_attempt_has_proof"),
        (
            {"state": "dead", "closed_at": timezone.now(), "proof": {}},
            "dead_attempt_has_proof",
        ),
        ({"reference": ""}, "attempt_has_a_reference"),
        ({"number": 0}, "attempt_counts_from_one"),
    ],
)
def test_an_attempt_that_makes_no_sense_is_refused(changes, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        attempt(**changes)

    assert Attempt.objects.count() == 0


@pytest.mark.parametrize("state", [AttemptState.LIVE, AttemptState.DONE])
def test_a_leg_with_a_live_or_delivered_attempt_gets_no_other(state):
    first = attempt() if state == AttemptState.LIVE else closed(state)

    with (
        pytest.raises(IntegrityError, match="payout_leg_has_one_live_attempt"),
        transaction.atomic(),
    ):
        attempt(payout_id=first.payout_id, number=2)

    assert attempt(payout_id=first.payout_id, leg=2).leg == 2


def test_a_leg_whose_attempt_is_dead_gets_another_under_a_new_number():
    first = closed(AttemptState.DEAD)

    with pytest.raises(IntegrityError, match="attempt_is_numbered"), transaction.atomic():
        attempt(payout_id=first.payout_id)

    assert attempt(payout_id=first.payout_id, number=2).state == AttemptState.LIVE


def test_a_reference_belongs_to_one_attempt_of_a_rail():
    first = attempt()

    with (
        pytest.raises(IntegrityError, match="attempt_reference_is_unique"),
        transaction.atomic(),
    ):
        attempt(reference=first.reference)

    assert attempt(reference=first.reference, rail="other").reference == first.reference


@pytest.mark.django_db(transaction=True)
def test_of_two_sessions_one_opens_the_live_attempt():
    payout_id = new_id()

    with transaction.atomic():
        attempt(payout_id=payout_id)
        other = Session(lambda: attempt(payout_id=payout_id, number=2))
        wait_until_somebody_waits_for_me()

    with pytest.raises(IntegrityError, match="payout_leg_has_one_live_attempt"):
        other.wait()
    assert Attempt.objects.get().number == 1


def test_a_simulated_transfer_has_one_end():
    now = timezone.now()
    row = {
        "payout_id": "x",
        "leg": 1,
        "livemode": False,
        "network": "base",
        "asset": "USDT",
        "units": 1,
        "destination": "x",
        "accepted_at": now,
        "expected_at": now,
    }
    for wrong, constraint in (
        ({}, "simulated_transfer_has_one_end"),
        ({"final_at": now, "is_held": True}, "simulated_transfer_has_one_end"),
        (
            {"final_at": now, "fails_at": now, "failure_code": "x"},
            "simulated_transfer_has_one_end",
        ),
        ({"fails_at": now}, "simulated_failure_has_code"),
        ({"final_at": now, "units": 0}, "simulated_transfer_is_positive"),
    ):
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            SimulatedTransfer.objects.create(reference="r", **row | wrong)
