"""The same tokens are promised to a crossing, or to a slot, and never to both."""

from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.utils import timezone

from engine.rails.base import Prepared, rail_named
from engine.rails.house import Liquidity
from engine.rails.models import ChainHead, HotWallet, HouseCrossing, Slot, WalletAsset
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.rails.crossings import USDT, prepare, words

pytestmark = pytest.mark.django_db(transaction=True)
LOCK = "SELECT 1 FROM rails_hotwallet WHERE id = %s FOR UPDATE"


@pytest.fixture
def evm():
    ChainHead.objects.create(
        network="ethereum",
        number=100,
        hash="0x",
        base_fee_wei=1,
        tip_wei=1,
        seen_at=timezone.now(),
    )
    return rail_named("evm")


@pytest.fixture
def rich(wallet):
    """A wallet of 100 USDT with gas for all of it."""
    return wallet(100, gas_wei=10**9)


@pytest.fixture
def pay(order):
    def make(usdt):
        return order(livemode=True, units=usdt * USDT)

    return make


@contextmanager
def holding(wallet):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK, [wallet.pk])
        yield


def test_what_an_open_transaction_gives_a_slot_is_promised_to_no_crossing(
    house, evm, rich, cross, pay
):
    with transaction.atomic():
        (paid,) = evm.prepare([pay(80)])
        told = Session(lambda: words(prepare(house, [cross(80)]))).wait()

    assert isinstance(paid, Prepared)
    assert told == ["liquidity"]
    assert words(prepare(house, [cross(21), cross(20)])) == ["liquidity", "promised"]


def test_what_an_open_transaction_promises_a_crossing_is_given_to_no_slot(
    house, evm, rich, cross, pay
):
    with transaction.atomic():
        assert words(house.prepare([cross(80)])) == ["promised"]
        other = Session(lambda: words(prepare(evm, [pay(80)])))
        wait_until_somebody_waits_for_me()

    assert other.wait() == ["liquidity"]
    assert Slot.objects.count() == 0
    assert words(prepare(evm, [pay(20)])) == ["promised"]


def test_a_wallet_that_is_held_is_not_waited_for_while_another_has_enough(
    house, rich, wallet, cross
):
    second = wallet(90)
    with holding(rich):
        told = Session(lambda: words(prepare(house, [cross(80), cross(10), cross(10)]))).wait()

    assert told == ["promised", "promised", "liquidity"]
    assert set(HouseCrossing.objects.values_list("wallet", flat=True)) == {second.pk}


def test_a_crossing_counts_anew_what_the_wallet_has_once_it_is_locked(
    house, rich, cross, monkeypatch
):
    """Between the choice and the lock somebody else may have had the tokens."""
    lock = Liquidity._lock

    def late(self, wallet, network):
        WalletAsset.objects.filter(wallet=wallet).update(balance_units=50 * USDT)
        lock(self, wallet, network)

    monkeypatch.setattr(Liquidity, "_lock", late)

    assert words(prepare(house, [cross(80)])) == ["liquidity"]


def test_a_wallet_frozen_before_it_is_locked_promises_nothing(house, rich, cross, monkeypatch):
    lock = Liquidity._lock

    def late(self, wallet, network):
        HotWallet.objects.update(frozen_at=timezone.now(), frozen_why="tests")
        lock(self, wallet, network)

    monkeypatch.setattr(Liquidity, "_lock", late)

    assert words(prepare(house, [cross(80)])) == ["liquidity"]
