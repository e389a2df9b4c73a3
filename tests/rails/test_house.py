"""The house's own bridge: no two crossings are promised the same tokens."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from engine.rails.base import Outcome, Prepared
from engine.rails.errors import RailRejected
from engine.rails.house import release
from engine.rails.models import HouseCrossing, WalletAsset
from engine.rails.statements import CannotRecall
from tests.rails.crossings import (
    ADDRESSES,
    OPEN,
    USDT,
    pay_second_leg,
    prepare,
    slot,
    words,
)


def test_a_crossing_is_promised_a_wallets_tokens(house, wallet, cross):
    row = wallet(100)
    order = cross(60)

    (answer,) = prepare(house, [order])

    reference = f"house:{order.payout_id.hex}:1"
    assert answer == Prepared("house", "polygon", reference, reference.encode())
    crossing = HouseCrossing.objects.get()
    assert (crossing.reference, crossing.payout_id) == (reference, order.payout_id)
    assert (crossing.asset, crossing.units, crossing.wallet) == ("USDT", 60 * USDT, row)
    assert (crossing.from_network, crossing.to_network) == ("polygon", "ethereum")
    assert crossing.released_at is None


def test_no_two_crossings_are_promised_the_same_tokens(house, wallet, cross):
    wallet(100)

    assert words(prepare(house, [cross(60), cross(60), cross(40)])) == [
        "promised",
        "liquidity",
        "promised",
    ]
    assert words(prepare(house, [cross(1)])) == ["liquidity"]
    assert HouseCrossing.objects.count() == 2


def test_one_wallet_must_have_it_all(house, wallet, cross):
    wallet(60)
    wallet(50)

    assert words(prepare(house, [cross(61), cross(60), cross(50), cross(1)])) == [
        "liquidity",
        "promised",
        "promised",
        "liquidity",
    ]


@pytest.mark.parametrize(
    "lame",
    [
        {"is_enabled": False},
        {"frozen_at": "2026-01-01T00:00:00Z", "frozen_why": "foreign nonce"},
        {"purpose": "deposits"},
        {"network": "polygon"},
    ],
)
def test_a_wallet_that_may_not_pay_there_is_no_liquidity(house, wallet, cross, lame):
    wallet(100, **lame)

    assert words(prepare(house, [cross(1)])) == ["liquidity"]
    assert HouseCrossing.objects.count() == 0


def test_a_balance_that_nobody_has_seen_is_none(house, wallet, cross):
    wallet(None)

    assert words(prepare(house, [cross(1)])) == ["liquidity"]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, 40),
        # Mined after the balance was seen, or before and so counted in it already.
        ({"mined_block": 101}, 40),
        ({"mined_block": 101, "closed_at": "2026-01-01T00:00:00Z"}, 40),
        ({"mined_block": 100}, 100),
        ({"closed_at": "2026-01-01T00:00:00Z"}, 100),
        ({"asset": "XAUT"}, 100),
    ],
)
def test_what_is_already_on_its_way_is_not_promised_again(house, wallet, cross, changes, left):
    slot(wallet(100), 60, 0, **changes)

    assert words(prepare(house, [cross(left + 1), cross(left)])) == ["liquidity", "promised"]


def test_nothing_is_promised_beyond_what_a_wallet_may_sign_in_a_day(house, wallet, cross):
    row = wallet(100, ceiling=50)
    slot(row, 20, 0, mined_block=50)

    assert words(prepare(house, [cross(31), cross(30), cross(1)])) == [
        "liquidity",
        "promised",
        "liquidity",
    ]


def test_once_the_second_leg_has_its_attempt_the_promise_is_over(house, wallet, cross):
    row = wallet(100)
    order = cross(100)
    prepare(house, [order])
    assert words(prepare(house, [cross(1)])) == ["liquidity"]

    slot(row, 100, 0)
    pay_second_leg(order)
    # The slot holds them now, and not both.
    WalletAsset.objects.update(balance_units=150 * USDT)
    assert words(prepare(house, [cross(51), cross(50)])) == ["liquidity", "promised"]
    assert OPEN.get().units == 50 * USDT


def test_a_payout_that_is_given_up_gives_its_tokens_back(house, wallet, cross):
    wallet(100)
    order = cross(100)
    prepare(house, [order])

    release([order.payout_id])

    assert OPEN.count() == 0
    assert words(prepare(house, [cross(100)])) == ["promised"]


def test_preparing_again_promises_nothing_more(house, wallet, cross):
    wallet(100)
    order = cross(100)

    first = prepare(house, [order])

    assert prepare(house, [order]) == first
    assert HouseCrossing.objects.count() == 1


def test_a_promise_stands_or_falls_with_the_engines_transaction(house, wallet, cross):
    wallet(100)
    with transaction.atomic():
        house.prepare([cross(100)])
        transaction.set_rollback(True)

    assert words(prepare(house, [cross(100)])) == ["promised"]


@pytest.mark.parametrize(
    "change",
    [
        {"asset": "BTC"},
        {"network": "ethereum"},
        {"network": "bitcoin"},
        {"asset": "XAUT", "network": "avalanche"},
    ],
)
def test_what_is_no_crossing_is_rejected(house, wallet, cross, change):
    wallet(100)
    (answer,) = prepare(house, [cross(1, **change)])

    assert isinstance(answer, RailRejected)
    assert answer.failure_code == "asset_not_on_network"
    assert HouseCrossing.objects.count() == 0


def test_it_is_final_because_the_promise_stands_and_for_no_other_reason(house, wallet, cross):
    wallet(100)
    (prepared,) = prepare(house, [cross(60)])
    unknown = replace(prepared, reference="house:00:1")

    (receipt,) = house.submit([prepared])
    final, nothing = house.look_up([prepared, unknown])

    crossing = HouseCrossing.objects.get()
    assert receipt.accepted is True
    assert (final.outcome, final.seen_at) == (Outcome.FINAL, crossing.reserved_at)
    assert final.evidence == {
        "promised": "60000000",
        "asset": "USDT",
        "on": "ethereum",
        "wallet": crossing.wallet_id,
    }
    assert (nothing.outcome, nothing.needs_person) == (Outcome.UNKNOWN, False)


def test_an_empty_batch_asks_nothing(house, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert (house.preflight([]), house.prepare([])) == ([], [])


@pytest.mark.parametrize(
    "rewrite",
    [
        "UPDATE rails_housecrossing SET units = 1",
        "UPDATE rails_housecrossing SET wallet_id = wallet_id, payout_id = gen_random_uuid()",
        "DELETE FROM rails_housecrossing",
        "TRUNCATE rails_housecrossing",
    ],
)
def test_a_promise_cannot_be_rewritten(house, wallet, cross, rewrite):
    wallet(100)
    prepare(house, [cross(60)])

    with connection.cursor() as cursor:
        # PostgreSQL empties no table whose foreign keys are still to be checked.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(rewrite)


def test_a_promise_ends_once(house, wallet, cross):
    wallet(100)
    order = cross(60)
    prepare(house, [order])
    release([order.payout_id])

    with pytest.raises(IntegrityError), transaction.atomic():
        HouseCrossing.objects.update(released_at=None)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_cannot_promise_the_same_tokens(house, wallet, cross):
    wallet(100)
    meeting = Barrier(8)

    def work(number):
        try:
            meeting.wait(10)
            return words(prepare(house, [cross(30)]))[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        told = sorted(pool.map(work, range(8)))

    assert told == ["liquidity"] * 5 + ["promised"] * 3
    assert sum(OPEN.values_list("units", flat=True)) == 90 * USDT


def restore_without_crossings():
    """As a backup from before would: the rows were never there."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE rails_housecrossing DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM rails_housecrossing")
        cursor.execute("SELECT zopay_test_enable_always('rails_housecrossing')")


