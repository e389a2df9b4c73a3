"""A partner is told exactly when the word of its API changes, in that very transaction."""

import json

import pytest

from engine.payouts import sweeps
from engine.payouts.models import Payout
from engine.webhooks.models import Delivery, Message
from tests.cast import USDT


def told(payout_id):
    return [
        (message.sequence, message.type, json.loads(bytes(message.body)))
        for message in Message.objects.filter(subject=payout_id).order_by("sequence")
    ]


def test_a_delivered_payout_is_told_in_two_messages(live_api, finish):
    payout = live_api.pay()
    finish()

    ((one, first, seen), (two, second, arrived)) = told(payout["id"])

    assert (one, first, two, second) == (1, "payout.broadcast", 2, "payout.delivered")
    assert list(arrived) == ["type", "timestamp", "sequence", "livemode", "data"]
    assert (seen["data"]["status"], arrived["data"]["status"]) == ("broadcast", "delivered")
    assert arrived["data"] == live_api.get(f"/payouts/{payout['id']}").json()
    assert arrived["livemode"] is True


def test_a_failed_payout_is_told_why(test_api, finish):
    payout = test_api.pay(amount="10.02")
    finish()

    messages = told(payout["id"])

    assert [type_ for _, type_, _ in messages] == ["payout.broadcast", "payout.failed"]
    assert messages[-1][2]["data"]["failure"]["code"] == "transfer_reverted"
    assert messages[-1][2]["livemode"] is False


def test_a_second_leg_is_no_news(live_api, finish):
    payout = live_api.pay(network_hint="polygon")
    finish()

    assert [type_ for _, type_, _ in told(payout["id"])] == [
        "payout.broadcast",
        "payout.delivered",
    ]


@pytest.mark.django_db(transaction=True)
def test_a_step_that_is_undone_leaves_no_message(live_api, rail_at_once, monkeypatch):
    live_api.pay()

    def refuse(_moves):
        raise RuntimeError("killed")

    monkeypatch.setattr("engine.payouts.services.move_many", refuse)
    sweeps.drain()

    assert Payout.objects.get().status == "broadcast"
    assert [message.type for message in Message.objects.all()] == ["payout.broadcast"]


def test_only_who_listens_gets_a_delivery(live_api, finish, listen, receiver, other):
    wanted, _ = listen(receiver, types=["payout.delivered"])
    listen(receiver, livemode=False)
    listen(receiver, partner_id=other.pk)
    listen(receiver, dialect="x_zo")
    every, _ = listen(receiver)
    live_api.pay()
    finish()

    assert sorted(Delivery.objects.values_list("endpoint", "message__type"), key=str) == sorted(
        [
            (every.pk, "payout.broadcast"),
            (every.pk, "payout.delivered"),
            (wanted.pk, "payout.delivered"),
        ],
        key=str,
    )


def test_many_steps_cost_few_statements(
    live_api, rail_at_once, listen, receiver, django_assert_max_num_queries
):
    listen(receiver)
    for _ in range(20):
        live_api.pay(amount="10")

    with django_assert_max_num_queries(110):
        sweeps.drain()

    assert Message.objects.count() == 40
    assert Payout.objects.filter(status="delivered", units_sent=10 * USDT).count() == 20
