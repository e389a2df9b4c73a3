"""Many callers at one moment: each test lets its calls go at once, on own connections."""

from collections import Counter

import pytest
from django.db import transaction

from engine.ledger.models import Account
from engine.payouts.models import Payout, PayoutEvent, Quote
from tests.cast import QUOTE, USDT, Api, count, units_held
from tests.meeting import Session, all_at_once, wait_until_so_many_wait_for_me

CALLERS = 64

pytestmark = pytest.mark.django_db(transaction=True)


def executes(api, quote_ids, keys):
    def call(quote_id, key):
        return lambda: Api(api.key, api.livemode).post(
            "/payouts", {"quote_id": quote_id}, key=key
        )

    return all_at_once([call(*pair) for pair in zip(quote_ids, keys, strict=True)])


def test_64_executes_of_one_quote_with_distinct_keys_make_one_payout(live_api, funded):
    quote_id = live_api.quote()
    answers = executes(live_api, [quote_id] * CALLERS, [f"k{n}" for n in range(CALLERS)])

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 63}
    (payout,) = [answer.json() for answer in answers if answer.status_code == 201]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(one["code"], one["payout_id"]) for one in refused} == {
        ("quote_already_used", payout["id"])
    }
    assert Payout.objects.count() == PayoutEvent.objects.count() == 1
    assert units_held(funded, livemode=True) == 900 * USDT


def test_two_executes_of_one_quote_that_surely_meet_make_one_payout(live_api, funded):
    """Both are under way, held up at the user's account, before either may go on."""
    quote_id = live_api.quote()

    def execute(key):
        return lambda: live_api.post("/payouts", {"quote_id": quote_id}, key=key)

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=Quote.objects.get().available_account_id)
        callers = [Session(execute(key)) for key in ("one", "two")]
        wait_until_so_many_wait_for_me(2)

    answers = [caller.wait() for caller in callers]
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert Payout.objects.count() == 1
    assert units_held(funded, livemode=True) == 900 * USDT


def test_two_payouts_out_of_one_balance_that_surely_meet_are_one(live_api, funded):
    quote_ids = [live_api.quote(amount="600") for _ in range(2)]

    def execute(quote_id):
        return lambda: live_api.post("/payouts", {"quote_id": quote_id})

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=Quote.objects.first().available_account_id)
        callers = [Session(execute(quote_id)) for quote_id in quote_ids]
        wait_until_so_many_wait_for_me(2)

    answers = [caller.wait() for caller in callers]
    assert sorted(answer.status_code for answer in answers) == [201, 422]
    assert units_held(funded, livemode=True) == 400 * USDT


def test_two_quotes_under_one_key_that_surely_meet_are_one_payout(live_api, funded):
    """Both have found the key free before either has taken it."""
    quote_ids = [live_api.quote(amount="10") for _ in range(2)]

    def execute(quote_id):
        return lambda: live_api.post("/payouts", {"quote_id": quote_id}, key="k")

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=Quote.objects.first().available_account_id)
        callers = [Session(execute(quote_id)) for quote_id in quote_ids]
        wait_until_so_many_wait_for_me(2)

    answers = [caller.wait() for caller in callers]
    (refused,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert refused["code"] == "idempotency_conflict"
    assert Payout.objects.count() == 1
    assert units_held(funded, livemode=True) == 990 * USDT


def test_64_executes_with_one_key_make_one_payout_and_one_answer(live_api, funded):
    quote_id = live_api.quote()
    answers = executes(live_api, [quote_id] * CALLERS, ["k"] * CALLERS)

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert Counter("Idempotent-Replayed" in answer for answer in answers) == {
        True: 63,
        False: 1,
    }
    assert Payout.objects.count() == 1
    assert units_held(funded, livemode=True) == 900 * USDT


def test_64_test_mode_executes_without_keys_make_one_payout_and_one_answer(test_api, funded):
    quote_id = test_api.quote()
    answers = executes(test_api, [quote_id] * CALLERS, [None] * CALLERS)

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert Payout.objects.count() == 1
    assert units_held(funded, livemode=False) == 900 * USDT


def test_64_payouts_of_100_out_of_1000_are_ten(live_api, funded):
    quote_ids = [live_api.quote() for _ in range(CALLERS)]
    answers = executes(live_api, quote_ids, [f"k{n}" for n in range(CALLERS)])

    assert Counter(answer.status_code for answer in answers) == {201: 10, 422: 54}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 422}
    assert refused == {"insufficient_funds"}
    assert Payout.objects.count() == 10
    assert units_held(funded, livemode=True) == 0


def test_64_quotes_executed_with_one_key_are_one_payout_and_63_conflicts(live_api, funded):
    quote_ids = [live_api.quote(amount="10") for _ in range(CALLERS)]
    answers = executes(live_api, quote_ids, ["k"] * CALLERS)

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 63}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refused == {"idempotency_conflict"}
    assert Payout.objects.count() == 1
    assert units_held(funded, livemode=True) == 990 * USDT


def test_64_quotes_with_one_key_are_one_quote(live_api):
    answers = all_at_once(
        [lambda: Api(live_api.key, True).post("/payouts/quote", QUOTE, key="k")] * CALLERS
    )

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert count("payouts_quote") == 1


def test_64_addresses_without_keys_are_one_address(test_api):
    body = {"asset": "USDT", "network": "tron", "external_ref": "newcomer"}
    answers = all_at_once(
        [lambda: Api(test_api.key, False).post("/addresses", body, key=None)] * CALLERS
    )

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert count("rails_depositaddress") == 1


def test_64_sandbox_deposits_with_one_key_are_credited_once(test_api, funded):
    body = {"external_ref": "user-1", "asset": "USDT", "network": "tron", "amount": "5"}
    answers = all_at_once(
        [lambda: Api(test_api.key, False).post("/sandbox/deposits", body, key="k")] * CALLERS
    )

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert units_held(funded, livemode=False, network="tron") == 5 * USDT
