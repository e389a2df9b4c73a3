"""Batches that meet others, or die.

Goal: each quote is executed once and nobody waits in a circle. Method: two batches that want
the same rows in opposite orders are made to meet; a crash is an error after the work.
"""

import json
from threading import Barrier

import pytest
from django.db import connection, transaction

from connect.views.batches import PayoutBatches
from engine.ledger.models import Account
from engine.payouts.models import Payout, Quote
from tests.cast import USDT, Api, drain_once, footprint, fund, units_held
from tests.connect.batch import BATCH, batch, outcomes
from tests.meeting import Session, wait_until_so_many_wait_for_me


@pytest.mark.django_db(transaction=True)
def test_a_crash_before_the_commit_leaves_nothing(live_api, monkeypatch):
    quote_ids = [live_api.quote(amount="10"), live_api.quote(amount="20")]
    before = footprint()

    def crash(self, status, body):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(PayoutBatches, "keep", crash)
        with pytest.raises(SystemExit):
            live_api.post(BATCH, {"quote_ids": quote_ids}, key="k")

    assert footprint() == before
    assert outcomes(batch(live_api, quote_ids, key="k")) == [201, 201]


@pytest.mark.django_db(transaction=True)
def test_two_batches_that_meet_in_opposite_orders_execute_each_quote_once(live_api, funded):
    """Both wait for one account, and would take the others the other way round."""
    refs = [f"user-{letter}" for letter in "abcd"]
    for external_ref in refs:
        fund(funded, livemode=True, external_ref=external_ref, units=100 * USDT)
    quote_ids = [
        live_api.quote(external_ref=ref, amount="60") for ref in refs for _ in range(2)
    ]

    def send(chosen):
        return lambda: batch(Api(live_api.key, True), chosen)

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=Quote.objects.first().available_account_id)
        callers = [Session(send(chosen)) for chosen in (quote_ids, quote_ids[::-1])]
        wait_until_so_many_wait_for_me(2)

    first, second = (caller.wait() for caller in callers)
    told = outcomes(first) + outcomes(second)
    assert told.count(201) == 4
    assert told.count("insufficient_funds") + told.count("quote_already_used") == 12
    assert Payout.objects.count() == 4
    assert Quote.objects.filter(used_at__isnull=False).count() == 4


@pytest.mark.django_db(transaction=True)
def test_batches_of_the_same_users_in_opposite_orders_wait_for_each_other_in_no_circle(
    live_api, funded
):
    refs = [f"user-{letter}" for letter in "abcdefgh"]
    for external_ref in refs:
        fund(funded, livemode=True, external_ref=external_ref, units=1000 * USDT)
    orders = [refs, refs[::-1], refs[4:] + refs[:4], refs[::-1]]
    batches = [
        [live_api.quote(external_ref=ref, amount="10") for ref in order] for order in orders
    ]
    gate = Barrier(len(batches))

    def send(chosen):
        def run():
            connection.ensure_connection()
            gate.wait(timeout=20)
            return batch(Api(live_api.key, True), chosen)

        return run

    results = [caller.wait() for caller in [Session(send(chosen)) for chosen in batches]]

    assert [outcomes(one) for one in results] == [[201] * 8] * 4
    assert Payout.objects.count() == 32


@pytest.mark.django_db(transaction=True)
def test_two_batches_out_of_one_balance_that_meet_spend_it_once(live_api, funded):
    quote_ids = [live_api.quote(amount="600") for _ in range(2)]

    def send(quote_id):
        return lambda: batch(Api(live_api.key, True), [quote_id])

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=Quote.objects.first().available_account_id)
        callers = [Session(send(quote_id)) for quote_id in quote_ids]
        wait_until_so_many_wait_for_me(2)

    told = [outcomes(caller.wait())[0] for caller in callers]
    assert sorted(map(str, told)) == ["201", "insufficient_funds"]
    assert units_held(funded, livemode=True) == 400 * USDT


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [Quote, Account])
def test_locks_are_taken_from_the_lowest_id_up(live_api, funded, model):
    """While a batch waits for the first, nobody waits for any of the others."""
    refs = [f"user-{letter}" for letter in "abcdefgh"]
    for external_ref in refs:
        fund(funded, livemode=True, external_ref=external_ref, units=100 * USDT)
    quote_ids = [live_api.quote(external_ref=ref, amount="10") for ref in refs]
    wanted = (
        Quote.objects.values("id")
        if model is Quote
        else Quote.objects.values("available_account_id")
    )

    with transaction.atomic():
        ids = sorted(model.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        model.objects.select_for_update().get(pk=ids[0])
        caller = Session(lambda: batch(Api(live_api.key, True), quote_ids[::-1]))
        wait_until_so_many_wait_for_me(1)
        free = model.objects.filter(pk__in=ids[1:]).select_for_update(skip_locked=True)
        assert sorted(one.pk for one in free) == ids[1:]

    assert outcomes(caller.wait()) == [201] * 8


@pytest.mark.django_db(transaction=True)
def test_a_batch_and_a_settlement_of_the_same_accounts_do_not_wait_in_a_circle(
    live_api, funded, rail_at_once
):
    for _ in range(3):
        live_api.pay(amount="10")
    quote_ids = [live_api.quote(amount="10") for _ in range(10)]
    callers = [Session(lambda: batch(Api(live_api.key, True), quote_ids)), Session(drain_once)]

    assert outcomes(callers[0].wait()) == [201] * 10
    callers[1].wait()
    assert units_held(funded, livemode=True) == 870 * USDT


@pytest.mark.django_db(transaction=True)
def test_two_batches_with_one_key_that_meet_are_one_answer(live_api, funded):
    quote_ids = [live_api.quote(amount="10"), live_api.quote(amount="20")]

    def send():
        return Api(live_api.key, True).post(BATCH, {"quote_ids": quote_ids}, key="k")

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=Quote.objects.first().available_account_id)
        callers = [Session(send) for _ in range(2)]
        wait_until_so_many_wait_for_me(2)

    answers = [caller.wait() for caller in callers]
    assert answers[0].content == answers[1].content
    assert outcomes(json.loads(answers[0].content)["results"]) == [201, 201]
    assert sorted("Idempotent-Replayed" in answer for answer in answers) == [False, True]
    assert units_held(funded, livemode=True) == 970 * USDT
