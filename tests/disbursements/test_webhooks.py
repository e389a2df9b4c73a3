"""What a merchant is told: payout.completed or payout.failed, once, signed as X-Zo."""

import json

import pytest

from disbursements.door import DISBURSEMENTS
from engine.payouts.models import Payout
from engine.webhooks.dialects.x_zo import X_ZO, sign_x_zo
from engine.webhooks.models import Delivery, Endpoint, Message
from engine.webhooks.services import create_endpoint


@pytest.fixture
def listening(acme, settings):
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    made = {}
    for dialect in ("x_zo", "standard"):
        made[dialect], _ = create_endpoint(
            partner_id=acme.pk, livemode=True, url="http://127.0.0.1:9999/x", dialect=dialect
        )
    return made


def test_a_completed_payout_is_told_with_its_fees(merchant, acme, finish, listening):
    payout = merchant.pay()
    finish()

    message = Message.objects.get()
    body = json.loads(bytes(message.body))
    assert (message.type, message.dialect, message.door) == (
        "payout.completed",
        "x_zo",
        "disbursements",
    )
    assert list(body) == ["event", "data", "timestamp"]
    assert body["event"] == "payout.completed"
    created_at = body["data"].pop("created_at")
    assert created_at == (merchant.get(f"/{payout['payout_id']}").json()["payout"]["createdAt"])
    assert body["data"] == {
        "payout_id": payout["payout_id"],
        "merchant_id": str(acme.pk),
        "amount": "5000.00",
        "currency": "XAF",
        "gateway": "MTN_MOMO",
        "recipient_msisdn": "237670006789",
        "status": "SUCCESS",
        "gateway_fee": "15.00",
        "platform_fee": "10.00",
        "total_deducted": "5025.00",
    }
    # An endpoint of Connect's dialect hears nothing of it.
    assert [one.endpoint for one in Delivery.objects.all()] == [listening["x_zo"]]


def test_a_failed_payout_is_told_with_its_reason(merchant, finish):
    merchant.pay(msisdn="+237670006089")
    finish()

    body = json.loads(bytes(Message.objects.get().body))
    assert body["event"] == "payout.failed"
    assert body["data"]["status"] == "FAILED"
    assert body["data"]["failure_reason"].startswith("The number has no mobile-money account")
    assert "total_deducted" not in body["data"]


def test_nothing_else_is_told(merchant, settings):
    settings.SIMULATED_SEEN_SECONDS, settings.SIMULATED_FINAL_SECONDS = 0, 600
    from tests.cast import drain_once

    given_up = merchant.pay()["payout_id"]
    merchant.post(f"/{given_up}/cancel")
    merchant.pay()
    drain_once()

    assert sorted(Payout.objects.values_list("status", flat=True)) == ["broadcast", "cancelled"]
    assert Message.objects.count() == 0


def test_the_message_goes_out_with_the_published_headers():
    from django.utils import timezone

    body = b'{"event":"payout.completed"}'
    headers = X_ZO.headers(
        message_id="m-1",
        event_type="payout.completed",
        body=body,
        secrets=["whsec_test"],
        now=timezone.now(),
        is_replay=False,
    )
    assert DISBURSEMENTS.dialect == X_ZO.name
    assert headers["X-Zo-Signature"] == sign_x_zo(
        secret="whsec_test", timestamp=headers["X-Zo-Timestamp"], body=body
    )


def test_an_operator_registers_where_it_goes(acme, settings, capsys):
    from django.core.management import call_command

    settings.WEBHOOK_ALLOW_LOOPBACK = True
    call_command(
        "add_disbursements_webhook", partner="Acme", url="http://127.0.0.1:9999/x", json=True
    )

    assert json.loads(capsys.readouterr().out)["secret"].startswith("whsec_")
    assert Endpoint.objects.get().dialect == "x_zo"
