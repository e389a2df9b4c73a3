"""POST /api/payments: one body, one payment, and the money set aside once.

A test of a refusal proves that nothing was written and nothing moved.
"""

import re
from uuid import uuid4

import pytest

from payments.models import Payment
from payments.services import expire_now
from tests.payments.api_cast import (
    BODY,
    SAMPLE,
    Shop,
    assert_is_problem,
    make_token,
    traces,
)
from tests.payments.till import Till

pytestmark = pytest.mark.django_db

EURO = 100
HOST = "shop.example"
RETURN = f"https://{HOST}/thanks"


@pytest.fixture
def shop(till):
    till.partner.redirect_hosts = [HOST]
    till.partner.save()
    return Shop(make_token(till.partner, livemode=till.livemode))


def test_the_published_sample_works_as_it_is_printed(shop, till):
    answer = shop.post(body=SAMPLE, key=SAMPLE["externalId"])

    assert answer.status_code == 201
    told = answer.json()
    assert re.fullmatch(r"pay_[0-9abcdefghjkmnpqrstvwxyz]{26}", told["id"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", told.pop("createdAt"))
    assert told == {
        "id": told["id"],
        "status": "pending",
        "url": f"http://127.0.0.1:8000/checkin/{told['id']}",
        "externalId": SAMPLE["externalId"],
        "amount": "10.00",
        "currency": "EUR",
        "description": "Order #1456",
        "metadata": {"orderId": 1456},
    }
    assert till.left() == 1000 * EURO - 10 * EURO
    assert answer["Cache-Control"] == "no-store"
    assert "Idempotent-Replayed" not in answer


def test_what_is_not_echoed_is_kept(shop):
    told = shop.make(
        redirectUrl=RETURN,
        webhookUrl="https://hooks.shop.example/a?b=c",
        customer={"id": "c-1", "name": "Ada Lovelace"},
    )

    assert not {"redirectUrl", "webhookUrl", "customer"} & set(told)
    payment = Payment.objects.get()
    assert (payment.redirect_url, payment.webhook_url) == (
        RETURN,
        "https://hooks.shop.example/a?b=c",
    )
    assert (payment.customer_id, payment.customer_name) == ("c-1", "Ada Lovelace")


@pytest.mark.parametrize("given", [{}, {"type": "payin"}])
def test_what_would_collect_money_is_refused(shop, given):
    before = traces()
    body = {name: text for name, text in BODY.items() if name != "type"} | given

    problem = assert_is_problem(shop.post(body=body), 422, "payin_not_supported")

    assert problem["detail"] == 'Say "type": "payout". Nothing is collected here.'
    assert traces() == before


# --- The same again --------------------------------------------------------------


def test_the_same_with_the_same_key_is_the_same_payment(shop, till):
    key = str(uuid4())
    first, again = shop.ask(key=key), shop.ask(key=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert till.left() == 990 * EURO


def test_the_same_without_a_key_is_the_same_payment(shop, till):
    first, again = shop.ask(), shop.ask()

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert till.left() == 990 * EURO


def test_without_a_key_it_is_also_what_was_made_with_one(shop, till):
    first, again = shop.ask(key="k-1"), shop.ask()

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert till.left() == 990 * EURO


def test_another_key_is_another_payment(shop, till):
    ids = {shop.ask(key=str(uuid4())).json()["id"] for _ in range(3)}

    assert len(ids) == 3
    assert till.left() == 970 * EURO


def test_the_order_of_members_and_white_space_are_not_part_of_what_was_asked(shop, till):
    raw = '{"type":"payout" , "currency":"EUR","amount":"10.00"\n}'
    first, again = shop.ask(), shop.post(raw=raw)

    assert again.json()["id"] == first.json()["id"]
    assert till.left() == 990 * EURO


def test_the_same_key_with_another_body_is_a_conflict(shop):
    shop.ask(key="k-1")
    before = traces()

    assert_is_problem(shop.ask(key="k-1", amount="11.00"), 409, "idempotency_conflict")

    assert traces() == before


def test_one_external_id_is_one_payment_whatever_the_key(shop, till):
    first = shop.ask(externalId="order-1", key="k-1")
    again = [shop.ask(externalId="order-1", key=key) for key in ("k-1", "k-2", None)]

    assert {answer.json()["id"] for answer in again} == {first.json()["id"]}
    assert {answer.status_code for answer in again} == {200}
    assert till.left() == 990 * EURO


@pytest.mark.parametrize("key", [None, "k-1", "k-2"])
def test_an_external_id_with_another_body_is_a_conflict(shop, key):
    shop.ask(externalId="order-1", key="k-0")
    before = traces()

    answer = shop.ask(externalId="order-1", amount="11.00", key=key)

    assert_is_problem(answer, 409, "external_id_conflict")
    assert traces() == before


def test_the_same_again_is_shown_as_it_stands_now(shop):
    told = shop.make(externalId="order-1")
    assert expire_now(Payment.objects.get().pk)

    again = shop.ask(externalId="order-1").json()

    assert (again["id"], again["status"]) == (told["id"], "failed")
    assert again["failure"]["code"] == "expired"


def test_a_host_that_left_the_list_does_not_hide_what_was_asked_before(shop, till):
    first = shop.ask(redirectUrl=RETURN, key="k-1")
    till.partner.redirect_hosts = []
    till.partner.save()

    again = shop.ask(redirectUrl=RETURN, key="k-1")
    assert (again.status_code, again.json()) == (200, first.json())
    before = traces()
    answer = shop.ask(redirectUrl=RETURN, key="k-2")
    assert_is_problem(answer, 422, "redirect_url_invalid")
    assert traces() == before


def test_modes_and_partners_know_nothing_of_each_other_s_keys_and_names(shop, till, other):
    Till(till.partner, livemode=not till.livemode)
    Till(other, livemode=till.livemode)
    elsewhere = [
        Shop(make_token(till.partner, livemode=not till.livemode)),
        Shop(make_token(other, livemode=till.livemode)),
    ]
    mine = shop.ask(key="k-1", externalId="order-1")
    theirs = [
        stranger.ask(key="k-1", externalId="order-1", description="another body")
        for stranger in elsewhere
    ]

    assert [answer.status_code for answer in (mine, *theirs)] == [201] * 3
    assert len({answer.json()["id"] for answer in (mine, *theirs)}) == 3


# --- Money -----------------------------------------------------------------------


def test_more_than_there_is_is_refused_and_a_top_up_lets_it_through(shop, till):
    before = traces()
    problem = assert_is_problem(
        shop.ask(amount="1000.01", key="k-1"), 422, "insufficient_funds"
    )
    assert problem["retryable"] is False
    assert traces() == before

    till.give("EUR", 1)
    assert shop.ask(amount="1000.01", key="k-1").status_code == 201
    assert till.left() == 0


@pytest.mark.parametrize(
    ("currency", "amount", "left"), [("XAF", "5000", 995_000), ("XAF", "5000.00", 995_000)]
)
def test_francs_have_no_decimals(shop, till, currency, amount, left):
    assert shop.make(currency=currency, amount=amount)["amount"] == "5000"
    assert till.left("XAF") == left


@pytest.mark.parametrize(
    "amount",
    [
        "0", "0.00", "-1", "+1", "1e3", "１２", "1_000", " 5 ", "5 ", "1,00", "10,000.00",
        ".5", "5.", "00.10", "1.001", "0.001", "Infinity", "NaN", "0x10", "10.00\n", "10.00€",
        "9" * 40, "1" + "0" * 19, "1\u200b0", "١٢",
    ],
)  # fmt: skip
def test_an_amount_is_written_in_one_way_only(shop, amount):
    before = traces()

    assert_is_problem(shop.ask(amount=amount), 422, "amount_invalid")

    assert traces() == before


@pytest.mark.parametrize("currency", ["CHF", "USDT", "ZZZ"])
def test_a_currency_we_do_not_keep_is_refused(shop, currency):
    before = traces()

    answer = shop.ask(currency=currency)

    if currency == "USDT":
        assert_is_problem(answer, 400, "invalid_input")
    else:
        assert_is_problem(answer, 422, "currency_not_supported")
    assert traces() == before
