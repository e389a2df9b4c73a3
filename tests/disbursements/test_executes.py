"""POST /execute: once, whatever is repeated; refused, and nothing has moved."""

import re
from uuid import UUID

import pytest
from django.db import connection

from engine.payouts.models import BlockedDestination, Freeze, Limit, Payout
from engine.rails.models import Attempt
from tests.cast import drain_once, footprint
from tests.disbursements.merchant import NUMBER

ANOTHER = "+237670016789"


def test_the_answer_has_the_published_members(merchant, left):
    quote = merchant.quote()
    answer = merchant.execute(quote["quote_id"])

    payout = answer.json()
    assert answer.status_code == 200
    assert list(payout) == ["payout_id", "status", "gateway_reference", "correlation_id"]
    assert re.fullmatch(r"pay_[0-9a-f]{32}", payout["payout_id"])
    assert payout["status"] == "PENDING"
    assert UUID(payout["gateway_reference"]).version == 4
    assert UUID(payout["correlation_id"]).hex == payout["payout_id"][4:]
    assert left() == 100_000 - 5025


def test_the_reference_is_what_the_operator_will_be_told(merchant):
    payout = merchant.pay()
    drain_once()

    assert Attempt.objects.get().reference == payout["gateway_reference"]
    seen = merchant.get(f"/{payout['payout_id']}").json()["payout"]
    assert seen["gatewayReference"] == payout["gateway_reference"]


def test_the_reference_is_the_same_on_the_mobile_money_rail(merchant):
    from engine.rails.momo.references import reference_of

    payout = merchant.pay()
    row = Payout.objects.get()
    from engine.payouts.sending import order_for

    assert str(reference_of(order_for(row))) == payout["gateway_reference"]


def test_the_same_key_and_payload_give_the_same_bytes(merchant):
    quote = merchant.quote()["quote_id"]
    first = merchant.execute(quote, key="k-1")
    drain_once()
    before = footprint()

    again = merchant.execute(quote, key="k-1")

    assert (again.status_code, again.content) == (200, first.content)
    assert footprint() == before


@pytest.mark.django_db(transaction=True)
def test_the_same_key_replays_after_the_quote_has_expired(merchant):
    quote = merchant.quote()["quote_id"]
    first = merchant.execute(quote, key="k-1")
    age_quotes(1000)

    assert merchant.execute(quote, key="k-1").content == first.content


def test_the_same_key_for_another_quote_is_a_conflict(merchant):
    merchant.execute(merchant.quote()["quote_id"], key="k-1")
    second = merchant.quote(amount="100")["quote_id"]
    before = footprint()

    answer = merchant.execute(second, key="k-1")

    assert (answer.status_code, answer.json()["error"]) == (409, "Conflict")
    assert answer.json()["code"] == "IDEMPOTENCY_CONFLICT"
    assert footprint() == before
    assert merchant.execute(second, key="k-2").status_code == 200


def test_the_same_key_for_another_recipient_is_a_conflict(merchant):
    quote = merchant.quote()["quote_id"]
    merchant.execute(quote, key="k-1")
    before = footprint()

    answer = merchant.execute(quote, key="k-1", msisdn=ANOTHER)

    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert footprint() == before


def test_the_same_quote_with_another_key_is_a_conflict(merchant):
    quote = merchant.quote()["quote_id"]
    payout = merchant.execute(quote, key="k-1").json()
    before = footprint()

    answer = merchant.execute(quote, key="k-2")

    assert (answer.status_code, answer.json()["code"]) == (409, "QUOTE_ALREADY_USED")
    assert answer.json()["payout_id"] == payout["payout_id"]
    assert footprint() == before


def test_two_merchants_may_choose_the_same_key(merchant, stranger):
    for one in (merchant, stranger):
        assert one.execute(one.quote()["quote_id"], key="k-1").status_code == 200


@pytest.mark.parametrize("key", ["k" * 255, "clé ✓", " ", "disbursements:x"])
def test_any_text_is_a_key(merchant, key):
    quote = merchant.quote()["quote_id"]
    first = merchant.execute(quote, key=key)

    assert first.status_code == 200
    assert merchant.execute(quote, key=key).content == first.content


def test_another_recipient_than_the_quoted_one_is_refused(merchant):
    quote = merchant.quote()["quote_id"]
    before = footprint()

    for msisdn in (ANOTHER, NUMBER[1:], f" {NUMBER}", NUMBER.replace("6", "６", 1)):
        answer = merchant.execute(quote, key="k-1", msisdn=msisdn)
        assert (answer.status_code, answer.json()["code"]) in {
            (422, "RECIPIENT_MISMATCH"),
            (400, "INVALID_INPUT"),
        }
    assert footprint() == before
    assert merchant.execute(quote, key="k-1").status_code == 200


