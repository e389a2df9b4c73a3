"""Before anything is taken: does an account of ours pay there, and does the operator work?

Goal: a payout waits and says for what, or goes; only the operator's plain word rejects.
"""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from engine.rails.base import Order, Prepared
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.models import MomoAccount, MomoPace, MomoSend, OperatorHealth
from engine.rails.momo import breaker
from engine.rails.momo.accounts import _units as units_told
from engine.rails.momo.client import Answer, Silence
from engine.rails.momo.preflights import says_inactive
from engine.rails.momo.recipients import look_up_recipient
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.rails.momo.play import connect, row

pytestmark = pytest.mark.django_db

HERE = {"network": "mtn_momo", "country": "CM"}


@pytest.fixture
def preflight(rail, order):
    """What is said of one order."""

    def ask(**changes):
        (answer,) = rail.preflight([order(**changes)])
        return answer

    return ask


@pytest.fixture
def down(account):
    """The operator was found to be down just now."""
    breaker.note_calls(**HERE, good=0, bad=20)
    return OperatorHealth.objects.get()


def tries_are_due():
    OperatorHealth.objects.update(try_at=timezone.now())


def test_an_order_that_can_go_comes_back_as_it_was(rail, account, order):
    orders = [order(), order()]

    assert rail.preflight(orders) == orders
    assert MomoSend.objects.count() == 0


def test_no_account_is_something_to_wait_for(preflight):
    answer = preflight()

    assert isinstance(answer, RailUnavailable)
    assert answer.waiting_for == "account"


@pytest.mark.parametrize(
    "change",
    [{"is_enabled": False}, {"livemode": False}, {"country": "CG"}, {"currency": "XOF"}],
)
def test_an_account_of_another_kind_pays_nothing_here(preflight, account, change):
    MomoAccount.objects.update(**change)

    assert preflight().waiting_for == "account"


def test_a_gateway_without_an_operator_waits_for_one(preflight, account):
    assert (
        preflight(network="orange_money", destination="+237699999999").waiting_for == "account"
    )


def test_a_payee_that_the_operator_calls_inactive_is_rejected(preflight, account, mtn):
    answer = preflight(destination="+237653456089")

    assert isinstance(answer, RailRejected)
    assert answer.failure_code == "payee_not_found"
    assert mtn.state.posts == {}


def test_an_operator_that_says_nothing_of_a_payee_rejects_nobody(preflight, account, mtn):
    mtn.state.behaviour.change({"is_down": True})

    assert isinstance(preflight(destination="+237653456089"), Order)


@pytest.mark.parametrize(
    ("answer", "is_no"),
    [
        (Answer(200, {"result": False}), True),
        (Answer(200, {"result": True}), False),
        (Answer(200, {"result": None}), False),
        (Answer(200, {"result": 0}), False),
        (Answer(200, {}), False),
        (Answer(404, {"code": "RESOURCE_NOT_FOUND"}), False),
        (Answer(500, {"result": False}), False),
        (Silence("hung up", left=True), False),
    ],
)
def test_only_a_plain_no_is_one(answer, is_no):
    assert says_inactive(answer) is is_no


def test_payees_are_asked_about_only_while_there_are_turns_to_spare(
    preflight, account, mtn, settings
):
    preflight()
    settings.MOMO_STATUS_PER_SECOND = 10.0
    MomoPace.objects.update(free_at=F("free_at") + timedelta(seconds=60))

    assert isinstance(preflight(destination="+237653456089"), Order)


# The float.


def test_a_float_that_is_known_to_be_too_small_is_waited_for(preflight, account, mtn):
    assert preflight(units=100_000_001).waiting_for == "liquidity"
    assert MomoAccount.objects.get().balance_units == 100_000_000


def test_what_was_promised_since_is_not_promised_again(rail, account, order, prepare):
    assert rail.preflight([order()])
    prepare(units=99_999_000)

    first, second, third = rail.preflight(
        [order(units=600), order(units=600), order(units=400)]
    )

    assert (isinstance(first, Order), isinstance(third, Order)) == (True, True)
    assert second.waiting_for == "liquidity"


def test_what_arrived_since_the_balance_was_told_is_not_free_again(
    rail, preflight, account, prepare, due, mtn
):
    MomoAccount.objects.update(balance_units=5000, balance_at=timezone.now())
    prepared = prepare()
    rail.submit([prepared])
    due()
    rail.look_up([prepared])

    assert row(prepared).finished_at is not None
    assert preflight(units=1).waiting_for == "liquidity"

    MomoAccount.objects.update(balance_at=timezone.now())
    assert isinstance(preflight(units=5000), Order)


def test_a_balance_is_asked_for_again_when_it_is_old(preflight, account, mtn):
    preflight()
    MomoAccount.objects.update(
        balance_units=7, balance_at=timezone.now() - timedelta(seconds=14)
    )
    assert preflight().waiting_for == "liquidity"

    MomoAccount.objects.update(balance_at=timezone.now() - timedelta(seconds=16))
    assert isinstance(preflight(), Order)


def test_a_balance_that_nobody_tells_stops_nothing(preflight, account, mtn):
    mtn.state.behaviour.change({"is_down": True})

    assert isinstance(preflight(), Order)
    assert MomoAccount.objects.get().balance_units is None


