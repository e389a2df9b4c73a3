"""What a lane still has: room while blocks take its sends, and gas that is not spent twice."""

import re

import pytest
from django.db import connection, transaction

from engine.rails import house
from engine.rails.base import Prepared
from engine.rails.evm import slots
from engine.rails.evm.slots import Send, lock_lane, take_slots
from engine.rails.models import ChainHead, HotWallet, Slot, SlotKind
from tests.rails.evm.play import DEPTH, look, prepare, rail, sent

pytestmark = pytest.mark.django_db

PAST = """
    INSERT INTO rails_slot
        (wallet_id, nonce, kind, asset, units, destination, to_address, value_wei, calldata,
         gas_limit, created_at, mined_block, mined_hash, spent_wei, closed_at)
    SELECT %s, 1000000 + g, 'payout', 'USDT', 5, '0x', '0x', 0, '\\x00', 60000,
           now() - interval '30 days', 1 + g / 10, '0x', 1, now() - interval '30 days'
    FROM generate_series(1, 100000) g
"""


@pytest.fixture
def price(net):
    head = ChainHead.objects.get(network="ethereum")
    return 2 * head.base_fee_wei + head.tip_wei


def lane_at(price):
    with transaction.atomic():
        return lock_lane("ethereum", tried=[], gas_price=price)


def test_what_blocks_hold_already_leaves_room_in_the_lane(net, one_lane, order):
    """Finality takes a quarter of an hour on Ethereum; a lane that waited for it paid 64."""
    HotWallet.objects.filter(pk=one_lane.pk).update(in_flight_max=4)
    done = sent(*[order() for _ in range(4)])
    assert prepare(order())[0].waiting_for == "lane_full"
    net.mine(1)
    net.watch()
    rail().look_up(done)

    assert set(Slot.objects.values_list("closed_at", flat=True)) == {None}
    assert isinstance(prepare(order())[0], Prepared)


def test_what_a_reorganisation_takes_back_fills_the_lane_again(net, one_lane, order):
    HotWallet.objects.filter(pk=one_lane.pk).update(in_flight_max=1)
    prepared = sent(order())
    net.mine(1)
    look(prepared)
    assert isinstance(prepare(order())[0], Prepared)
    Slot.objects.update(mined_block=None, mined_hash="")

    assert prepare(order())[0].waiting_for == "lane_full"


def test_gas_is_reserved_until_the_balance_has_paid_for_it(net, one_lane, order, price):
    before = lane_at(price).gas
    prepared = sent(order())
    assert lane_at(price).gas == before - 120_000

    net.mine(1)
    look(prepared)
    assert lane_at(price).gas == before - 120_000

    net.watch()
    one_lane.refresh_from_db()
    assert one_lane.gas_block == net.number
    assert lane_at(price).gas == one_lane.gas_wei // price > before - 120_000


def test_gas_that_was_read_at_no_known_block_pays_for_all_that_is_open(
    net, one_lane, order, price
):
    prepared = sent(order())
    net.mine(1)
    net.watch()
    look(prepared)
    HotWallet.objects.update(gas_block=None)
    one_lane.refresh_from_db()

    assert lane_at(price).gas == one_lane.gas_wei // price - 120_000


def test_gas_that_was_promised_to_deposit_addresses_is_not_promised_again(net, one_lane, price):
    HotWallet.objects.filter(pk=one_lane.pk).update(gas_wei=200_000 * price)
    address, value = "0x" + "11" * 20, 170_000 * price
    with transaction.atomic():
        lane = lock_lane("ethereum", tried=[], gas_price=price)
        send = Send(SlotKind.GAS, "ETH", value, address, address, b"", 21_000, value)
        lane.taken.append((0, send))
        take_slots(lane)

    assert lane_at(price).gas == 200_000 - 170_000 - 21_000


def test_a_higher_limit_that_was_signed_is_what_is_reserved(net, one_lane, order, price):
    prepared = sent(order(gas=40_000))
    before = lane_at(price).gas
    slot = Slot.objects.get(pk=int(prepared.payload))
    slot.signed.create(
        number=2, kind="cancel", hash="0x", raw=b"", max_fee_wei=1, tip_wei=1, gas_limit=90_000
    )

    assert before - lane_at(price).gas == 90_000 - 60_000


def test_taking_a_nonce_does_not_read_all_that_was_ever_sent(net, one_lane, order):
    sent(order(), order())
    net.mine(DEPTH)
    with connection.cursor() as cursor:
        cursor.execute(PAST, [one_lane.pk])
        cursor.execute(
            "UPDATE rails_walletasset SET balance_block = 10000, ceiling_units = 10^9"
        )
        cursor.execute("ANALYZE rails_slot, rails_signedtransaction")
        for sql, values in (
            (slots.LANE, {"network": "ethereum", "tried": []}),
            (slots.FUNDS, [one_lane.pk]),
            (slots.UNDER_WAY, {"wallet": one_lane.pk, "gas_block": 1}),
            (house.FREE, [["ethereum"]]),
        ):
            cursor.execute(
                f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}", values
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "rails_slot" in plan
            assert "Seq Scan on rails_slot" not in plan
            removed = [int(one) for one in re.findall(r"Rows Removed by \D*: (\d+)", plan)]
            assert sum(removed) < 10, plan
