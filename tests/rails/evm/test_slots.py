"""Nonces: from our rows alone, without a gap, and each for one payout for ever."""

from contextlib import contextmanager
from itertools import chain

import pytest
from django.db import connection, transaction

from engine.common.ids import new_id
from engine.rails.attempts import open_attempts
from engine.rails.base import Outcome, Prepared
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.models import ChainHead, HotWallet, HouseCrossing, Slot, Token, WalletAsset
from tests.meeting import (
    Session,
    wait_until_so_many_wait_for_me,
    wait_until_somebody_waits_for_me,
)
from tests.rails.evm.play import DEPTH, LANE, payments, prepare, rail, sent, slot_of

pytestmark = pytest.mark.django_db
# Tests whose sessions must see each other's rows really commit, which costs a second each.
commits = pytest.mark.django_db(transaction=True)

DISPATCHERS, EACH, BATCH = 3, 500, 100


def nonces(prepared):
    return [int(one.reference.rpartition(":")[2]) for one in prepared]


def wallet_of(prepared):
    return prepared.reference.split(":")[1]


@contextmanager
def holding(wallet):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LANE, [wallet.pk])
        yield


def test_a_reference_is_network_wallet_and_nonce(one_lane, order):
    prepared = prepare(order(), order(), order())

    assert [one.reference for one in prepared] == [
        f"ethereum:{one_lane.address}:{nonce}" for nonce in range(3)
    ]
    assert nonces(prepare(order())) == [3]


def test_a_slot_holds_all_that_is_signed_but_the_fees(net, one_lane, order):
    (prepared,) = prepare(order(cents=25_00, gas=50_000))

    slot = slot_of(prepared)

    assert (slot.wallet_id, slot.nonce, slot.kind) == (one_lane.pk, 0, "payout")
    assert (slot.asset, slot.units, slot.value_wei) == ("USDT", 24_999_000, 0)
    assert slot.to_address == net.token()
    assert bytes(slot.calldata).hex() == (
        "a9059cbb"
        "0000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
        "00000000000000000000000000000000000000000000000000000000017d7458"
    )


@pytest.mark.parametrize(
    ("estimate", "limit"),
    [
        (0, 120_000),
        (1, 45_000),
        (24_999, 45_000),
        (40_000, 60_000),
        (80_000, 104_000),
        (110_000, 120_000),
    ],
)
def test_gas_has_room_for_an_account_that_is_emptied_meanwhile(
    one_lane, order, estimate, limit
):
    (prepared,) = prepare(order(gas=estimate))

    assert slot_of(prepared).gas_limit == limit


def test_no_nonce_is_taken_outside_a_database_transaction(one_lane, order):
    with pytest.raises(RuntimeError, match="transaction that stores its attempt"):
        Session(lambda: rail().prepare([order()])).wait()

    assert Slot.objects.count() == 0


def test_a_prepare_that_is_rolled_back_gives_its_nonce_back(one_lane, order):
    with transaction.atomic():
        taken = rail().prepare([order(), order()])
        transaction.set_rollback(True)

    assert nonces(taken) == [0, 1]
    assert Slot.objects.count() == 0
    assert nonces(prepare(order())) == [0]


@commits
def test_three_dispatchers_at_once_leave_no_gap_and_pay_each_once(net, one_lane, order):
    HotWallet.objects.filter(pk=one_lane.pk).update(in_flight_max=10_000)
    template = order()
    shares = [
        [
            order(payout_id=new_id(), units=1 + number * DISPATCHERS + share)
            for number in range(EACH)
        ]
        for share in range(DISPATCHERS)
    ]

    def dispatch(share):
        batches = [share[start : start + BATCH] for start in range(0, EACH, BATCH)]
        return [one for batch in batches for one in sent(*batch)]

    with holding(one_lane):
        sessions = [Session(lambda share=share: dispatch(share)) for share in shares]
        wait_until_so_many_wait_for_me(DISPATCHERS)
    prepared = list(chain.from_iterable(session.wait() for session in sessions))
    while len(payments(net)) < DISPATCHERS * EACH and net.number < 100:
        net.mine()
    net.mine(DEPTH)
    sightings = rail().look_up(prepared)

    assert sorted(nonces(prepared)) == list(range(DISPATCHERS * EACH))
    assert {one.outcome for one in sightings} == {Outcome.FINAL}
    assert sorted(units for _, units in payments(net)) == [*range(1, DISPATCHERS * EACH + 1)]
    assert {to for to, _ in payments(net)} == {template.destination.lower()}


@commits
def test_a_second_wallet_pays_while_the_first_is_locked(net, order):
    first, second = HotWallet.objects.order_by("pk")
    with holding(first):
        prepared = Session(lambda: prepare(order(), order())).wait()

    assert [wallet_of(one) for one in prepared] == [second.address] * 2


@commits
def test_the_last_free_wallet_is_waited_for(one_lane, order):
    with holding(one_lane):
        session = Session(lambda: prepare(order()))
        wait_until_somebody_waits_for_me()

    assert nonces(session.wait()) == [0]


def test_a_second_wallet_pays_what_the_first_has_no_room_for(net, order):
    HotWallet.objects.update(in_flight_max=2)

    prepared = prepare(*(order() for _ in range(5)))

    wallets = [wallet_of(one) for one in prepared[:4]]
    assert sorted(wallets.count(wallet) for wallet in set(wallets)) == [2, 2]
    assert (type(prepared[4]), prepared[4].waiting_for) == (RailUnavailable, "lane_full")