@pytest.mark.parametrize(
    ("told", "currency", "units"),
    [
        ({"availableBalance": "10", "currency": "XAF"}, "XAF", 10),
        ({"availableBalance": "10.5", "currency": "GHS"}, "GHS", 1050),
        ({"availableBalance": "10", "currency": "EUR"}, "XAF", None),
        ({"availableBalance": "NaN", "currency": "XAF"}, "XAF", None),
        ({"availableBalance": None, "currency": "XAF"}, "XAF", None),
        ({}, "XAF", None),
    ],
)
def test_a_balance_is_believed_in_its_own_currency(told, currency, units):
    assert units_told(told, currency) == units


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_promise_the_same_money(rail, account, order):
    MomoAccount.objects.update(balance_units=5000, balance_at=timezone.now())

    def other():
        with transaction.atomic():
            return rail.prepare([order()])

    with transaction.atomic():
        (first,) = rail.prepare([order()])
        second = Session(other)
        wait_until_somebody_waits_for_me()
    (refused,) = second.wait()

    assert isinstance(first, Prepared)
    assert isinstance(refused, RailUnavailable)
    assert refused.waiting_for == "liquidity"


def test_the_second_account_pays_when_the_first_holds_too_little(
    rail, mtn, account, order, prepare
):
    second = connect(mtn, name="second")
    MomoAccount.objects.filter(pk=account.pk).update(
        balance_units=4999, balance_at=timezone.now()
    )

    assert row(prepare()).account == second


# The breaker.


def test_three_quarters_of_twenty_calls_gone_wrong_are_an_operator_that_is_down(account):
    breaker.note_calls(**HERE, good=5, bad=14)
    assert breaker.is_down(**HERE) is False
    breaker.note_calls(**HERE, good=0, bad=1)

    assert breaker.is_down(**HERE) is True
    assert breaker.is_down(network="mtn_momo", country="CI") is False


def test_a_third_gone_wrong_is_a_bad_day(account):
    breaker.note_calls(**HERE, good=60, bad=40)

    assert breaker.is_down(**HERE) is False


def test_what_went_wrong_long_ago_is_forgotten(account):
    breaker.note_calls(**HERE, good=0, bad=19)
    OperatorHealth.objects.update(since=F("since") - timedelta(minutes=6))
    breaker.note_calls(**HERE, good=0, bad=19)

    assert breaker.is_down(**HERE) is False


def test_payouts_wait_while_the_operator_is_down(preflight, down):
    answer = preflight()

    assert isinstance(answer, RailUnavailable)
    assert answer.waiting_for == "operator_down"


def test_now_and_then_a_few_find_out_whether_it_is_up_again(rail, order, down):
    tries_are_due()
    answers = rail.preflight([order() for _ in range(5)])
    again = rail.preflight([order()])

    assert [isinstance(one, Order) for one in answers] == [True] * 3 + [False] * 2
    assert again[0].waiting_for == "operator_down"


def test_when_they_go_well_the_others_follow(rail, order, prepare, down, mtn):
    batch = [prepare() for _ in range(3)]

    rail.submit(batch)

    assert breaker.is_down(**HERE) is False
    assert all(isinstance(one, Order) for one in rail.preflight([order()] * 5))


def test_when_one_goes_wrong_the_others_wait_on(rail, order, prepare, down, mtn):
    batch = [prepare() for _ in range(3)]
    mtn.state.behaviour.change({"refused_before": 1.0})

    rail.submit(batch)
    (answer,) = rail.preflight([order()])

    assert answer.waiting_for == "operator_down"
    assert OperatorHealth.objects.get().failed == 0


def test_ends_of_earlier_payouts_do_not_end_an_outage(down):
    breaker.note_ends(**HERE, good=100, bad=0)

    assert breaker.is_down(**HERE) is True


def test_while_it_is_down_only_a_few_of_what_was_prepared_go_out(rail, prepare, account, mtn):
    batch = [prepare() for _ in range(6)]
    breaker.note_calls(**HERE, good=0, bad=20)
    mtn.state.behaviour.change({"refused_before": 1.0})

    receipts = rail.submit(batch)

    assert sum(mtn.state.posts.values()) == 3
    assert [one.evidence["said"] for one in receipts[3:]] == ["waits for its turn"] * 3
    assert isinstance(batch[0], Prepared)


def test_an_operator_that_fails_payouts_for_its_own_trouble_is_down_too(
    rail, prepare, account, due
):
    batch = [prepare(destination="+237653456119") for _ in range(20)]
    # As many good POSTs as bad ends would be a good day, so the POSTs are forgotten.
    rail.submit(batch)
    OperatorHealth.objects.update(asked=0, failed=0)
    due()

    rail.look_up(batch)

    assert breaker.is_down(**HERE) is True


def test_a_slow_answer_is_a_bad_one(rail, prepare, account, mtn, monkeypatch):
    monkeypatch.setattr(breaker, "SLOW_SECONDS", 0.0)

    rail.submit([prepare() for _ in range(20)])

    assert breaker.is_down(**HERE) is True


# The lookup.


def look_up(msisdn="+237653456789", **changes):
    asked = {"msisdn": msisdn, "network": "mtn_momo", "currency": "XAF", "livemode": True}
    return look_up_recipient(**asked | changes)


def test_a_recipient_is_named_with_a_mask(account):
    found = look_up()

    assert (found.operator, found.gateway, found.country) == ("mtn", "mtn_momo", "CM")
    assert (found.is_active, found.masked_name) == (True, "S*** B***")
    assert found.is_operator_down is False


def test_a_recipient_without_an_account_has_no_name(account):
    found = look_up("+237653456089")

    assert (found.is_active, found.masked_name) == (False, "")


def test_a_recipient_that_nobody_can_be_asked_about_is_predicted(down, mtn):
    mtn.state.behaviour.change({"is_down": True})

    found = look_up("+237699999999")

    assert (found.operator, found.gateway) == ("orange", "orange_money")
    assert (found.is_active, found.masked_name) == (None, "")
    assert found.is_operator_down is True
