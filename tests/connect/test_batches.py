"""POST /payouts/batch: many quotes, one commit, and each result as it would have been alone.

Goal: nobody can tell a batch from so many single calls, but by its speed. Method: both ways
are asked for the same refusals and the answers compared; two batches that want the same
rows in opposite orders are made to meet elsewhere (test_batches_together.py).
"""

from uuid import uuid4

import pytest
from django.db import connection

from engine.ledger.models import Movement
from engine.payouts.models import BlockedDestination, Freeze, Limit, Payout, PayoutEvent, Quote
from tests.cast import EVM_2, QUOTE, TRON, USDT, Api, footprint, fund, units_held
from tests.connect.batch import BATCH, alone, batch, outcomes, plain


def test_every_quote_of_a_batch_becomes_a_payout(live_api, funded):
    quote_ids = [live_api.quote(amount=amount) for amount in ("10", "20", "30")]
    results = batch(live_api, quote_ids)

    assert outcomes(results) == [201, 201, 201]
    assert [one["body"]["quote"]["quote_id"] for one in results] == quote_ids
    assert [one["body"]["quote"]["user_sends"] for one in results] == ["10", "20", "30"]
    assert units_held(funded, livemode=True) == 940 * USDT
    assert Payout.objects.count() == PayoutEvent.objects.count() == 3
    assert Quote.objects.filter(used_at__isnull=True).count() == 0


def test_a_payout_out_of_a_batch_is_one_like_any_other(live_api, funded, finish):
    [single] = [live_api.pay(amount="50")]
    [batched] = batch(live_api, [live_api.quote(amount="50")])
    assert list(batched["body"]) == list(single)
    assert list(batched["body"]["quote"]) == list(single["quote"])

    rows = list(Payout.objects.order_by("created_at").values())
    told_apart = {
        "id", "quote_id", "promised_at", "estimated_delivery_at", "created_at", "due_at",
    }  # fmt: skip
    assert {name for name in rows[0] if rows[0][name] != rows[1][name]} <= told_apart
    finish()
    seen = live_api.get(f"/payouts/{batched['body']['id']}").json()
    assert seen["status"] == "delivered"
    assert {name: seen[name] for name in ("id", "tracking_url", "quote")} == {
        name: batched["body"][name] for name in ("id", "tracking_url", "quote")
    }


def test_the_movements_of_a_batch_have_the_names_of_single_ones(live_api):
    results = batch(live_api, [live_api.quote(amount="10"), live_api.quote(amount="20")])

    assert sorted(
        Movement.objects.filter(reference__startswith="payout:").values_list(
            "reference", flat=True
        )
    ) == sorted(f"payout:{one['body']['id'].removeprefix('pay_')}:hold" for one in results)


def refused_quotes(api, other_api):
    """A quote for each refusal that one may meet, by its code."""
    quote_id = api.quote(amount="10")
    used = api.quote(amount="11")
    api.post("/payouts", {"quote_id": used}, key=None)
    blocked = api.quote(amount="12", destination=EVM_2)
    BlockedDestination.objects.create(
        destination=Quote.objects.order_by("created_at").last().destination
    )
    over = api.quote(amount="500")
    Limit.objects.create(payout_usd_micros_max=400 * 10**6)
    expired = api.quote(amount="13")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payouts_quote DISABLE TRIGGER quote_keeps_its_promise")
        cursor.execute(
            "UPDATE payouts_quote SET created_at = created_at - interval '1 hour',"
            " expires_at = expires_at - interval '1 hour' WHERE id = %s",
            [expired[3:35]],
        )
        cursor.execute(
            "ALTER TABLE payouts_quote ENABLE ALWAYS TRIGGER quote_keeps_its_promise"
        )
    return {
        "quote_invalid": quote_id[:-1] + ("A" if quote_id[-1] != "A" else "B"),
        "quote_not_found": other_api.quote(external_ref="theirs", amount="10"),
        "quote_already_used": used,
        "quote_expired": expired,
        "destination_blocked": blocked,
        "limit_reached": over,
    }


