"""What sweeps ask the database in every round costs the same however much was ever sent."""

# ruff: noqa: F811 - pytest passes fixtures by name

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.ledger.services import balances
from engine.payouts import consolidation
from engine.payouts.consolidation import consolidate, drive
from engine.rails.models import HotWallet, Slot
from tests.payouts.paying_in import (  # noqa: F401 - fixtures among them
    chain,
    devnets,
    keystore,
    net,
    nodes,
    program,
    user,
)
from tests.payouts.sweeping import NEEDED, paid, run  # noqa: F401 - fixtures among them

pytestmark = pytest.mark.django_db

EVER_SENT = """
    INSERT INTO rails_slot (wallet_id, nonce, kind, asset, units, destination, to_address,
        value_wei, calldata, gas_limit, created_at, mined_block, mined_hash, spent_wei,
        closed_at, booked_at)
    SELECT %s, 1000000 + n, CASE n %% 10 WHEN 0 THEN 'gas' WHEN 1 THEN 'consolidation'
           ELSE 'payout' END, 'USDT', 5, '0x' || n, '0x', 0, '', 60000,
           now() - interval '30 days', 1, '0x' || n, 1, now() - interval '30 days',
           CASE WHEN n %% 10 < 2 THEN now() END
    FROM generate_series(1, 100000) n
"""


@pytest.fixture
def long_lived(chain, paid):
    """A house whose first wallet has sent 100,000 times, a fifth of it for sweeps."""
    wallet = HotWallet.objects.filter(purpose="payouts").earliest("pk")
    with connection.cursor() as cursor:
        cursor.execute(EVER_SENT, [wallet.pk])
        cursor.execute("ANALYZE rails_slot")


def plan_of(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_a_round_of_sweeps_never_reads_all_that_was_sent(chain, long_lived):
    with CaptureQueriesContext(connection) as asked:
        consolidate(**NEEDED)
        drive("ethereum")

    reading = [
        one["sql"] for one in asked if re.search(r'(FROM|JOIN) "?rails_slot\b', one["sql"])
    ]
    assert any("booked_at IS NULL" in sql for sql in reading)
    assert len(reading) > 5
    for sql in reading:
        assert "Seq Scan on rails_slot" not in plan_of(sql), sql


def test_what_was_booked_is_not_asked_for_again(chain, paid):
    run(chain)
    drive("ethereum")
    burned = balances(codes=["network_cost"], asset="ETH", livemode=True)

    assert not Slot.objects.filter(booked_at=None).exists()
    with CaptureQueriesContext(connection) as asked:
        assert consolidation._book_gas("ethereum") == 0
    assert not any("ledger_movement" in one["sql"] for one in asked)

    # As it is after an update from a house that did not note it.
    Slot.objects.update(booked_at=None)
    assert consolidation._book_gas("ethereum") == 0
    assert not Slot.objects.filter(booked_at=None).exists()
    assert balances(codes=["network_cost"], asset="ETH", livemode=True) == burned