def test_a_float_that_is_too_small_says_what_is_missing(merchant, give, acme):
    quote = merchant.quote(amount="99999")["quote_id"]
    before = footprint()

    answer = merchant.execute(quote, key="k-1")

    assert (answer.status_code, answer.json()["error"]) == (402, "Payment Required")
    assert answer.json()["code"] == "INSUFFICIENT_FLOAT"
    assert (answer.json()["missing"], answer.json()["currency"]) == ("499.00", "XAF")
    assert footprint() == before
    give(acme, units=499, reference="bank-2")
    assert merchant.execute(quote, key="k-1").status_code == 200


def test_a_merchant_without_any_float_is_told_so(acme, mint_signing):
    merchant = mint_signing(acme)

    answer = merchant.execute(merchant.quote()["quote_id"])

    assert (answer.status_code, answer.json()["missing"]) == (402, "5025.00")
    assert Payout.objects.count() == 0


def age_quotes(seconds):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payouts_quote DISABLE TRIGGER quote_keeps_its_promise")
        cursor.execute(
            "UPDATE payouts_quote SET created_at = created_at - make_interval(secs => %s),"
            " expires_at = expires_at - make_interval(secs => %s)",
            [seconds, seconds],
        )
        cursor.execute(
            "ALTER TABLE payouts_quote ENABLE ALWAYS TRIGGER quote_keeps_its_promise"
        )


@pytest.mark.django_db(transaction=True)
def test_a_quote_lives_a_quarter_of_an_hour(merchant):
    young, old = merchant.quote()["quote_id"], merchant.quote()["quote_id"]
    age_quotes(840)
    assert merchant.execute(young).status_code == 200
    age_quotes(61)
    before = footprint()

    answer = merchant.execute(old)

    assert (answer.status_code, answer.json()["code"]) == (409, "QUOTE_EXPIRED")
    assert footprint() == before


def test_another_s_quote_does_not_exist(merchant, stranger):
    quote = merchant.quote()["quote_id"]
    before = footprint()

    theirs = stranger.execute(quote)

    assert (theirs.status_code, theirs.json()["code"]) == (404, "QUOTE_NOT_FOUND")
    assert footprint() == before


def test_no_quote_is_executed_through_another_door(merchant, live_api):
    disbursement = merchant.quote()["quote_id"]
    connect = live_api.quote()
    before = footprint()

    by_connect = live_api.post("/payouts", {"quote_id": disbursement})
    by_us = merchant.execute(connect)

    assert (by_connect.status_code, by_connect.json()["code"]) == (404, "quote_not_found")
    assert (by_us.status_code, by_us.json()["code"]) == (404, "QUOTE_NOT_FOUND")
    assert footprint() == before


@pytest.mark.parametrize("change", [str.upper, lambda text: text[:-1], lambda text: "x" + text])
def test_what_is_no_quote_of_ours_is_refused(merchant, change):
    before = footprint()
    answer = merchant.execute(change(merchant.quote()["quote_id"]))

    assert (answer.status_code, answer.json()["code"]) == (400, "QUOTE_INVALID")
    assert footprint() == before


def test_while_frozen_nothing_is_executed(merchant):
    quote = merchant.quote()["quote_id"]
    freeze = Freeze.objects.create(network="mtn_momo", reason="a test")
    before = footprint()

    answer = merchant.execute(quote, key="k-1")

    assert (answer.status_code, answer.json()["code"]) == (503, "PAYOUTS_FROZEN")
    assert answer.json()["retry_after"] == int(answer["Retry-After"])
    assert footprint() == before
    freeze.delete()
    assert merchant.execute(quote, key="k-1").status_code == 200


def test_limits_and_blocked_numbers_hold_here_too(merchant, acme):
    quote = merchant.quote()["quote_id"]
    BlockedDestination.objects.create(destination=NUMBER, reason="a test")
    before = footprint()

    assert merchant.execute(quote).json()["code"] == "DESTINATION_BLOCKED"
    BlockedDestination.objects.all().delete()
    # 5,025 francs are some nine dollars.
    Limit.objects.create(partner=acme, payout_usd_micros_max=8 * 10**6)
    assert merchant.execute(quote).json()["code"] == "LIMIT_REACHED"
    assert footprint() == before


def test_the_books_balance_after_an_arrival(merchant, finish, left, acme):
    from engine.ledger.services import balances

    merchant.pay()
    finish()

    def of(code):
        return balances(codes=[code], asset="XAF", livemode=True).get(code, 0)

    assert Payout.objects.get().status == "delivered"
    assert left() == 94_975
    assert of(f"partner:{acme.pk.hex}:float:held") == 0
    assert (of("custody:bank"), of("custody:mtn_momo"), of("fees")) == (-100_000, 5000, 25)


@pytest.mark.parametrize("ending", ["6089", "6119"])
def test_a_failed_payout_gives_everything_back(merchant, finish, left, ending):
    merchant.pay(msisdn=f"+23767000{ending}")
    finish()

    assert Payout.objects.get().status == "failed"
    assert left() == 100_000
