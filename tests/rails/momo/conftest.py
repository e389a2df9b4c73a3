"""An operator on this machine, an account with it, and orders to send."""

from dataclasses import replace

import pytest
from django.db import connection, transaction

from engine.common.ids import new_id
from engine.rails.base import Order, Prepared, rail_named
from engine.rails.momo.client import forget_tokens
from engine.rails.mtn_simulator.behaviour import Behaviour
from engine.rails.mtn_simulator.server import Server
from tests.rails.momo.play import Door, connect

GOOD = "+237653456789"


@pytest.fixture(autouse=True)
def quick(settings):
    """Nobody waits for the pace or for a quarter of an hour, unless a test is about it."""
    settings.MOMO_STATUS_PER_SECOND = 1000.0
    settings.MOMO_TIMEOUT_SECONDS = 5.0
    forget_tokens()


@pytest.fixture
def mtn():
    """MTN in Cameroon, which pays at once."""
    with Server(
        behaviour=Behaviour(
            target_environment="mtncameroon", settle_seconds=0.0, hang_seconds=0
        )
    ) as server:
        yield server


@pytest.fixture
def account(db, mtn):
    return connect(mtn)


@pytest.fixture
def rail():
    return rail_named("momo")


@pytest.fixture
def order():
    """Makes an order, each for a payout of its own, of 5,000 francs."""

    def make(**changes):
        template = Order(
            payout_id=new_id(),
            leg=1,
            attempt=1,
            livemode=True,
            network="mtn_momo",
            asset="XAF",
            units=5000,
            destination=GOOD,
            asked_units=5000,
        )
        return replace(template, **changes)

    return make


@pytest.fixture
def prepare(rail, order):
    """Prepares one order in a transaction of its own, as the engine does."""

    def make(**changes):
        with transaction.atomic():
            (prepared,) = rail.prepare([order(**changes)])
        assert isinstance(prepared, Prepared), prepared
        return prepared

    return make


@pytest.fixture
def due():
    """Lets every send be looked at now, whatever its turn."""

    def make():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE rails_momosend SET ask_at = now() WHERE finished_at IS NULL")

    return make


@pytest.fixture
def look(rail, due):
    """Looks at one send now."""

    def make(prepared):
        due()
        (sighting,) = rail.look_up([prepared])
        return sighting

    return make


@pytest.fixture
def door():
    opened = Door()
    yield opened
    opened.close()
