"""Burning a nonce: the payment is dead only when its cancellation is final."""

import pytest

from engine.rails.base import Outcome
from engine.rails.models import Slot
from tests.rails.evm.play import (
    DEPTH,
    calm,
    hashes_of,
    look,
    payments,
    pool,
    prepare,
    rail,
    sent,
    signed_at,
    slot_of,
    spike,
)
from tests.rails.evm.test_fee_bumps import fields

pytestmark = pytest.mark.django_db


def ask_to_cancel(prepared):
    Slot.objects.filter(pk=int(prepared.payload)).update(cancel_asked_at="2026-01-01T00:00Z")


def kinds(prepared):
    return [one.kind for one in signed_at(prepared)]


def test_a_cancel_sends_nothing_to_ourselves_at_the_same_nonce(net, one_lane, order):
    prepared = sent(order())
    ask_to_cancel(prepared)

    rail().submit([prepared])

    first, cancel = signed_at(prepared)
    assert (first.kind, cancel.kind) == ("transfer", "cancel")
    sent_now = fields(cancel)
    assert "0x" + bytes(sent_now["to"]).hex() == one_lane.address.lower()
    assert (sent_now["value"], bytes(sent_now["data"]), sent_now["nonce"]) == (0, b"", 0)
    assert sent_now["gas"] == slot_of(prepared).gas_limit
    assert cancel.max_fee_wei * 100 >= first.max_fee_wei * 115
    assert pool(net) == 1


def test_a_cancelled_payment_is_dead_when_the_cancel_is_final_and_not_before(
    net, one_lane, order
):
    prepared = sent(order())
    ask_to_cancel(prepared)
    rail().submit([prepared])
    looks = [look(prepared)]
    for _ in range(DEPTH):
        net.mine()
        looks.append(look(prepared))

    assert [one.outcome for one in looks] == [Outcome.SEEN] * DEPTH + [Outcome.DEAD]
    assert {one.failure_code for one in looks[:-1]} == {""}
    assert looks[-1].failure_code == "cancelled"
    assert looks[-1].reference == hashes_of(prepared)[1]
    assert looks[-1].cost_units == slot_of(prepared).spent_wei > 0
    assert payments(net) == []


def test_a_payment_that_was_mined_instead_of_its_cancel_is_delivered(net, one_lane, order):
    prepared = sent(order())
    net.mine()
    ask_to_cancel(prepared)

    rail().submit([prepared])
    net.mine(DEPTH)
    sighting = look(prepared)

    assert kinds(prepared) == ["transfer", "cancel"]
    assert (sighting.outcome, sighting.reference) == (Outcome.FINAL, hashes_of(prepared)[0])
    assert len(payments(net)) == 1


def test_what_was_never_signed_is_cancelled_by_its_first_signature(net, one_lane, order):
    first, second = prepare(order(), order())
    ask_to_cancel(first)

    rail().submit([first, second])
    net.mine(DEPTH)

    assert kinds(first) == ["cancel"]
    assert [one.outcome for one in rail().look_up([first, second])] == [
        Outcome.DEAD,
        Outcome.FINAL,
    ]
    assert len(payments(net)) == 1


def test_a_bump_of_a_cancel_is_a_cancel(net, one_lane, order, settings):
    settings.EVM_BUMP_SECONDS = 0
    prepared = sent(order())
    ask_to_cancel(prepared)
    rail().submit([prepared])
    # Whatever becomes of the wish: what is cancelled is not paid after all.
    Slot.objects.filter(pk=int(prepared.payload)).update(cancel_asked_at=None)
    for gwei in (20, 60):
        spike(net, gwei)
        rail().submit([prepared])

    assert kinds(prepared) == ["transfer", "cancel", "cancel", "cancel"]
    calm(net)
    net.mine(DEPTH)
    assert look(prepared).outcome is Outcome.DEAD
    assert payments(net) == []


def test_asking_again_signs_one_cancel(net, one_lane, order):
    prepared = sent(order())
    ask_to_cancel(prepared)
    for _ in range(3):
        rail().submit([prepared])

    assert kinds(prepared) == ["transfer", "cancel"]


def test_what_is_out_of_bumps_can_still_be_cancelled(net, one_lane, order, settings):
    settings.EVM_BUMP_SECONDS, settings.EVM_BUMPS_MAX = 0, 1
    prepared = sent(order())
    for gwei in (10, 40):
        spike(net, gwei)
        rail().submit([prepared])
    assert kinds(prepared) == ["transfer", "transfer"]

    ask_to_cancel(prepared)
    rail().submit([prepared])
    calm(net)
    net.mine(DEPTH)

    assert kinds(prepared) == ["transfer", "transfer", "cancel"]
    assert look(prepared).outcome is Outcome.DEAD
