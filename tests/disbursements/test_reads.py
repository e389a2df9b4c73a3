"""What a merchant sees of payouts, and giving one up."""

import re

import pytest
from django.db import connection

from disbursements.door import describe
from engine.payouts import services
from engine.payouts.models import Payout
from engine.payouts.states import Status
from tests.cast import drain_once, footprint
from tests.disbursements.merchant import NUMBER


def test_a_payout_has_the_published_members(merchant, acme, finish):
    payout = merchant.pay()
    pending = merchant.get(f"/{payout['payout_id']}")
    finish()
    seen = merchant.get(f"/{payout['payout_id']}").json()["payout"]

    assert pending.status_code == 200
    assert list(pending.json()) == ["payout"]
    assert list(seen) == [
        "id", "merchantId", "gateway", "amount", "currency", "status", "recipient",
        "gatewayReference", "gatewayFee", "platformFee", "totalAmount", "createdAt",
        "completedAt", "error",
    ]  # fmt: skip
    moments = {seen.pop("createdAt"), seen.pop("completedAt")}
    assert all(re.fullmatch(r"[-0-9]{10}T[0-9:.]{8,15}Z", moment) for moment in moments)
    assert seen == {
        "id": payout["payout_id"],
        "merchantId": str(acme.pk),
        "gateway": "MTN_MOMO",
        "amount": "5000.00",
        "currency": "XAF",
        "status": "SUCCESS",
        "recipient": {"msisdn": NUMBER},
        "gatewayReference": payout["gateway_reference"],
        "gatewayFee": "15.00",
        "platformFee": "10.00",
        "totalAmount": "5025.00",
        "error": None,
    }
    assert pending.json()["payout"]["completedAt"] is None


def test_the_words_follow_the_payout(merchant, settings):
    settings.SIMULATED_SEEN_SECONDS, settings.SIMULATED_FINAL_SECONDS = 0, 600
    payout = merchant.pay()["payout_id"]
    words = [merchant.get(f"/{payout}").json()["payout"]["status"]]
    drain_once()
    words.append(merchant.get(f"/{payout}").json()["payout"]["status"])

    assert words == ["PENDING", "PROCESSING"]


@pytest.mark.parametrize(
    ("ending", "code", "is_retryable"),
    [("6089", "PAYEE_NOT_FOUND", False), ("6119", "PROVIDER_FAILED", False)],
)
def test_a_failed_payout_says_why(merchant, finish, ending, code, is_retryable):
    payout = merchant.pay(msisdn=f"+23767000{ending}")["payout_id"]
    finish()
    seen = merchant.get(f"/{payout}").json()["payout"]

    assert seen["status"] == "FAILED"
    assert (seen["error"]["code"], seen["error"]["retryable"]) == (code, is_retryable)
    assert seen["error"]["message"].endswith("The funds are back.")
    assert seen["completedAt"] is not None


def test_a_payout_that_waits_says_for_what(merchant):
    payout = merchant.pay()["payout_id"]
    Payout.objects.update(waiting_for="operator_down")
    seen = merchant.get(f"/{payout}").json()["payout"]

    assert (seen["status"], seen["error"]["code"]) == ("PENDING", "OPERATOR_DOWN")


def test_get_and_the_model_are_described_alike(merchant, finish):
    payout = merchant.pay()["payout_id"]
    finish()
    loaded = Payout.objects.select_related("quote").get()

    assert describe(loaded) == merchant.get(f"/{payout}").json()["payout"]


@pytest.fixture
def three(merchant):
    """Three payouts, the newest last."""
    return [merchant.pay(amount=str(amount))["payout_id"] for amount in (100, 200, 300)]


