"""Step 1 of settlement: one commit consumes the quote, holds the funds, makes the payout."""

import json
from datetime import timedelta
from time import sleep

import pytest
from django.db import connection, transaction
from django.utils import timezone

from engine.ledger.errors import InsufficientFunds
from engine.partners import answers
from engine.partners.errors import IdempotencyConflict
from engine.partners.models import StoredAnswer
from engine.payouts import errors
from engine.payouts.models import BlockedDestination, Freeze, Limit, Payout, Quote
from tests.cast import USDT, footprint
from tests.meeting import Session, wait_until_somebody_waits_for_me


def test_executing_holds_what_the_user_sends(promise, execute, books):
    execute(promise())

    assert books("user:ethereum:available") == 900 * USDT
    assert books("user:ethereum:held") == 100 * USDT


def test_the_answer_names_the_payout_and_its_terms(promise, execute):
    quote = promise()

    answer = json.loads(execute(quote).body)

    payout = Payout.objects.get()
    assert answer["id"] == payout.public_id
    assert answer["status"] == "pending"
    assert answer["quote"]["quote_id"] == quote.public_id
    assert payout.promised_at - payout.created_at < timedelta(seconds=30.001)
    assert list(payout.events.values_list("number", "status")) == [(1, "pending")]


def test_a_live_quote_is_used_once(promise, execute, books):
    quote = promise()
    execute(quote)
    before = footprint()

    with pytest.raises(errors.QuoteAlreadyUsed) as refusal:
        execute(quote)

    assert refusal.value.details == {"payout_id": Payout.objects.get().public_id}
    assert footprint() == before


def test_a_test_quote_gives_the_same_payout_again(promise, execute):
    quote = promise(livemode=False)
    first = execute(quote)
    before = footprint()

    again = execute(quote)

    assert (again.status, again.body) == (201, first.body)
    assert footprint() == before


def test_an_expired_quote_is_refused(promise, execute, settings):
    settings.QUOTE_TTL_SECONDS = 0.001
    quote = promise()
    sleep(0.01)
    before = footprint()

    with pytest.raises(errors.QuoteExpired):
        execute(quote)

    assert footprint() == before


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"quote_id": "qt_nonsense"}, errors.QuoteInvalid),
        ({"livemode": False}, errors.QuoteNotFound),
    ],
)
def test_a_strange_quote_is_refused(promise, execute, change, error):
    quote = promise()
    before = footprint()

    with pytest.raises(error):
        execute(quote, **change)

    assert footprint() == before


def test_another_partner_s_quote_is_not_there(promise, execute, other):
    quote = promise()
    before = footprint()

    with pytest.raises(errors.QuoteNotFound):
        execute(quote, partner_id=other.pk)

    assert footprint() == before


def test_a_signature_is_looked_at_to_its_last_character(promise, execute):
    quote = promise()
    last = "A" if quote.public_id[-1] != "A" else "B"
    before = footprint()

    with pytest.raises(errors.QuoteInvalid):
        execute(quote, quote_id=quote.public_id[:-1] + last)

    assert footprint() == before


def test_too_small_a_balance_leaves_the_quote_unused(promise, execute):
    first, second = promise(units=600 * USDT), promise(units=401 * USDT)
    execute(first)
    before = footprint()

    with pytest.raises(InsufficientFunds):
        execute(second)

    assert footprint() == before
    assert Quote.objects.get(pk=second.pk).used_at is None


def test_the_last_unit_may_be_spent(promise, execute, books):
    execute(promise(units=1000 * USDT))

    assert books("user:ethereum:available") == 0


@pytest.mark.parametrize("network", ["", "ethereum"])
def test_while_frozen_nothing_is_executed(promise, execute, network):
    quote = promise()
    freeze = Freeze.objects.create(network=network, reason="tested")
    before = footprint()

    with pytest.raises(errors.PayoutsFrozen):
        execute(quote)

    assert footprint() == before
    Freeze.objects.filter(pk=freeze.pk).update(lifted_at=timezone.now())
    assert execute(quote).status == 201


def test_a_freeze_elsewhere_stops_nobody_here(promise, execute):
    Freeze.objects.create(network="tron", reason="tested")

    assert execute(promise()).status == 201


def test_a_blocked_destination_is_refused(promise, execute):
    quote = promise()
    BlockedDestination.objects.create(destination=quote.destination, reason="tested")
    before = footprint()

    with pytest.raises(errors.DestinationBlocked):
        execute(quote)

    assert footprint() == before


def test_a_limit_holds_for_one_payout(promise, execute):
    Limit.objects.create(partner=None, payout_usd_micros_max=100_000_000)
    above = promise(units=100_000_001)
    before = footprint()

    with pytest.raises(errors.LimitReached):
        execute(above)

    assert footprint() == before
    assert execute(promise(units=100_000_000)).status == 201


def test_a_limit_holds_for_a_day_and_counts_no_payout_that_failed(
    funded, promise, execute, rail_at_once
):
    Limit.objects.create(partner=funded, day_usd_micros_max=250_000_000)
    execute(promise())
    execute(promise())
    third = promise()

    with pytest.raises(errors.LimitReached):
        execute(third)

    assert execute(promise(units=50 * USDT)).status == 201


