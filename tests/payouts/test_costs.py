"""Gas is booked once for each transaction on a chain, in the coin that it was paid in."""

import pytest
from django.db import transaction

from engine.ledger import checks, rollup
from engine.ledger.models import Movement
from engine.ledger.services import balances
from engine.payouts.costs import NetworkCost, book_network_costs
from tests.cast import count
from tests.meeting import Session, wait_until_somebody_waits_for_me

HASH = "0x" + "ab" * 32
OTHER = "0x" + "cd" * 32
# 250 gwei for each of 30 million units of gas: a whole block at a dreadful price.
DEAR_WEI = 30_000_000 * 250 * 10**9


def cost(hash_=HASH, units=1_234_567_890_123_456, **changes):
    return NetworkCost(
        **{"network": "ethereum", "asset": "ETH", "units": units, "hash": hash_} | changes
    )


def held(code, asset="ETH"):
    return balances(codes=[code], asset=asset, livemode=True).get(code, 0)


def books_are_clean():
    rollup.roll_up()
    report = checks.check(checks.listed_invariants())
    return [finding.invariant.name for finding in report.findings if not finding.clean] == []


@pytest.mark.django_db
def test_gas_leaves_custody_in_its_own_coin():
    assert book_network_costs([cost(), cost(OTHER, units=DEAR_WEI)]) == 2

    assert held("network_cost") == -(1_234_567_890_123_456 + DEAR_WEI)
    assert held("custody:ethereum") == 1_234_567_890_123_456 + DEAR_WEI
    assert set(Movement.objects.values_list("reference", "asset", "livemode")) == {
        (f"gas:ethereum:{HASH}", "ETH", True),
        (f"gas:ethereum:{OTHER}", "ETH", True),
    }
    assert books_are_clean()


@pytest.mark.django_db
def test_the_same_hash_is_booked_once_however_often_it_is_told():
    assert book_network_costs([cost(), cost()]) == 1
    assert book_network_costs([cost()]) == 0
    assert book_network_costs([cost(HASH.upper().replace("0X", "0x"))]) == 0
    assert book_network_costs([cost(), cost(OTHER, units=7)]) == 1

    assert held("network_cost") == -(1_234_567_890_123_456 + 7)
    assert count("ledger_movement") == 2


@pytest.mark.django_db
def test_one_hash_on_two_networks_is_two_costs():
    book_network_costs([cost(), cost(network="polygon", asset="POL", units=5)])

    assert held("custody:polygon", "POL") == 5
    assert held("network_cost", "POL") == -5
    assert held("network_cost") == -1_234_567_890_123_456
    assert books_are_clean()


@pytest.mark.django_db
def test_the_first_word_on_a_cost_stands_and_another_one_is_an_error(capsys, caplog):
    book_network_costs([cost(units=10)])

    assert book_network_costs([cost(units=11)]) == 0

    assert held("network_cost") == -10
    assert "network_cost_differs" in caplog.text + capsys.readouterr().out


@pytest.mark.django_db
def test_what_cost_nothing_is_not_booked():
    assert book_network_costs([cost(units=0)]) == 0
    assert book_network_costs([]) == 0
    assert count("ledger_movement") == 0


@pytest.mark.django_db
def test_wei_of_more_digits_than_a_float_holds_stay_exact():
    whole = 10**38 + 1

    book_network_costs([cost(units=whole)])

    assert Movement.objects.get().units == whole
    assert held("custody:ethereum") == whole
    assert books_are_clean()


@pytest.mark.django_db
def test_a_cost_stands_or_falls_with_the_callers_transaction():
    with transaction.atomic():
        assert book_network_costs([cost()]) == 1
        transaction.set_rollback(True)

    assert count("ledger_movement") == 0
    assert book_network_costs([cost()]) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_costs_book_them_once():
    costs = [cost(OTHER, units=3), cost(units=4)]
    with transaction.atomic():
        book_network_costs(costs)
        late = Session(lambda: book_network_costs([*costs[::-1], cost("0x" + "ef" * 32, 5)]))
        wait_until_somebody_waits_for_me()

    assert late.wait() == 1
    assert held("network_cost") == -12
    assert count("ledger_movement") == 3
    assert books_are_clean()