@pytest.mark.django_db(transaction=True)
def test_each_refusal_is_the_single_calls_to_the_letter_and_nothing_moves(
    live_api, other_live_api, other
):
    fund(other, livemode=True, external_ref="theirs", units=100 * USDT)
    wanted = refused_quotes(live_api, other_live_api)
    wanted["quote_invalid"], malformed = wanted["quote_invalid"], "qt_nothing"
    quote_ids = [*wanted.values(), malformed]
    before = footprint()

    results = batch(live_api, quote_ids)

    assert outcomes(results) == [*wanted, "quote_invalid"]
    assert [one | {"body": plain(one["body"])} for one in results] == [
        alone(live_api, quote_id) for quote_id in quote_ids
    ]
    assert footprint() == before


def test_refusals_stop_none_of_the_others(live_api, funded):
    good = [live_api.quote(amount="10") for _ in range(3)]
    results = batch(live_api, [good[0], "qt_nothing", good[1], good[0], good[2]])

    assert outcomes(results) == [201, "quote_invalid", 201, "quote_already_used", 201]
    assert results[3]["body"]["payout_id"] == results[0]["body"]["id"]
    assert units_held(funded, livemode=True) == 970 * USDT


@pytest.mark.parametrize(
    ("amounts", "expected", "left"),
    [
        # The one that does not fit leaves room for a smaller one after it.
        (["600", "600", "300"], [201, "insufficient_funds", 201], 100),
        (
            ["600", "300", "600", "100", "1"],
            [201, 201, "insufficient_funds", 201, "insufficient_funds"],
            0,
        ),
        (["1000", "1"], [201, "insufficient_funds"], 0),
    ],
)
def test_funds_that_end_half_way_are_spent_in_order(live_api, funded, amounts, expected, left):
    amounts = [amount if amount != "1" else "5" for amount in amounts]
    quote_ids = [live_api.quote(amount=amount) for amount in amounts]
    results = batch(live_api, quote_ids)

    assert outcomes(results) == expected
    assert units_held(funded, livemode=True) == left * USDT
    unused = Quote.objects.filter(used_at__isnull=True).count()
    assert unused == expected.count("insufficient_funds")


def test_a_refused_quote_of_a_batch_can_be_executed_once_there_are_funds(live_api, funded):
    quote_ids = [live_api.quote(amount="600"), live_api.quote(amount="600")]
    assert outcomes(batch(live_api, quote_ids)) == [201, "insufficient_funds"]
    fund(funded, livemode=True, units=600 * USDT)

    assert outcomes(batch(live_api, quote_ids)) == ["quote_already_used", 201]
    assert units_held(funded, livemode=True) == 400 * USDT


def test_a_days_limit_counts_what_the_batch_itself_sent(live_api, funded):
    Limit.objects.create(
        partner=funded, payout_usd_micros_max=10**12, day_usd_micros_max=250 * 10**6
    )
    quote_ids = [live_api.quote(amount=amount) for amount in ("100", "100", "100", "50")]

    assert outcomes(batch(live_api, quote_ids)) == [201, 201, "limit_reached", 201]
    assert units_held(funded, livemode=True) == 750 * USDT


def test_while_frozen_a_batch_moves_nothing_and_says_so_of_each(live_api):
    quote_ids = [live_api.quote(amount="10"), live_api.quote(amount="20")]
    Freeze.objects.create(network="", reason="a test")
    before = footprint()

    results = batch(live_api, quote_ids)

    assert [one["status"] for one in results] == [503, 503]
    assert outcomes(results) == ["payouts_frozen", "payouts_frozen"]
    assert footprint() == before


def test_a_freeze_of_one_network_stops_what_goes_there(live_api, funded):
    fund(funded, livemode=True, network="tron", units=100 * USDT)
    quote_ids = [
        live_api.quote(amount="10"),
        live_api.quote(amount="10", destination=TRON, network_hint="tron"),
    ]
    Freeze.objects.create(network="tron", reason="a test")

    assert outcomes(batch(live_api, quote_ids)) == [201, "payouts_frozen"]


