"""An account at a bank, orders to it, and a bank that answers in files."""

import pytest
from django.db import transaction

from engine.rails.base import Prepared, rail_named
from tests.rails.bank.bank import Bank
from tests.rails.bank.play import connect, named_order


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.BANK_DIR = tmp_path / "bank"
    return settings.BANK_DIR


@pytest.fixture
def account(db):
    return connect()


@pytest.fixture
def rail():
    return rail_named("bank")


@pytest.fixture
def order(db):
    return named_order


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
def send(rail, prepare):
    """Prepares so many and lets them out; they are in one file when the account is."""

    def make(count=1, **changes):
        batch = [prepare(**changes) for _ in range(count)]
        rail.submit(batch)
        return batch

    return make


@pytest.fixture
def bank(account):
    return Bank(account)


@pytest.fixture
def sent(send):
    """A transfer that the bank has."""
    (prepared,) = send()
    return prepared


@pytest.fixture
def look(rail):
    """How a transfer looks to the engine now."""
    return lambda prepared: rail.look_up([prepared])[0]