@commits
def test_networks_in_opposite_order_do_not_lock_each_other_out(devnets, order):
    devnets("ethereum", "polygon")
    for network in ("ethereum", "polygon"):
        first = HotWallet.objects.filter(network=network).earliest("pk")
        HotWallet.objects.filter(network=network).exclude(pk=first.pk).update(is_enabled=False)
    both = [order(), order(network="polygon")]
    with holding(HotWallet.objects.get(network="ethereum", is_enabled=True)):
        forth = Session(lambda: prepare(*both))
        wait_until_so_many_wait_for_me(1)
        back = Session(lambda: prepare(*both[::-1]))
        wait_until_so_many_wait_for_me(2)

    assert nonces(forth.wait()) == [0, 0]
    assert nonces(back.wait()) == [1, 1]


@pytest.mark.parametrize(
    ("waiting_for", "lack"),
    [
        ("chain", lambda: ChainHead.objects.all().delete()),
        ("wallet", lambda: HotWallet.objects.update(is_enabled=False)),
        (
            "wallet",
            lambda: HotWallet.objects.update(frozen_at="2026-01-01T00Z", frozen_why="x"),
        ),
        ("wallet", lambda: HotWallet.objects.update(purpose="deposits")),
        ("lane_full", lambda: HotWallet.objects.update(in_flight_max=0)),
        ("liquidity", lambda: WalletAsset.objects.update(balance_units=9_998_999)),
        ("liquidity", lambda: WalletAsset.objects.update(balance_units=None)),
        ("wallet_ceiling", lambda: WalletAsset.objects.update(ceiling_units=9_998_999)),
        ("gas", lambda: HotWallet.objects.update(gas_wei=120_000)),
        ("gas", lambda: HotWallet.objects.update(gas_wei=None)),
    ],
)
def test_an_order_that_cannot_be_paid_now_waits_and_says_for_what(
    one_lane, order, waiting_for, lack
):
    lack()

    (answer,) = prepare(order())

    assert isinstance(answer, RailUnavailable)
    assert answer.waiting_for == waiting_for
    assert Slot.objects.count() == 0
    assert HotWallet.objects.get(pk=one_lane.pk).next_nonce == 0


def test_what_is_promised_is_not_promised_again(net, one_lane, order):
    WalletAsset.objects.update(balance_units=25_000_000)

    first, second, third = prepare(order(), order(), order())
    (fourth,) = prepare(order())

    assert isinstance(first, Prepared)
    assert isinstance(second, Prepared)
    assert [third.waiting_for, fourth.waiting_for] == ["liquidity", "liquidity"]


def test_what_left_after_the_balance_was_read_is_not_promised_again(net, one_lane, order):
    held = 25_000_000
    WalletAsset.objects.update(balance_units=held)
    prepared = sent(order(), order())
    net.mine(DEPTH)

    assert {one.outcome for one in rail().look_up(prepared)} == {Outcome.FINAL}
    assert prepare(order())[0].waiting_for == "liquidity"

    # Read anew, all that left has been counted by the chain, and by nobody else.
    net.watch()
    assert isinstance(prepare(order(units=50_000_000_000_000 - 2 * 9_999_000))[0], Prepared)
    assert prepare(order(units=1))[0].waiting_for == "liquidity"


def test_a_wallet_signs_away_no_more_in_a_day_than_its_ceiling(net, one_lane, order):
    WalletAsset.objects.update(ceiling_units=15_000_000)

    prepared = sent(order())
    net.mine(DEPTH)
    rail().look_up([prepared])
    net.watch()

    assert prepare(order())[0].waiting_for == "wallet_ceiling"


def test_what_is_over_makes_room_in_its_lane(net, one_lane, order):
    HotWallet.objects.update(in_flight_max=1)
    prepared = sent(order())
    assert prepare(order())[0].waiting_for == "lane_full"

    net.mine(DEPTH)
    rail().look_up([prepared])

    assert isinstance(prepare(order())[0], Prepared)


def test_an_asset_without_a_token_is_rejected_in_its_place(net, one_lane, order):
    Token.objects.filter(network="ethereum", asset="XAUT").delete()

    good, bad, other = prepare(order(), order(asset="XAUT"), order(network="tron"))

    assert nonces([good]) == [0]
    assert [type(bad), type(other)] == [RailRejected, RailRejected]
    assert bad.failure_code == "asset_not_on_network"


def test_what_a_crossing_was_promised_is_for_its_last_leg_alone(one_lane, order):
    crossing, ordinary = order(leg=2, cents=70_00), order(cents=60_00)
    WalletAsset.objects.filter(wallet=one_lane, asset="USDT").update(balance_units=100 * 10**6)
    HouseCrossing.objects.create(
        reference="house:1",
        payout_id=crossing.payout_id,
        asset="USDT",
        from_network="polygon",
        to_network="ethereum",
        units=crossing.units,
        wallet=one_lane,
    )

    (refused,) = prepare(ordinary)
    assert isinstance(refused, RailUnavailable)
    assert refused.waiting_for == "liquidity"
    assert Slot.objects.count() == 0

    paid, again = prepare(crossing, ordinary)
    assert isinstance(paid, Prepared)
    assert again.waiting_for == "liquidity"
    open_attempts(sends=[(crossing, paid)])
    (small,) = prepare(order(cents=30_00))
    assert isinstance(small, Prepared)
