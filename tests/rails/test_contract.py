"""One suite for every rail: what the engine relies on, whatever the outside is.

Goal: a rail is added by a row in PAYOUT_RAILS and must pass this. Method: the same verbs,
repeated and reordered as a worker that keeps dying would repeat them. The simulated rail's
outside is a table; that of the EVM rail is a chain on this machine; that of the bank rail
is a bank that pays what it finds in the files of a folder, and says so in statements.
"""

import re
from dataclasses import replace

import pytest
from django.db import transaction

from engine.rails.base import Outcome, Prepared, rail_named
from engine.rails.errors import RailRejected
from engine.rails.models import SimulatedTransfer
from engine.rails.networks import NETWORKS, Family
from tests.rails.bank.bank import Bank
from tests.rails.bank.play import connect as connect_bank
from tests.rails.bank.play import named_order
from tests.rails.evm.conftest import devnets, keystore, net, nodes, one_lane, program  # noqa: F401
from tests.rails.evm.play import DEPTH, payments

SHAPES = {
    Family.EVM: re.compile(r"0x[0-9a-f]{64}\Z"),
    Family.SOLANA: re.compile(r"[1-9A-HJ-NP-Za-km-z]{86,88}\Z"),
    Family.TRON: re.compile(r"[0-9a-f]{64}\Z"),
}
CARRYING = [code for code, network in NETWORKS.items() if network.family in SHAPES]

pytestmark = pytest.mark.django_db


# A name that follows from the order alone needs no row; a nonce is a row, and taken once.
named_by_the_order = pytest.mark.parametrize("rail", ["simulated"], indirect=True)


@pytest.fixture(params=["simulated", "evm", "bank"])
def rail(request):
    if request.param == "evm":
        request.getfixturevalue("one_lane")
    if request.param == "bank":
        request.getfixturevalue("bank")
    return rail_named(request.param)


@pytest.fixture
def bank(db, settings, tmp_path):
    settings.BANK_DIR = tmp_path / "bank"
    return Bank(connect_bank())


@pytest.fixture
def order(order, rail):
    """An order that this rail carries."""
    return named_order if rail.name == "bank" else order


@pytest.fixture
def prepare_all(rail):
    """Prepares in a database transaction, as the engine does."""

    def make(orders):
        with transaction.atomic():
            return rail.prepare(orders)

    return make


@pytest.fixture
def prepare(prepare_all, order):
    def make(**changes):
        (prepared,) = prepare_all([order(**changes)])
        assert isinstance(prepared, Prepared)
        return prepared

    return make


@pytest.fixture
def settle(rail, request, at_once):
    """Lets the outside go on until what it took is final."""
    if rail.name == "simulated":
        return lambda: None
    if rail.name == "bank":
        return request.getfixturevalue("bank").work
    chain = request.getfixturevalue("net")
    return lambda: chain.mine(DEPTH)


@pytest.fixture
def count_paid(rail, request):
    """How many payments the outside itself says there were."""
    if rail.name == "simulated":
        return lambda: SimulatedTransfer.objects.arrived().count()
    if rail.name == "bank":
        return lambda: len(request.getfixturevalue("bank").paid)
    chain = request.getfixturevalue("net")
    return lambda: len(payments(chain))


def test_a_rail_is_known_by_its_name(rail):
    assert rail_named(rail.name) is rail


@named_by_the_order
@pytest.mark.parametrize("network", CARRYING)
def test_a_reference_has_its_network_s_own_shape(prepare, network):
    prepared = prepare(network=network)

    assert SHAPES[NETWORKS[network].family].match(prepared.reference)


@named_by_the_order
def test_preparing_again_gives_the_same_reference_and_payload(rail, order):
    orders = [order() for _ in range(3)]

    assert rail.prepare(orders) == rail.prepare(orders)
    assert rail.prepare(orders)[::-1] == rail.prepare(orders[::-1])


@pytest.mark.parametrize("change", [{"leg": 2}, {"attempt": 2}])
def test_another_leg_or_attempt_has_another_reference(prepare_all, order, change):
    one = order()

    first, second = prepare_all([one, replace(one, **change)])

    assert first.reference != second.reference


@named_by_the_order
def test_preparing_touches_no_rows(rail, order, django_assert_num_queries):
    with django_assert_num_queries(0):
        rail.prepare([order(), order()])


@pytest.mark.parametrize(
    "change", [{"network": "bitcoin"}, {"network": "moon"}, {"asset": "BTC"}]
)
def test_an_order_that_no_network_takes_is_rejected_in_its_place(prepare_all, order, change):
    good, bad = prepare_all([order(), order(**change)])

    assert isinstance(good, Prepared)
    assert isinstance(bad, RailRejected)
    assert bad.failure_code == "asset_not_on_network"


def test_answers_come_in_the_order_of_the_questions(rail, prepare_all, order):
    batch = prepare_all([order() for _ in range(5)])

    receipts = rail.submit(batch)

    assert [receipt.reference for receipt in receipts] == [
        prepared.reference for prepared in batch
    ]
    assert [receipt.accepted for receipt in receipts] == [True] * 5


def test_an_empty_batch_asks_nothing(rail, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert (rail.prepare([]), rail.submit([]), rail.look_up([])) == ([], [], [])


def test_what_a_preflight_lets_go_can_be_prepared(rail, prepare_all, order):
    orders = [order() for _ in range(3)]

    checked = rail.preflight(orders)

    assert [one.payout_id for one in checked] == [one.payout_id for one in orders]
    assert all(isinstance(one, Prepared) for one in prepare_all(checked))


def test_the_same_reference_twice_pays_once(rail, prepare, settle, count_paid):
    prepared = prepare()

    rail.submit([prepared])
    rail.submit([prepared, prepared])
    settle()
    rail.submit([prepared])
    settle()

    assert [sighting.outcome for sighting in rail.look_up([prepared, prepared])] == [
        Outcome.FINAL,
        Outcome.FINAL,
    ]
    assert count_paid() == 1


def test_what_was_never_submitted_is_unknown_and_not_dead(rail, prepare):
    (sighting,) = rail.look_up([prepare()])

    assert sighting.outcome is Outcome.UNKNOWN
    assert (sighting.seen_at, sighting.expected_at, sighting.failure_code) == (
        None,
        None,
        "",
    )


def test_what_is_final_stays_final_and_says_the_same(rail, prepare, settle):
    prepared = prepare()
    rail.submit([prepared])
    settle()

    first = rail.look_up([prepared])
    rail.submit([prepared])
    settle()

    assert rail.look_up([prepared]) == first
    assert first[0].confirmations == first[0].confirmations_needed > 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["submit", "look_up"])
def test_the_outside_is_never_asked_inside_a_transaction(rail, prepare, verb):
    prepared = prepare()

    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        getattr(rail, verb)([prepared])