def listed(merchant, **query):
    answer = merchant.get("", **query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(body):
    return [payout["id"] for payout in body["payouts"]]


def test_the_list_is_newest_first_by_pages(merchant, three):
    first = listed(merchant, limit=2)
    second = listed(merchant, limit=2, offset=2)

    assert list(first) == ["payouts", "total", "limit", "offset", "hasMore"]
    assert ids(first) + ids(second) == three[::-1]
    assert {name: first[name] for name in ("total", "limit", "offset", "hasMore")} == {
        "total": 3, "limit": 2, "offset": 0, "hasMore": True,
    }  # fmt: skip
    assert (second["offset"], second["hasMore"]) == (2, False)
    assert listed(merchant)["limit"] == 20
    assert merchant.get("/").json() == merchant.get("").json()


def test_the_list_is_filtered(merchant, three):
    key = Payout.objects.get(units_received=200).pk
    services.cancel(key)

    assert ids(listed(merchant, status="CANCELLED")) == [three[1]]
    assert ids(listed(merchant, status="PENDING")) == [three[2], three[0]]
    assert listed(merchant, gateway="ORANGE_MONEY")["total"] == 0
    assert listed(merchant, gateway="MTN_MOMO")["total"] == 3
    moment = Payout.objects.get(pk=key).created_at.isoformat()
    assert ids(listed(merchant, startDate=moment)) == [three[2], three[1]]
    assert ids(listed(merchant, endDate=moment)) == [three[0]]
    assert listed(merchant, startDate="2100-01-01")["payouts"] == []


def test_processing_is_either_of_two_states(merchant, settings):
    settings.SIMULATED_SEEN_SECONDS, settings.SIMULATED_FINAL_SECONDS = 0, 600
    first = merchant.pay()["payout_id"]
    drain_once()
    second = merchant.pay()["payout_id"]
    services.advance(Status.SENDING, [services.Step(Payout.objects.get(status="pending").pk)])

    assert ids(listed(merchant, status="PROCESSING")) == [second, first]


def test_the_count_is_bounded_and_a_page_still_says_whether_there_is_more(
    merchant, three, monkeypatch
):
    monkeypatch.setattr("engine.payouts.float_reads.COUNT_MAX", 2)
    page = listed(merchant, limit=2)

    assert (page["total"], page["hasMore"]) == (2, True)
    assert listed(merchant, offset=2, limit=2)["hasMore"] is False


@pytest.mark.parametrize(
    "query", [{}, {"status": "FAILED"}, {"gateway": "MTN_MOMO"}, {"startDate": "2026-01-01"}]
)
def test_a_page_and_its_count_are_read_by_an_index(merchant, three, query):
    plans = []
    with connection.cursor() as cursor:
        # Of a table this small any index is as good; this one is no help in a large one.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP INDEX payout_of_user")

    def explain(execute, sql, params, many, context):
        if "payouts_payout p" in sql:
            with connection.cursor() as cursor:
                cursor.cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.cursor.execute(f"EXPLAIN {sql}", params)
                plans.append("\n".join(row[0] for row in cursor.cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        listed(merchant, **query)

    page, count = plans
    assert "payout_of_float" in page
    assert "payout_of_float" in count
    assert "Limit" in count


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "１"}, {"limit": "1.0"},
        {"offset": "-1"}, {"offset": "+1"}, {"offset": "１"}, {"offset": "01"},
        {"offset": "10001"}, {"offset": ""}, {"status": "pending"}, {"status": ""},
        {"gateway": "mtn_momo"}, {"startDate": "yesterday"}, {"endDate": "2026-13-01"},
        {"page": "1"}, {"batch_id": "x" * 65},
    ],
)  # fmt: skip
def test_a_query_of_another_form_is_refused(merchant, query):
    answer = merchant.get("", **query)

    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
    assert [error["parameter"] for error in answer.json()["errors"]] == list(query)


def test_a_parameter_given_twice_is_refused(merchant):
    headers = merchant.signed("GET", "/api/v1/disbursements", "limit=1&limit=2")
    answer = merchant.send("GET", "/api/v1/disbursements", "limit=1&limit=2", headers=headers)

    assert answer.status_code == 400


def test_a_pending_payout_is_cancelled_and_gives_everything_back(merchant, left):
    payout = merchant.pay()["payout_id"]
    answer = merchant.post(f"/{payout}/cancel")

    assert answer.status_code == 200
    assert answer.json()["payout"]["status"] == "CANCELLED"
    assert answer.json()["payout"]["error"]["code"] == "CANCELLED"
    assert left() == 100_000
    assert drain_once() == 0


@pytest.mark.parametrize("state", ["sent", "cancelled", "delivered"])
def test_what_is_no_longer_pending_cannot_be_cancelled(merchant, finish, state):
    payout = merchant.pay()["payout_id"]
    if state == "sent":
        services.advance(Status.SENDING, [services.Step(Payout.objects.get().pk)])
    elif state == "cancelled":
        merchant.post(f"/{payout}/cancel")
    else:
        finish()
    before = footprint()

    answer = merchant.post(f"/{payout}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_CANCELLABLE")
    assert footprint() == before


def test_another_s_payout_does_not_exist(merchant, stranger):
    payout = merchant.pay()["payout_id"]
    before = footprint()
    missing = stranger.get(f"/pay_{'0' * 32}")

    for answer in (stranger.get(f"/{payout}"), stranger.post(f"/{payout}/cancel")):
        assert (answer.status_code, answer.content) == (404, missing.content)
    assert stranger.get().json()["payouts"] == []
    assert stranger.get().json()["total"] == 0
    assert footprint() == before


def test_connect_sees_the_float_and_none_of_the_payouts(merchant, live_api, stranger):
    payout = merchant.pay()["payout_id"]

    lines = {
        (line["asset"], line["network"]): line
        for line in live_api.get("/balances").json()["balances"]
    }
    assert lines["XAF", "float"]["amount"] == "94975"
    assert lines["XAF", "float"]["held"] == "5025"
    assert live_api.get("/balances", external_ref="user-1").json()["balances"][0]["asset"] == (
        "USDT"
    )
    assert live_api.get(f"/payouts/{payout}").status_code == 404
    assert live_api.get(f"/transactions/{payout}").status_code == 404
    assert live_api.get("/payouts").json()["data"] == []
    assert [row["type"] for row in live_api.get("/transactions").json()["data"]] == ["deposit"]


def test_connect_s_payouts_are_none_of_ours(merchant, live_api):
    payout = live_api.pay()["id"]

    assert merchant.get(f"/{payout}").status_code == 404
    assert merchant.post(f"/{payout}/cancel").status_code == 404
    assert merchant.get().json()["total"] == 0


def test_a_payout_has_a_public_page_that_the_api_does_not_promise(merchant, client):
    from engine.payouts.links import tracking_token

    payout = merchant.pay()
    seen = merchant.get(f"/{payout['payout_id']}").content.decode()

    token = tracking_token(Payout.objects.get().pk)
    assert client.get(f"/t/{token}").status_code == 200
    assert "/t/" not in seen
    assert token not in seen
