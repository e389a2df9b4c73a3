"""GET /api/payments: a partner sees her own payments of one mode, and nobody else's."""

from datetime import timedelta
from itertools import chain

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payments.base import RATE_LIMIT
from payments.models import Payment
from payments.services import expire_now
from tests.payments.api_cast import Shop, assert_is_problem, make_token, traces
from tests.payments.till import MOMO, NO_ACCOUNT, Till, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(till):
    return Shop(make_token(till.partner, livemode=till.livemode))


@pytest.fixture
def strangers(till, other):
    """Acme in the other mode, and another partner in this one, with money and tokens."""
    Till(till.partner, livemode=not till.livemode)
    Till(other, livemode=till.livemode)
    return [
        Shop(make_token(till.partner, livemode=not till.livemode)),
        Shop(make_token(other, livemode=till.livemode)),
    ]


def without_names(answer):
    """What two answers have in common but for the name of the request."""
    return (answer.status_code, answer.json() | {"request_id": ""})


def test_get_shows_what_post_has_answered(shop):
    made = shop.make(externalId="order-1", description="Order #1456")

    answer = shop.get(f"/api/payments/{made['id']}")

    assert (answer.status_code, answer.json()) == (200, made)


def test_another_partner_s_and_mode_s_payment_answers_exactly_as_a_missing_one(shop, strangers):
    made = shop.make()["id"]
    before = traces()
    for stranger in strangers:
        missing = stranger.get("/api/payments/pay_" + "0" * 26)
        assert_is_problem(missing, 404, "payment_not_found")
        for answer in (
            stranger.get(f"/api/payments/{made}"),
            stranger.step(made),
            stranger.step(made, "bank_transfer", holder="Eve", iban="DE89370400440532013000"),
            stranger.step(made, "review", session="0" * 26),
        ):
            assert without_names(answer) == without_names(missing)
        assert stranger.get().json()["data"] == []
    assert traces() == before


def test_a_payment_that_arrived_has_succeeded(till, shop, finish):
    made = shop.make(amount="10000", currency="XAF")
    pay(Payment.objects.get(), MOMO)
    assert shop.get(f"/api/payments/{made['id']}").json()["status"] == "pending"

    finish()

    told = shop.get(f"/api/payments/{made['id']}").json()
    assert told == made | {"status": "succeeded"}


def test_a_payment_that_is_mended_is_pending_still(shop, finish):
    made = shop.make(amount="10000", currency="XAF")
    pay(Payment.objects.get(), NO_ACCOUNT)
    finish()

    assert shop.get(f"/api/payments/{made['id']}").json() == made


def test_a_payment_that_failed_says_why(shop):
    made = shop.make()
    expire_now(Payment.objects.get().pk)

    told = shop.get(f"/api/payments/{made['id']}").json()

    assert told["status"] == "failed"
    assert told["failure"] == {
        "code": "expired",
        "message": "Nobody said in time how to be paid. The funds are back.",
        "retryable": True,
    }


# --- Lists -----------------------------------------------------------------------


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["data"]]


def test_pages_follow_each_other_the_newest_first(shop):
    made = [shop.make(amount=f"{number}.00")["id"] for number in range(1, 8)]
    seen, cursor = [], {}
    while True:
        answer = shop.get(limit="3", **cursor)
        seen.append(ids(answer))
        if answer.json()["cursor"] is None:
            break
        cursor = {"cursor": answer.json()["cursor"]}

    assert [len(page) for page in seen] == [3, 3, 1]
    assert list(chain(*seen)) == made[::-1]


def test_a_new_payment_does_not_move_the_next_page(shop):
    made = [shop.make(amount=f"{number}.00")["id"] for number in range(1, 5)]
    cursor = shop.get(limit="2").json()["cursor"]
    shop.make(amount="9.00")

    assert ids(shop.get(limit="2", cursor=cursor)) == made[1::-1]


def test_a_cursor_leads_nowhere_else(shop, strangers):
    for number in range(1, 4):
        shop.make(amount=f"{number}.00")
    cursor = shop.get(limit="1").json()["cursor"]

    for stranger in strangers:
        assert ids(stranger.get(cursor=cursor)) == []
    for place in (0, 20, 53):
        forged = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        assert_is_problem(shop.get(cursor=forged), 400, "invalid_input")


def test_lists_are_narrowed(shop):
    first = shop.make(externalId="order-1")["id"]
    second = shop.make(amount="2.00")["id"]
    expire_now(Payment.objects.get(external_id="order-1").pk)
    now = timezone.now()
    hour = timedelta(hours=1)

    def at(moment):
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    assert ids(shop.get(status="failed")) == [first]
    assert ids(shop.get(status="pending")) == [second]
    assert ids(shop.get(status="succeeded")) == []
    assert ids(shop.get(externalId="order-1")) == [first]
    assert ids(shop.get(**{"from": at(now - hour), "to": at(now + hour)})) == [second, first]
    assert ids(shop.get(**{"from": at(now + hour)})) == []
    assert ids(shop.get(to=at(now - hour))) == []


def test_a_page_costs_as_many_statements_however_long_it_is(shop):
    counts = []
    for _ in range(2):
        for number in range(5):
            shop.make(amount=f"{len(counts) + 1}.0{number}")
        with CaptureQueriesContext(connection) as caught:
            shop.get()
        counts.append(len(caught.captured_queries))

    assert counts == [2, 2]


def test_calls_are_counted_by_token(shop, till, settings):
    RATE_LIMIT.forget()
    settings.RATE_LIMIT_PER_MINUTE = 2
    before = traces()
    assert [shop.get().status_code for _ in range(2)] == [200, 200]

    answer = shop.ask()

    assert_is_problem(answer, 429, "rate_limited")
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert traces() == before
    another = Shop(make_token(till.partner, livemode=till.livemode))
    assert another.get().status_code == 200
    RATE_LIMIT.forget()
