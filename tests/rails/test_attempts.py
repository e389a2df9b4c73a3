"""The writer of attempts: stored before sent, closed once, evidence only when it is news."""

import pytest
from django.db import IntegrityError, transaction

from engine.rails.attempts import close_attempts, note_evidence, open_attempts
from engine.rails.models import Attempt, AttemptState, EvidenceKind, SendEvidence
from engine.rails.simulated import SimulatedRail
from tests.meeting import Session, wait_until_somebody_waits_for_me

pytestmark = pytest.mark.django_db


@pytest.fixture
def opened(order):
    """Opens attempts for `count` payouts; returns their orders and their keys."""

    def make(count=3):
        orders = [order() for _ in range(count)]
        prepared = SimulatedRail().prepare(orders)
        keys = open_attempts(sends=list(zip(orders, prepared, strict=True)))
        return orders, prepared, [keys[sent.reference] for sent in prepared]

    return make


def test_what_is_opened_is_read_back_as_it_was_prepared(opened):
    orders, prepared, keys = opened()

    columns = ("pk", "payout_id", "leg", "number", "rail", "network", "reference", "state")
    assert set(Attempt.objects.values_list(*columns)) == {
        (key, order.payout_id, 1, 1, one.rail, one.network, one.reference, "live")
        for key, order, one in zip(keys, orders, prepared, strict=True)
    }
    kept = {row.reference: bytes(row.payload) for row in Attempt.objects.all()}
    assert kept == {one.reference: one.payload for one in prepared}


def test_opening_one_again_opens_none_of_the_batch(opened, order):
    orders, prepared, _ = opened(1)
    fresh = order()
    (ready,) = SimulatedRail().prepare([fresh])

    with pytest.raises(IntegrityError), transaction.atomic():
        open_attempts(sends=[(fresh, ready), (orders[0], prepared[0])])

    assert Attempt.objects.count() == 1


def test_a_batch_is_one_statement(opened, django_assert_num_queries):
    with django_assert_num_queries(1):
        _, _, keys = opened(20)
    with django_assert_num_queries(1):
        note_evidence(kind=EvidenceKind.SUBMIT, bodies={key: {"said": "x"} for key in keys})
    with django_assert_num_queries(1):
        close_attempts(state=AttemptState.DONE, proofs={key: {"said": "x"} for key in keys})


def test_an_attempt_is_closed_once_with_its_proof(opened):
    _, _, (first, second, third) = opened()

    assert close_attempts(
        state=AttemptState.DEAD, proofs={first: {"said": "dead"}, second: {"said": "dead"}}
    ) == {first, second}
    assert close_attempts(
        state=AttemptState.DONE, proofs={second: {"said": "final"}, third: {"said": "final"}}
    ) == {third}

    assert list(Attempt.objects.order_by("id").values_list("state", "proof")) == [
        ("dead", {"said": "dead"}),
        ("dead", {"said": "dead"}),
        ("done", {"said": "final"}),
    ]


@pytest.mark.parametrize("proof", [None, {}])
def test_nothing_is_dead_without_proof(opened, proof):
    _, _, (key,) = opened(1)

    with (
        pytest.raises(IntegrityError, match="dead_attempt_has_proof"),
        transaction.atomic(),
    ):
        close_attempts(state=AttemptState.DEAD, proofs={key: proof})

    assert Attempt.objects.get().state == AttemptState.LIVE


def test_a_look_up_is_kept_when_it_says_something_new(opened):
    _, _, (first, second, _) = opened()
    for said in ("unknown", "seen", "seen", "unknown", "final", "final"):
        note_evidence(kind=EvidenceKind.LOOK_UP, bodies={first: {"said": said}})
    note_evidence(kind=EvidenceKind.LOOK_UP, bodies={second: {"said": "final"}})

    assert list(
        SendEvidence.objects.filter(attempt_id=first).values_list("body__said", flat=True)
    ) == ["unknown", "seen", "unknown", "final"]
    assert SendEvidence.objects.filter(attempt_id=second).count() == 1


def test_every_submit_is_kept(opened):
    _, _, (key,) = opened(1)

    for _ in range(3):
        note_evidence(kind=EvidenceKind.SUBMIT, bodies={key: {"said": "no answer"}})

    assert SendEvidence.objects.filter(kind="submit").count() == 3


@pytest.mark.django_db(transaction=True)
def test_of_two_sessions_one_closes(opened):
    _, _, (key,) = opened(1)
    proofs = {key: {"said": "dead"}}

    with transaction.atomic():
        assert close_attempts(state=AttemptState.DONE, proofs={key: {"said": "final"}})
        other = Session(lambda: close_attempts(state=AttemptState.DEAD, proofs=proofs))
        wait_until_somebody_waits_for_me()

    assert other.wait() == set()
    assert Attempt.objects.get().state == AttemptState.DONE