def test_a_test_quote_twice_in_a_batch_gives_the_first_answer_twice(test_api, funded):
    quote_id = test_api.quote(amount="10")
    results = batch(test_api, [quote_id, quote_id])

    assert outcomes(results) == [201, 201]
    assert results[0] == results[1]
    assert results == batch(test_api, [quote_id, quote_id])
    assert Payout.objects.count() == 1
    assert units_held(funded, livemode=False) == 990 * USDT


def test_a_quote_of_the_other_mode_is_not_found(live_api, test_api):
    quote_ids = [test_api.quote(amount="10"), live_api.quote(amount="10")]

    assert outcomes(batch(live_api, quote_ids)) == ["quote_not_found", 201]


def test_one_key_answers_the_whole_again_byte_for_byte(live_api, funded):
    body = {"quote_ids": [live_api.quote(amount="10"), "qt_nothing"]}
    first = live_api.post(BATCH, body, key="k")
    before = footprint()
    again = live_api.post(BATCH, body, key="k")

    assert (again.status_code, again.content) == (200, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert footprint() == before


def test_one_key_for_another_batch_is_a_conflict(live_api):
    quote_ids = [live_api.quote(amount="10"), live_api.quote(amount="20")]
    live_api.post(BATCH, {"quote_ids": quote_ids[:1]}, key="k")
    before = footprint()

    refused = live_api.post(BATCH, {"quote_ids": quote_ids}, key="k")

    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_conflict")
    assert footprint() == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"quote_ids": []},
        {"quote_ids": "qt_1"},
        {"quote_ids": {"0": "qt_1"}},
        {"quote_ids": None},
        {"quote_ids": [1]},
        {"quote_ids": [None]},
        {"quote_ids": [""]},
        {"quote_ids": ["x" * 129]},
        {"quote_ids": ["x"] * 101},
        {"quote_ids": ["x"], "quote_id": "x"},
        [],
    ],
)
def test_a_batch_of_another_form_is_refused_whole(live_api, body):
    refused = live_api.post(BATCH, body)

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")


def test_a_key_that_may_only_read_executes_no_batch(funded, mint, live_api):
    quote_id = live_api.quote()
    reader = Api(mint(funded, livemode=True, scopes=["payouts:read"]), livemode=True)
    before = footprint()

    refused = reader.post(BATCH, {"quote_ids": [quote_id]})

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert footprint() == before


def test_a_strangers_quote_locks_nobodys_accounts(live_api, other_live_api, other):
    """Who names another's quote waits for nobody's money, and finds nothing."""
    fund(other, livemode=True, external_ref="theirs", units=100 * USDT)
    theirs = other_live_api.quote(external_ref="theirs", amount="10")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT place, outcome FROM payouts_execute_many(%s::uuid[], %s::text[], %s, true,"
            " '{\"live\": \"simulated\"}', 'connect')",
            [[theirs[3:35]], [theirs[35:]], uuid4()],
        )
        assert cursor.fetchall() == [(1, "quote_not_found")]
        cursor.execute(
            "SELECT count(*) FROM ledger_account WHERE xmax::text::bigint ="
            " pg_current_xact_id()::text::bigint"
        )
        assert cursor.fetchone() == (0,)


def test_a_batch_of_a_hundred_is_five_statements(live_api, django_assert_num_queries):
    quote_ids = [live_api.quote(amount="5") for _ in range(100)]

    # The key is looked up, the work, the answer kept, and a transaction around both.
    with django_assert_num_queries(5):
        results = batch(live_api, quote_ids, key="k")
    assert outcomes(results) == [201] * 100


def test_the_quote_of_a_batch_says_what_its_own_answer_said(live_api):
    quote = live_api.post("/payouts/quote", QUOTE).json()
    [result] = batch(live_api, [quote["quote_id"]])

    for name in result["body"]["quote"]:
        assert result["body"]["quote"][name] == quote[name]
