"""An operator's freeze holds from its commit on, whatever the signer is doing just then."""

from threading import Event

import pytest
from django.core.management import call_command
from django.db import transaction

from engine.payouts.models import Freeze
from engine.rails import guards
from engine.rails.evm import signatures
from engine.rails.models import SignedTransaction
from engine.rails.signing import KeystoreSigner
from tests.cast import drain_once
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.payouts.on_chain import (  # noqa: F401 - fixtures
    chain_fixture,
    devnets,
    finish,
    keystore,
    lane_fixture,
    net,
    nodes,
    one_lane,
    pay_fixture,
    program,
    status,
)
from tests.rails.evm.play import pool

pytestmark = pytest.mark.django_db


def during(monkeypatch, owner, name, act):
    """Let `act` happen each time just before `owner.name` does."""
    true = getattr(owner, name)

    def late(*values, **names):
        act()
        return true(*values, **names)

    monkeypatch.setattr(owner, name, late)


def freeze(network=""):
    Freeze.objects.create(network=network, reason="tests")


@pytest.mark.parametrize("network", ["", "ethereum"])
def test_nothing_is_kept_that_was_signed_while_a_freeze_was_set(
    chain, pay, monkeypatch, network
):
    with monkeypatch.context() as late:
        during(late, KeystoreSigner, "sign", lambda: freeze(network))
        payout_id = pay()
        drain_once()

    assert (SignedTransaction.objects.count(), pool(chain)) == (0, 0)

    Freeze.objects.all().delete()
    finish(chain)
    assert status(payout_id)[0] == "delivered"


def test_another_network_s_freeze_does_not_stop_it(chain, pay, monkeypatch):
    during(monkeypatch, KeystoreSigner, "sign", lambda: freeze("polygon"))
    pay()
    drain_once()

    assert pool(chain) == 1


def test_what_was_kept_before_the_freeze_is_not_sent_after_it(chain, pay, monkeypatch):
    true = signatures.store

    def store(signed):
        true(signed)
        call_command("freeze", reason="stop everything")

    monkeypatch.setattr(signatures, "store", store)
    pay()
    drain_once()

    assert (SignedTransaction.objects.count(), pool(chain)) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_whoever_stores_a_signature_waits_for_a_freeze_that_is_being_set(
    chain, pay, monkeypatch
):
    is_signing, go_on = Event(), Event()

    def meet():
        is_signing.set()
        assert go_on.wait(10)

    during(monkeypatch, KeystoreSigner, "sign", meet)
    pay()
    working = Session(drain_once)
    assert is_signing.wait(10)
    with transaction.atomic():
        freeze()
        go_on.set()
        wait_until_somebody_waits_for_me()
    working.wait()

    assert (SignedTransaction.objects.count(), pool(chain)) == (0, 0)


def test_rails_alone_are_stopped_by_nobody(chain, monkeypatch):
    monkeypatch.setattr(guards, "_guards", {})
    freeze()

    assert not guards.is_stopped("ethereum")
