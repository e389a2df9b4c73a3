"""A hundred who ask for the same at one moment make one payment, and one hold of money."""

from collections import Counter
from hashlib import sha256
from uuid import uuid4

import orjson
import pytest
from django.db import connection, connections, transaction

from engine.payouts.models import AssetPrice, GatewayFee
from payments.models import FormSession, Payment
from payments.services import LOCK_TEXT
from tests.cast import count
from tests.meeting import Session, wait_until_so_many_wait_for_me
from tests.payments.api_cast import BODY, Shop, make_token
from tests.payments.till import Till

pytestmark = pytest.mark.django_db(transaction=True)

CALLERS = 100
HUNDRED_EURO = 100_00


@pytest.fixture(autouse=True)
def seeds(transactional_db):
    """What migrations have put there stays, since these tests really commit."""
    kept = [(model, list(model.objects.all())) for model in (AssetPrice, GatewayFee)]
    yield
    for model, rows in kept:
        model.objects.exclude(pk__in=[row.pk for row in rows]).delete()
        for row in rows:
            row.save()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A hundred sessions on a busy machine take a while to come together."""
    monkeypatch.setattr("tests.meeting.SECONDS_MAX", 90)
    options = connections.settings["default"]["OPTIONS"]
    monkeypatch.setitem(options, "options", "-c lock_timeout=90s")


@pytest.fixture
def till(acme):
    return Till(acme, livemode=True)


@pytest.fixture
def token(till):
    text = make_token(till.partner, livemode=True)
    # Nobody's first: who writes the last use holds up no meeting.
    Shop(text).get()
    return text


def meet(till, name, calls):
    """Hold the name that all of `calls` need until every one of them waits for it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LOCK_TEXT, [f"payment {till.partner.pk} 1 {name}"])
        sessions = [Session(call) for call in calls]
        wait_until_so_many_wait_for_me(len(calls))
    return [session.wait() for session in sessions]


def digest(body):
    return sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def one_payment(answers, till):
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: len(answers) - 1}
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer for answer in answers if "Idempotent-Replayed" in answer]
    assert {answer.status_code for answer in replayed} == {200}
    assert len(replayed) == len(answers) - 1
    assert Payment.objects.count() == 1
    assert till.left() == 1000_00 - HUNDRED_EURO
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger_movement WHERE reference LIKE 'payment:%'")
        assert cursor.fetchone() == (1,)


ASKED = {"amount": "100.00"}


@pytest.mark.parametrize("key", [None, "k-1"])
def test_100_same_requests_are_one_payment(till, token, key):
    answers = meet(
        till,
        f"fingerprint {digest(BODY | ASKED)}",
        [lambda: Shop(token).ask(key=key, **ASKED)] * CALLERS,
    )

    one_payment(answers, till)


def test_100_with_one_external_id_and_100_keys_are_one_payment(till, token):
    body = ASKED | {"externalId": "order-1"}
    answers = meet(
        till,
        "external order-1",
        [lambda: Shop(token).ask(key=str(uuid4()), **body)] * CALLERS,
    )

    one_payment(answers, till)


def test_of_100_bodies_under_one_key_one_is_a_payment(till, token):
    answers = meet(
        till,
        "key k-1",
        [
            lambda n=number: Shop(token).ask(key="k-1", description=f"Order {n}")
            for number in range(CALLERS)
        ],
    )

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CALLERS - 1}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refused == {"idempotency_conflict"}
    assert Payment.objects.count() == 1


def test_100_keys_are_100_payments_as_far_as_the_money_goes(till, token):
    answers = meet(
        till,
        f"fingerprint {digest(BODY | ASKED)}",
        [lambda: Shop(token).ask(key=str(uuid4()), **ASKED)] * 20,
    )

    codes = Counter(answer.status_code for answer in answers)
    assert codes == {201: 10, 422: 10}
    assert {a.json()["code"] for a in answers if a.status_code == 422} == {"insufficient_funds"}
    assert (Payment.objects.count(), till.left()) == (10, 0)


def test_two_forms_that_agree_at_once_pay_once(till, token):
    shop = Shop(token)
    made = shop.make()
    bank = {"holder": "Ada Lovelace", "iban": "DE89370400440532013000"}
    states = [shop.step(made["id"], "bank_transfer", **bank).json()["state"] for _ in range(4)]
    with transaction.atomic():
        Payment.objects.select_for_update(no_key=True).get()
        sessions = [
            Session(lambda s=state: Shop(token).step(made["id"], "review", **s["fields"]))
            for state in states
        ]
        wait_until_so_many_wait_for_me(len(states))
    answers = [session.wait() for session in sessions]

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 3}
    assert count("payouts_payout") == 1
    assert FormSession.objects.exclude(used_at=None).count() == 1
