"""GET /payouts and GET /transactions: pages by cursor, newest first."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.payouts.models import Payout
from tests.cast import SOLANA, USDT, drain_once, fund


@pytest.fixture
def five(live_api):
    """Five payouts' ids, the newest first."""
    return [live_api.pay(amount=str(20 + n))["id"] for n in range(5)][::-1]


def walk(api, path, **query):
    """Every id of a list, page after page."""
    ids, cursor = [], {}
    for _ in range(50):
        page = api.get(path, **query, **cursor).json()
        ids += [row["id"] for row in page["data"]]
        if page["cursor"] is None:
            return ids
        cursor = {"cursor": page["cursor"]}
    return pytest.fail("the list has no end")


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 200])
def test_pages_hold_every_payout_once_newest_first(live_api, five, limit):
    assert walk(live_api, "/payouts", limit=limit) == five


def test_rows_of_one_moment_are_neither_lost_nor_doubled(live_api, five):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payouts_payout SET created_at = '2026-01-01T00:00:00Z'")

    ids = walk(live_api, "/payouts", limit=2)
    assert sorted(ids) == sorted(five)


def test_a_row_that_comes_meanwhile_does_not_shift_the_pages(live_api, five):
    first = live_api.get("/payouts", limit=2).json()
    live_api.pay(amount="30")
    rest = walk(live_api, "/payouts", cursor=first["cursor"])

    assert [row["id"] for row in first["data"]] + rest == five


def test_a_line_of_the_list_is_the_payout_itself(live_api, five, finish):
    finish()
    for row in live_api.get("/payouts").json()["data"]:
        assert row == live_api.get(f"/payouts/{row['id']}").json()


def test_a_page_is_one_statement_however_long(live_api, five):
    with CaptureQueriesContext(connection) as one:
        live_api.get("/payouts", limit=1)
    with CaptureQueriesContext(connection) as all_five:
        live_api.get("/payouts", limit=5)

    assert (len(one), len(all_five)) == (1, 1)


def test_statuses_are_filtered_by_the_public_word(test_api, finish):
    for amount in ("20", "20.01", "20.02"):
        test_api.pay(amount=amount)
    finish()
    test_api.pay(amount="30")

    assert {
        word: len(test_api.get("/payouts", status=word).json()["data"])
        for word in ("pending", "broadcast", "delivered", "failed")
    } == {"pending": 1, "broadcast": 0, "delivered": 1, "failed": 2}


def test_an_unknown_status_is_refused(live_api):
    answer = live_api.get("/payouts", status="sending")

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "status")


def test_payouts_are_filtered_by_user_and_by_time(funded, live_api, five):
    fund(funded, livemode=True, external_ref="user-2", units=100 * USDT)
    hers = live_api.pay(external_ref="user-2", amount="50")["id"]
    third = Payout.objects.get(pk=five[2].removeprefix("pay_")).created_at.isoformat()

    assert walk(live_api, "/payouts", external_ref="user-2") == [hers]
    assert walk(live_api, "/payouts", external_ref="nobody") == []
    assert walk(live_api, "/payouts", **{"from": third}) == [hers, *five[:3]]
    assert walk(live_api, "/payouts", to=third) == five[3:]
    assert walk(live_api, "/payouts", **{"from": "2000-01-01", "to": "2000-01-02"}) == []


def flips(cursor):
    for place in range(len(cursor)):
        yield cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]


def test_a_cursor_of_another_s_making_is_refused(live_api, five):
    cursor = live_api.get("/payouts", limit=1).json()["cursor"]

    for altered in [*flips(cursor), cursor + "=", cursor[:-1], ""]:
        answer = live_api.get("/payouts", cursor=altered)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input"), altered
    # Nor does the cursor of one list open another.
    assert live_api.get("/transactions", cursor=cursor).status_code == 400


def test_transactions_hold_deposits_and_payouts_newest_first(funded, live_api):
    payout = live_api.pay()["id"]
    deposit = fund(funded, livemode=True, network="tron", units=5 * USDT).public_id

    ids = walk(live_api, "/transactions", limit=1)
    assert ids[:2] == [deposit, payout]
    assert [one.partition("_")[0] for one in ids] == ["dep", "pay", "dep"]


def test_a_deposit_and_a_payout_as_lines(funded, live_api, finish):
    accepted = live_api.pay(destination=SOLANA, amount="100")
    finish()
    payout, deposit = live_api.get("/transactions").json()["data"]

    assert payout | {"created_at": "", "ended_at": "", "tx_hash": "", "explorer_url": ""} == {
        "id": accepted["id"],
        "type": "payout",
        "status": "confirmed",
        "external_ref": "user-1",
        "asset": "USDT",
        "network": "ethereum",
        "amount": "100",
        "created_at": "",
        "ended_at": "",
        "to_network": "solana",
        "destination": SOLANA,
        "tx_hash": "",
        "explorer_url": "",
    }
    # The hash shown is that of the leg that arrived.
    assert payout["explorer_url"].endswith(f"/simulated/{payout['tx_hash']}")
    assert deposit["type"] == "deposit"
    assert (deposit["network"], deposit["amount"]) == ("ethereum", "1000")
    assert "destination" not in deposit
    for row in (payout, deposit):
        assert live_api.get(f"/transactions/{row['id']}").json() == row


def test_a_payout_on_its_way_shows_the_hash_on_the_network_it_is_on(live_api, settings):
    settings.SIMULATED_SEEN_SECONDS, settings.SIMULATED_FINAL_SECONDS = 0, 60
    live_api.pay(destination=SOLANA)
    drain_once()
    payout = live_api.get("/transactions", type="payout").json()["data"][0]

    assert payout["status"] == "pending"
    assert payout["explorer_url"].endswith(f"/simulated/{payout['tx_hash']}")


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ({"type": "deposit"}, ["deposit"]),
        ({"type": "payout"}, ["payout", "payout"]),
        ({"type": "deposit,payout"}, ["payout", "payout", "deposit"]),
        ({"status": "confirmed"}, ["payout", "deposit"]),
        ({"status": "failed"}, ["payout"]),
        ({"status": "failed,confirmed", "type": "payout"}, ["payout", "payout"]),
        ({"status": "pending"}, []),
        ({"external_ref": "nobody"}, []),
    ],
)
def test_transactions_are_filtered_by_type_and_status(test_api, finish, query, kinds):
    test_api.pay(amount="20")
    test_api.pay(amount="20.01")
    finish()

    rows = test_api.get("/transactions", **query).json()["data"]
    assert [row["type"] for row in rows] == kinds


@pytest.mark.parametrize(
    "query", [{"type": "refund"}, {"status": "done"}, {"type": ""}, {"type": "deposit,"}]
)
def test_an_unknown_word_is_refused(test_api, query):
    answer = test_api.get("/transactions", **query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


def test_a_page_of_transactions_is_one_statement(live_api, five):
    with CaptureQueriesContext(connection) as queries:
        live_api.get("/transactions")

    assert len(queries) == 1


def test_another_door_s_payouts_are_not_connect_s(live_api, five):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payouts_payout SET door = 'another'")

    assert live_api.get("/payouts").json()["data"] == []
    assert live_api.get(f"/payouts/{five[0]}").status_code == 404
    assert live_api.get("/transactions", type="payout").json()["data"] == []
