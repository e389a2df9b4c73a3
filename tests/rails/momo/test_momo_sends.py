"""What is promised to whom, and kept: references, rows, and the verbs in any order.

Goal: a send is the same for ever, whoever prepares it again and whatever was lost.
"""

from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from engine.rails.base import Outcome, Prepared
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.models import MomoCredentials, MomoSend
from engine.rails.momo.references import reference_of
from tests.rails.momo.play import posts, row

pytestmark = pytest.mark.django_db


def test_a_reference_has_the_form_of_version_4_and_never_changes(order, fixed_payout_id):
    one = reference_of(order(payout_id=fixed_payout_id))

    assert str(one) == str(reference_of(order(payout_id=fixed_payout_id, units=1)))
    assert (one.version, one.variant) == (4, "specified in RFC 4122")
    assert UUID(str(one)) == one


@pytest.mark.parametrize("change", [{"leg": 2}, {"attempt": 2}])
def test_another_leg_or_attempt_has_another_reference(order, fixed_payout_id, change):
    one = order(payout_id=fixed_payout_id)

    assert reference_of(one) != reference_of(order(payout_id=fixed_payout_id, **change))


def test_a_payout_is_taken_and_then_paid_once(rail, mtn, account, prepare, look):
    prepared = prepare()

    (receipt,) = rail.submit([prepared])
    sighting = look(prepared)

    assert (receipt.accepted, receipt.evidence) == (True, {"said": "HTTP 202"})
    assert sighting.outcome is Outcome.FINAL
    assert (sighting.confirmations, sighting.confirmations_needed) == (1, 1)
    assert sighting.evidence["financialTransactionId"] == "1000000000"
    (paid,) = mtn.state.ledger()
    assert (paid["reference"], paid["payee"], paid["amount"], paid["currency"]) == (
        prepared.reference,
        "237653456789",
        "5000",
        "XAF",
    )


def test_what_is_sent_is_kept_with_where_it_is_sent(mtn, account, prepare):
    send = row(prepare())

    assert (send.credentials.base_url, send.credentials.target_environment) == (
        mtn.url,
        "mtncameroon",
    )
    assert (send.units, send.payee, send.external_id) == (
        5000,
        "237653456789",
        send.payout_id.hex,
    )


def test_preparing_again_gives_the_same_and_keeps_one_row(rail, account, order):
    orders = [order() for _ in range(3)]

    assert rail.prepare(orders) == rail.prepare(orders)
    assert rail.prepare(orders)[::-1] == rail.prepare(orders[::-1])
    assert MomoSend.objects.count() == 3


def test_a_reference_stands_for_one_promise_alone(rail, account, order, fixed_payout_id):
    rail.prepare([order(payout_id=fixed_payout_id)])

    with pytest.raises(ValueError, match="promised otherwise"):
        rail.prepare([order(payout_id=fixed_payout_id, units=5001)])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"network": "moon"}, "asset_not_on_network"),
        ({"asset": "USDT"}, "asset_not_on_network"),
        ({"asset": "XOF"}, "payee_number_invalid"),
        ({"destination": "+2376"}, "payee_number_invalid"),
        ({"destination": "653456789"}, "payee_number_invalid"),
        ({"destination": "+33612345678"}, "payee_number_invalid"),
    ],
)
@pytest.mark.parametrize("verb", ["prepare", "preflight"])
def test_what_can_never_be_paid_is_rejected_in_its_place(
    rail, account, order, verb, change, code
):
    good, bad = getattr(rail, verb)([order(), order(**change)])

    assert not isinstance(good, RailRejected | RailUnavailable)
    assert isinstance(bad, RailRejected)
    assert bad.failure_code == code


def test_a_possible_number_that_nobody_was_given_is_left_to_the_operator(prepare, account):
    assert row(prepare(destination="+237612345678")).payee == "237612345678"


def test_test_mode_never_touches_an_account_with_money(rail, account, order):
    (answer,) = rail.prepare([order(livemode=False)])

    assert isinstance(answer, RailUnavailable)
    assert answer.waiting_for == "account"


def test_an_empty_batch_asks_nothing(rail, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert (rail.prepare([]), rail.submit([]), rail.look_up([])) == ([], [], [])


def test_the_same_reference_twice_pays_once(rail, mtn, account, prepare, look):
    prepared = prepare()

    rail.submit([prepared])
    rail.submit([prepared, prepared])
    first = look(prepared)
    rail.submit([prepared])

    assert rail.look_up([prepared, prepared]) == [first, first]
    assert [paid["reference"] for paid in mtn.state.ledger()] == [prepared.reference]


def test_what_was_never_posted_is_unknown_and_nobody_is_asked(rail, mtn, account, prepare):
    (sighting,) = rail.look_up([prepare()])

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, False)
    assert mtn.state.looks == {}


def test_answers_come_in_the_order_of_the_questions(rail, account, prepare):
    batch = [prepare() for _ in range(5)]

    receipts = rail.submit(batch)

    assert [one.reference for one in receipts] == [one.reference for one in batch]
    assert [one.accepted for one in receipts] == [True] * 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["submit", "look_up"])
def test_the_outside_is_never_asked_inside_a_transaction(rail, mtn, account, prepare, verb):
    prepared = prepare()
    rail.submit([prepared])
    MomoSend.objects.update(ask_at=timezone.now())
    fresh = prepare()

    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        getattr(rail, verb)([prepared if verb == "look_up" else fresh])

    assert mtn.state.looks == {}
    assert posts(mtn, fresh) == 0


@pytest.mark.django_db(transaction=True)
def test_a_send_is_only_ever_kept_with_its_attempt(rail, account, order):
    with pytest.raises(RuntimeError, match="stores its attempt"):
        rail.prepare([order()])


# What a row allows.


@pytest.mark.parametrize(
    "change",
    [
        {"units": 1},
        {"payee": "237650000000"},
        {"reference": UUID(int=1)},
        {"payout_id": UUID(int=1)},
        {"external_id": "x"},
    ],
)
def test_what_was_promised_never_changes(prepare, account, change):
    prepared = prepare()

    with pytest.raises(IntegrityError, match="for ever"), transaction.atomic():
        MomoSend.objects.update(**change)

    assert row(prepared).units == 5000


def test_what_has_ended_never_changes(rail, prepare, account, look):
    prepared = prepare()
    rail.submit([prepared])
    look(prepared)

    with pytest.raises(IntegrityError, match="for ever"), transaction.atomic():
        MomoSend.objects.update(finished_at=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        MomoSend.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        MomoCredentials.objects.update(base_url="http://elsewhere")

    assert isinstance(prepared, Prepared)
    assert row(prepared).finished_at is not None
