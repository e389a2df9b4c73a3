"""Many at one moment, over connections of their own."""

import json
from collections import Counter

import pytest
import redis
from django.conf import settings
from django.db import transaction

from disbursements.models import SeenNonce
from engine.ledger.models import Account
from engine.payouts.models import Payout
from tests.disbursements.merchant import BASE, NUMBER, Merchant, csv_of
from tests.meeting import Session, all_at_once, wait_until_so_many_wait_for_me

CALLERS = 100
EXECUTE = f"{BASE}/execute"

pytestmark = pytest.mark.django_db(transaction=True)


def sender(merchant, body, headers):
    one = Merchant(merchant.key, merchant.secret)
    return lambda: one.send("POST", EXECUTE, "", body, headers=headers)


def body_for(merchant, key="k-1"):
    return json.dumps(
        {
            "quote_id": merchant.quote()["quote_id"],
            "idempotency_key": key,
            "recipient": {"msisdn": NUMBER},
        }
    ).encode()


def test_the_same_request_a_hundred_times_at_once_pays_once(merchant, left):
    body = body_for(merchant)
    headers = merchant.signed("POST", EXECUTE, "", body)

    answers = all_at_once([sender(merchant, body, headers) for _ in range(CALLERS)])

    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 99}
    assert {answer.json()["message"] for answer in answers if answer.status_code == 401} == {
        "Nonce already used"
    }
    assert Payout.objects.count() == 1
    assert left() == 94_975


def test_nor_does_it_pay_again_after_valkey_has_forgotten_everything(merchant, left):
    body = body_for(merchant)
    headers = merchant.signed("POST", EXECUTE, "", body)
    assert sender(merchant, body, headers)().status_code == 200

    # Ours alone: other suites may share the server.
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    answers = all_at_once([sender(merchant, body, headers) for _ in range(CALLERS)])

    assert Counter(answer.status_code for answer in answers) == {401: CALLERS}
    assert Payout.objects.count() == 1
    assert left() == 94_975


def test_a_hundred_signatures_under_one_idempotency_key_pay_once(merchant, left):
    body = body_for(merchant)
    calls = [
        sender(merchant, body, merchant.signed("POST", EXECUTE, "", body))
        for _ in range(CALLERS)
    ]

    answers = all_at_once(calls)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert SeenNonce.objects.count() == CALLERS + 1
    assert Payout.objects.count() == 1
    assert left() == 94_975


def test_two_executes_of_one_quote_that_surely_meet_make_one_payout(merchant, left):
    body = body_for(merchant)
    other = body.replace(b"k-1", b"k-2")
    with transaction.atomic():
        list(Account.objects.select_for_update())
        sessions = [
            Session(sender(merchant, text, merchant.signed("POST", EXECUTE, "", text)))
            for text in (body, other)
        ]
        wait_until_so_many_wait_for_me(2)

    assert sorted(session.wait().status_code for session in sessions) == [200, 409]
    assert left() == 94_975


def test_a_file_that_is_begun_a_hundred_times_at_once_is_one_batch(merchant):
    file_id = merchant.upload(csv_of(3)).json()["file_id"]
    body = json.dumps({"file_id": file_id, "idempotency_key": "b-1"}).encode()

    def begin():
        one = Merchant(merchant.key, merchant.secret)
        headers = one.signed("POST", f"{BASE}/bulk", "", body)
        return one.send("POST", f"{BASE}/bulk", "", body, headers=headers)

    answers = all_at_once([begin] * 30)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1


def test_two_batches_at_once_do_not_count_on_the_same_float(merchant):
    files = [
        merchant.upload(csv_of(6, amount=10_000, first=first)).json()["file_id"]
        for first in (670_000_000, 671_000_000)
    ]

    def begin(file_id):
        body = json.dumps({"file_id": file_id, "idempotency_key": file_id}).encode()
        one = Merchant(merchant.key, merchant.secret)
        headers = one.signed("POST", f"{BASE}/bulk", "", body)
        return lambda: one.send("POST", f"{BASE}/bulk", "", body, headers=headers)

    answers = all_at_once([begin(file_id) for file_id in files])

    assert sorted(answer.status_code for answer in answers) == [201, 402]