def test_a_day_s_limit_forgets_what_was_sent_before_midnight_utc(promise, execute):
    Limit.objects.create(partner=None, day_usd_micros_max=100_000_000)
    execute(promise())
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    Payout.objects.update(created_at=midnight - timedelta(microseconds=1))
    execute(promise())
    Payout.objects.filter(created_at__lt=midnight).update(created_at=midnight)

    with pytest.raises(errors.LimitReached):
        execute(promise(units=10 * USDT))


def test_a_limit_of_one_partner_is_nobody_else_s(promise, execute, other):
    Limit.objects.create(partner=other, payout_usd_micros_max=1)

    assert execute(promise()).status == 201


def test_a_test_payout_knows_no_limit(promise, execute):
    Limit.objects.create(partner=None, payout_usd_micros_max=1)

    assert execute(promise(livemode=False)).status == 201


def test_the_same_key_gives_the_same_bytes_even_for_a_used_quote(promise, execute):
    quote = promise()
    first = execute(quote, idempotency_key="k", fingerprint=b"f" * 32)

    again = execute(quote, idempotency_key="k", fingerprint=b"f" * 32)

    assert (again.status, again.body, again.is_replay) == (201, first.body, True)
    assert Payout.objects.count() == 1


def test_the_same_key_for_another_request_is_refused(promise, execute):
    execute(promise(), idempotency_key="k", fingerprint=b"f" * 32)
    second = promise()
    before = footprint()

    with pytest.raises(IdempotencyConflict):
        execute(second, idempotency_key="k", fingerprint=b"g" * 32)

    assert footprint() == before


def test_a_key_is_free_again_after_a_day(promise, execute, settings):
    execute(promise(), idempotency_key="k", fingerprint=b"f" * 32)
    StoredAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24))

    assert not execute(promise(), idempotency_key="k", fingerprint=b"g" * 32).is_replay


@pytest.mark.django_db(transaction=True)
def test_two_executes_of_one_quote_meet_and_one_pays(promise, execute):
    quote = promise()
    with transaction.atomic():
        execute(quote)
        second = Session(lambda: execute(quote))
        wait_until_somebody_waits_for_me()

    with pytest.raises(errors.QuoteAlreadyUsed):
        second.wait()

    assert Payout.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_executes_of_one_balance_meet_and_one_pays(promise, execute, books):
    first, second = promise(units=600 * USDT), promise(units=600 * USDT)
    with transaction.atomic():
        execute(first)
        waiting = Session(lambda: execute(second))
        wait_until_somebody_waits_for_me()

    with pytest.raises(InsufficientFunds):
        waiting.wait()

    assert books("user:ethereum:available") == 400 * USDT
    assert Quote.objects.get(pk=second.pk).used_at is None


@pytest.mark.django_db(transaction=True)
def test_two_quotes_under_one_key_meet_and_the_second_leaves_no_trace(promise, execute):
    first, second = promise(), promise()
    with transaction.atomic():
        execute(first, idempotency_key="k", fingerprint=b"f" * 32)
        before = footprint()
        waiting = Session(lambda: execute(second, idempotency_key="k", fingerprint=b"g" * 32))
        wait_until_somebody_waits_for_me()

    with pytest.raises(IdempotencyConflict):
        waiting.wait()

    assert footprint() == before
    assert Quote.objects.get(pk=second.pk).used_at is None


@pytest.mark.django_db(transaction=True)
def test_an_answer_stored_meanwhile_for_the_same_request_is_replayed(funded, promise, execute):
    """The door keeps a refusal under the key without holding the quote's row."""
    quote = promise()
    with transaction.atomic():
        answers.store(
            partner_id=funded.pk,
            livemode=True,
            key="k",
            fingerprint=b"f" * 32,
            status=422,
            body=b"too little",
        )
        before = footprint()
        waiting = Session(lambda: execute(quote, idempotency_key="k", fingerprint=b"f" * 32))
        wait_until_somebody_waits_for_me()

    again = waiting.wait()

    assert (again.status, again.body, again.is_replay) == (422, b"too little", True)
    assert footprint() == before


@pytest.mark.django_db(transaction=True)
def test_two_executes_meet_under_a_day_s_limit_and_one_pays(funded, promise, execute):
    Limit.objects.create(partner=funded, day_usd_micros_max=150_000_000)
    first, second = promise(), promise()
    with transaction.atomic():
        execute(first)
        waiting = Session(lambda: execute(second))
        wait_until_somebody_waits_for_me()

    with pytest.raises(errors.LimitReached):
        waiting.wait()

    assert Payout.objects.count() == 1


def test_an_execute_is_one_statement(promise, execute, django_assert_num_queries):
    quote = promise()

    with django_assert_num_queries(1):
        execute(quote, idempotency_key="k", fingerprint=b"f" * 32)


def test_accounts_are_locked_in_the_order_of_their_ids(promise):
    quote = promise()

    assert quote.available_account_id < quote.held_account_id
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'payouts_execute'")
        source = cursor.fetchone()[0]
    assert source.index("FROM payouts_quote WHERE id = p_quote FOR UPDATE") < source.index(
        "a.balance >= q.units_sent FOR UPDATE"
    )
