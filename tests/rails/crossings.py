"""Crossings by the house's own liquidity: wallets, orders, and what became of them."""

from dataclasses import replace

import pytest
from django.db import transaction

from engine.rails.attempts import open_attempts
from engine.rails.base import Prepared, rail_named
from engine.rails.models import HotWallet, HouseCrossing, Slot, WalletAsset

USDT = 10**6
ADDRESSES = [f"0x{number:040x}" for number in range(1, 9)]
OPEN = HouseCrossing.objects.filter(released_at=None)


@pytest.fixture
def house():
    return rail_named("house")


@pytest.fixture
def wallet(db):
    """Makes a wallet on Ethereum that holds `usdt`, seen at block 100."""

    def make(usdt, *, network="ethereum", ceiling=None, **changes):
        number = HotWallet.objects.count()
        row = HotWallet.objects.create(
            network=network, address=ADDRESSES[number], key_name=f"key {number}", **changes
        )
        WalletAsset.objects.create(
            wallet=row,
            asset="USDT",
            balance_units=None if usdt is None else usdt * USDT,
            balance_block=100,
            ceiling_units=None if ceiling is None else ceiling * USDT,
        )
        return row

    return make


@pytest.fixture
def cross(order):
    """Makes an order for leg 1 of a bridge from Polygon to Ethereum."""

    def make(usdt, **changes):
        template = order(livemode=True, network="polygon", is_last_leg=False)
        return replace(template, to_network="ethereum", units=usdt * USDT, **changes)

    return make


def slot(wallet, usdt, nonce, **changes):
    return Slot.objects.create(
        **{
            "wallet": wallet,
            "nonce": nonce,
            "kind": "payout",
            "asset": "USDT",
            "units": usdt * USDT,
            "destination": ADDRESSES[7],
            "to_address": ADDRESSES[6],
            "gas_limit": 1,
        }
        | changes
    )


def prepare(house, orders):
    with transaction.atomic():
        return house.prepare(orders)


def words(answers):
    return [
        "promised" if isinstance(answer, Prepared) else answer.waiting_for for answer in answers
    ]


def pay_second_leg(order):
    ahead = replace(order, leg=2, network="ethereum")
    sends = [(ahead, Prepared("evm", "ethereum", f"ethereum:0x:{order.payout_id}", b""))]
    open_attempts(sends=sends)
