"""POST /payouts, and what GET /payouts/{id} shows of it afterwards."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connect.door import describe
from engine.payouts import services
from engine.payouts.models import Freeze, Limit, Payout, Quote
from engine.payouts.states import Status
from tests.cast import QUOTE, SOLANA, USDT, drain_once, footprint, units_held


def test_an_accepted_payout_has_the_members_of_the_published_document(api):
    quote = api.post("/payouts/quote", QUOTE).json()
    answer = api.post("/payouts", {"quote_id": quote["quote_id"]}, key=None)

    payout = answer.json()
    assert answer.status_code == 201
    assert list(payout) == ["id", "status", "quote", "estimated_delivery_at", "tracking_url"]
    assert re.fullmatch(r"pay_[0-9a-f]{32}", payout["id"])
    assert payout["status"] == "pending"
    assert list(payout["quote"]) == [
        "quote_id",
        "user_sends",
        "recipient_gets",
        "fee_total_usd",
        "route",
    ]
    for name in payout["quote"]:
        assert payout["quote"][name] == quote[name]
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/t/[\w-]{43}", payout["tracking_url"])


def test_the_funds_are_held_at_once(live_api, funded):
    live_api.pay()

    assert units_held(funded, livemode=True) == 900 * USDT
    assert units_held(funded, livemode=False) == 1000 * USDT


def test_a_used_live_quote_names_its_payout(live_api):
    quote_id = live_api.quote()
    payout = live_api.post("/payouts", {"quote_id": quote_id}).json()
    before = footprint()

    again = live_api.post("/payouts", {"quote_id": quote_id}, key=None)

    assert (again.status_code, again.json()["code"]) == (409, "quote_already_used")
    assert again.json()["payout_id"] == payout["id"]
    assert footprint() == before


def test_a_test_quote_executed_again_gives_the_first_answer(test_api):
    quote_id = test_api.quote()
    first = test_api.post("/payouts", {"quote_id": quote_id})
    before = footprint()
    again = test_api.post("/payouts", {"quote_id": quote_id})

    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert footprint() == before


def test_a_test_quote_is_executed_again_after_it_was_delivered(test_api, finish):
    first = test_api.pay()
    finish()

    assert test_api.pay() == first


def test_a_balance_that_is_too_small_now_leaves_the_quote_unused(live_api, funded):
    first, second = live_api.quote(amount="600"), live_api.quote(amount="600")
    live_api.post("/payouts", {"quote_id": first})
    before = footprint()

    refused = live_api.post("/payouts", {"quote_id": second}, key=None)

    assert (refused.status_code, refused.json()["code"]) == (422, "insufficient_funds")
    assert footprint() == before
    assert Quote.objects.filter(used_at__isnull=False).count() == 1


EXECUTE_AT_AGE = """
DO $$
BEGIN
    ALTER TABLE payouts_quote DISABLE TRIGGER quote_keeps_its_promise;
    UPDATE payouts_quote SET created_at = clock_timestamp() - interval '{age} s',
        expires_at = clock_timestamp() - interval '{age} s' + interval '60 s';
    ALTER TABLE payouts_quote ENABLE ALWAYS TRIGGER quote_keeps_its_promise;
END $$;
"""


def age_quote(seconds):
    """Let the only quote be that old by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(EXECUTE_AT_AGE.format(age=seconds))


@pytest.mark.django_db(transaction=True)
def test_a_quote_is_kept_at_59_9_seconds(live_api, funded):
    """Aged and executed by one statement: through the API a tenth of a second may pass."""
    quote_id = live_api.quote()
    execute = f"""
        PERFORM payouts_execute('{quote_id[3:35]}', '{quote_id[35:]}', '{funded.pk}', true,
                                NULL, '', interval '24 hours', '{{"live": "simulated"}}', 'connect');
    END $$;
    """
    with connection.cursor() as cursor:
        cursor.execute(EXECUTE_AT_AGE.format(age=59.9).replace("END $$;", execute))

    assert Payout.objects.count() == 1
    assert units_held(funded, livemode=True) == 900 * USDT


@pytest.mark.django_db(transaction=True)
def test_a_quote_is_over_at_60_1_seconds_and_nothing_moves(live_api):
    quote_id = live_api.quote()
    age_quote(60.1)
    before = footprint()

    refused = live_api.post("/payouts", {"quote_id": quote_id}, key=None)

    assert (refused.status_code, refused.json()["code"]) == (410, "quote_expired")
    assert footprint() == before


def flips(quote_id):
    """Every quote_id that differs from this one in one character."""
    for place, character in enumerate(quote_id):
        yield quote_id[:place] + ("A" if character != "A" else "B") + quote_id[place + 1 :]


def test_every_character_of_a_quote_id_matters(live_api):
    quote_id = live_api.quote()
    before = footprint()

    for altered in flips(quote_id):
        refused = live_api.post("/payouts", {"quote_id": altered}, key=None)
        assert (refused.status_code, refused.json()["code"]) == (400, "quote_invalid"), altered
    assert footprint() == before
    assert live_api.post("/payouts", {"quote_id": quote_id}).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.swapcase,
        lambda text: text + "=",
        lambda text: text[:-1],
        lambda text: " " + text,
    ],
)
def test_another_spelling_of_a_quote_id_is_another_quote_id(live_api, change):
    refused = live_api.post("/payouts", {"quote_id": change(live_api.quote())}, key=None)

    assert (refused.status_code, refused.json()["code"]) == (400, "quote_invalid")