def test_a_restored_house_can_be_told_its_promises_again(house, wallet, cross):
    row = wallet(100)
    order = cross(60)
    (prepared,) = prepare(house, [order])
    (terms,) = house.statement.terms_of([prepared])
    assert terms == {
        "payout": order.payout_id.hex,
        "asset": "USDT",
        "from_network": "polygon",
        "to_network": "ethereum",
        "units": "60000000",
        "wallet": row.address,
    }
    restore_without_crossings()
    assert house.statement.delivered([prepared]) == [False]

    for _ in range(2):
        payload = house.statement.recall(
            network="polygon", reference=prepared.reference, terms=terms
        )
        assert payload == prepared.payload

    assert HouseCrossing.objects.get().units == 60 * USDT
    assert house.statement.delivered([prepared]) == [True]
    assert [one.outcome for one in house.look_up([prepared])] == [Outcome.FINAL]
    assert words(prepare(house, [cross(41)])) == ["liquidity"]
    assert (house.statement.recover(explained=()), house.statement.held()) == ([], [])


@pytest.mark.parametrize("change", [{"units": "1"}, {"wallet": ADDRESSES[6]}])
def test_another_promise_is_not_written_over_one_that_stands(house, wallet, cross, change):
    wallet(100)
    (prepared,) = prepare(house, [cross(60)])
    (terms,) = house.statement.terms_of([prepared])

    with pytest.raises(CannotRecall):
        house.statement.recall(
            network="polygon", reference=prepared.reference, terms=terms | change
        )

    assert HouseCrossing.objects.get().units == 60 * USDT