def test_while_frozen_nothing_is_executed(live_api):
    quote_id = live_api.quote()
    freeze = Freeze.objects.create(network="", reason="a test")
    before = footprint()

    refused = live_api.post("/payouts", {"quote_id": quote_id}, key="k")
    assert (refused.status_code, refused.json()["code"]) == (503, "payouts_frozen")
    assert refused["Retry-After"] == "60"
    assert footprint() == before

    freeze.delete()
    assert live_api.post("/payouts", {"quote_id": quote_id}, key="k").status_code == 201


def test_a_limit_is_a_limit(live_api, funded):
    Limit.objects.create(partner=funded, payout_usd_micros_max=99 * 10**6)
    quote_id = live_api.quote()
    before = footprint()

    refused = live_api.post("/payouts", {"quote_id": quote_id}, key=None)

    assert (refused.status_code, refused.json()["code"]) == (422, "limit_reached")
    assert footprint() == before


def test_get_shows_what_execute_answered_and_the_steps_since(api):
    accepted = api.pay()
    seen = api.get(f"/payouts/{accepted['id']}").json()

    assert {name: seen[name] for name in accepted} == accepted
    assert list(seen) == [*accepted, "timeline"]
    assert [step["status"] for step in seen["timeline"]] == ["pending"]


def test_a_delivered_payout_shows_its_steps_and_what_arrived(api, finish):
    accepted = api.pay()
    finish()
    seen = api.get(f"/payouts/{accepted['id']}").json()

    assert seen["status"] == "delivered"
    assert [step["status"] for step in seen["timeline"]] == [
        "pending",
        "broadcast",
        "delivered",
    ]
    assert list(seen)[-2:] == ["fees_paid_usd", "final_recipient_amount"]
    assert (seen["fees_paid_usd"], seen["final_recipient_amount"]) == ("1.55", "98.45")
    sent = seen["timeline"][1]
    assert list(sent) == ["status", "at", "network", "tx_hash", "explorer_url"]
    assert sent["network"] == "ethereum"
    assert sent["explorer_url"].endswith(f"/simulated/{sent['tx_hash']}")
    assert "failure" not in seen


def test_a_bridged_payout_shows_the_second_leg_under_the_same_word(live_api, finish):
    accepted = live_api.pay(destination=SOLANA)
    finish()
    steps = live_api.get(f"/payouts/{accepted['id']}").json()["timeline"]

    assert [(step["status"], step.get("network")) for step in steps] == [
        ("pending", None),
        ("broadcast", "ethereum"),
        ("broadcast", "solana"),
        ("delivered", "solana"),
    ]
    assert len({step["tx_hash"] for step in steps[1:3]}) == 2


@pytest.mark.parametrize(
    ("amount", "code", "words", "is_retryable"),
    [
        ("100.01", "destination_rejected", ["pending", "failed"], False),
        ("100.02", "transfer_reverted", ["pending", "broadcast", "failed"], True),
    ],
)
def test_a_failed_payout_says_why_and_gives_the_funds_back(
    test_api, funded, finish, amount, code, words, is_retryable
):
    accepted = test_api.pay(amount=amount)
    finish()
    seen = test_api.get(f"/payouts/{accepted['id']}").json()

    assert seen["status"] == "failed"
    assert [step["status"] for step in seen["timeline"]] == words
    assert (seen["failure"]["code"], seen["failure"]["retryable"]) == (code, is_retryable)
    assert list(seen["failure"]) == ["code", "message", "retryable"]
    assert "final_recipient_amount" not in seen
    assert "fees_paid_usd" not in seen
    assert units_held(funded, livemode=False) == 1000 * USDT


def test_a_cancelled_payout_is_a_failed_one_with_its_reason(live_api, funded):
    accepted = live_api.pay()
    payout = Payout.objects.get()
    services.advance(Status.CANCELLED, [services.Step(payout.id, failure_code="cancelled")])

    seen = live_api.get(f"/payouts/{accepted['id']}").json()
    assert (seen["status"], seen["failure"]["code"]) == ("failed", "cancelled")
    assert units_held(funded, livemode=True) == 1000 * USDT


def test_the_webhook_would_say_the_same_as_get(live_api, finish):
    accepted = live_api.pay(network_hint="polygon")
    finish()
    loaded = Payout.objects.select_related("quote").prefetch_related("events").get()

    with CaptureQueriesContext(connection) as queries:
        told = describe(loaded)
    assert told == live_api.get(f"/payouts/{accepted['id']}").json()
    assert len(queries) == 0


def test_the_estimate_moves_while_the_payout_does(live_api, settings):
    settings.SIMULATED_SEEN_SECONDS, settings.SIMULATED_FINAL_SECONDS = 0, 5
    accepted = live_api.pay()
    drain_once()
    seen = live_api.get(f"/payouts/{accepted['id']}").json()

    assert seen["status"] == "broadcast"
    assert seen["estimated_delivery_at"] < accepted["estimated_delivery_at"]


@pytest.mark.parametrize(
    "change",
    [
        {"quote_id": ""},
        {"quote_id": "x" * 129},
        {"quote_id": 1},
        {"quote_id": None},
        {},
        {"quote_id": "x", "amount": "1"},
        [],
        "text",
        None,
    ],
)
def test_a_body_of_another_form_is_refused(live_api, change):
    refused = live_api.post("/payouts", change)

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")


def test_executing_is_one_round_trip(live_api):
    quote_id = live_api.quote()

    with CaptureQueriesContext(connection) as queries:
        assert live_api.post("/payouts", {"quote_id": quote_id}).status_code == 201
    assert [query["sql"][:40] for query in queries if "payouts_execute" in query["sql"]] != []
    assert len(queries) == 1
