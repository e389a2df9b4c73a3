"""One message when a payment is final: where it was asked for, signed by its own token."""

import hmac
import json

import pytest
from django.core.management import call_command
from standardwebhooks import Webhook

from engine.payouts.models import AssetPrice, GatewayFee
from engine.webhooks import sending, services
from engine.webhooks.models import Attempt, Delivery, Message
from payments.models import Payment, Token
from payments.services import expire_due, expire_now
from payments.tokens import revoke_token
from tests.payments.api_cast import Shop, make_token
from tests.payments.till import FAILS, MOMO, NO_ACCOUNT, Till, pay
from tests.webhooks.conftest import (  # noqa: F401 - fixtures
    loopback,
    new_receiver,
    pass_time,
    receiver,
    threads_let_go,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def seeds(transactional_db):
    """What migrations have put there stays, since these tests really commit."""
    kept = [(model, list(model.objects.all())) for model in (AssetPrice, GatewayFee)]
    yield
    for model, rows in kept:
        model.objects.exclude(pk__in=[row.pk for row in rows]).delete()
        for row in rows:
            row.save()


@pytest.fixture
def shop(till):
    return Shop(make_token(till.partner, livemode=till.livemode))


@pytest.fixture
def listen(till):
    """Acme's default for payments of that mode; returns its secret."""

    def make(where, **changes):
        _, secret = services.create_endpoint(
            **{
                "partner_id": till.partner.pk,
                "livemode": till.livemode,
                "url": where.url,
                "dialect": "signature",
            }
            | changes
        )
        return secret

    return make


FRANCS = {"currency": "XAF", "amount": "10000"}


def signed(token, headers, body):
    expected = hmac.digest(token.encode(), body, "sha256").hex()
    return hmac.compare_digest(headers["Signature"], expected)


def test_the_message_is_what_get_shows_and_signed_by_the_token(
    shop,
    finish,
    receiver,  # noqa: F811
):
    made = shop.make(**FRANCS, webhookUrl=receiver.url, metadata={"orderId": 1456})
    pay(Payment.objects.get(), MOMO)
    finish()
    sending.deliver()

    ((headers, body),) = receiver.requests
    assert json.loads(body) == shop.get(f"/api/payments/{made['id']}").json()
    assert json.loads(body) == made | {"status": "succeeded"}
    assert signed(shop.token, headers, body)
    assert "webhook-id" not in headers
    assert Attempt.objects.get().request_headers == {"Signature": "…"}


def test_without_a_url_the_default_is_told_with_both_signatures(
    shop,
    finish,
    listen,
    new_receiver,  # noqa: F811
):
    default, connect = new_receiver(), new_receiver()
    secret = listen(default)
    listen(connect, dialect="standard")
    shop.make(**FRANCS)
    pay(Payment.objects.get(), MOMO)
    finish()
    sending.deliver()

    ((headers, body),) = default.requests
    assert signed(shop.token, headers, body)
    assert Webhook(secret).verify(body, headers)["status"] == "succeeded"
    assert connect.requests == []


def test_a_url_overrides_the_default_for_this_payment_alone(
    shop,
    listen,
    new_receiver,  # noqa: F811
):
    default, own = new_receiver(), new_receiver()
    secret = listen(default)
    first = shop.make(webhookUrl=own.url)["id"]
    second = shop.make()["id"]
    for payment in Payment.objects.all():
        expire_now(payment.pk)
    sending.deliver()

    assert [body["id"] for body in own.bodies] == [first]
    assert [body["id"] for body in default.bodies] == [second]
    headers, body = own.requests[0]
    assert Webhook(secret).verify(body, headers)["failure"]["code"] == "expired"


def test_each_payment_is_signed_by_the_token_that_asked_for_it(
    till,
    shop,
    listen,
    receiver,  # noqa: F811
):
    another = Shop(make_token(till.partner, livemode=till.livemode))
    listen(receiver)
    mine, theirs = shop.make()["id"], another.make()["id"]
    for payment in Payment.objects.all():
        expire_now(payment.pk)
    sending.deliver()

    tokens = {mine: shop.token, theirs: another.token}
    assert len(receiver.requests) == 2
    for headers, body in receiver.requests:
        assert signed(tokens[json.loads(body)["id"]], headers, body)


def test_a_token_that_was_revoked_meanwhile_signs_as_before(
    shop,
    receiver,  # noqa: F811
):
    shop.make(webhookUrl=receiver.url)
    revoke_token(Token.objects.latest("id"))
    expire_now(Payment.objects.get().pk)
    sending.deliver()

    ((headers, body),) = receiver.requests
    assert signed(shop.token, headers, body)


def test_nothing_is_told_while_the_recipient_may_mend_it(
    shop,
    finish,
    receiver,  # noqa: F811
):
    shop.make(**FRANCS, webhookUrl=receiver.url)
    for payee in (NO_ACCOUNT, NO_ACCOUNT):
        pay(Payment.objects.get(), payee)
        finish()
    sending.deliver()
    assert (receiver.requests, Message.objects.count()) == ([], 0)

    pay(Payment.objects.get(), MOMO)
    finish()
    sending.deliver()
    assert [body["status"] for body in receiver.bodies] == ["succeeded"]


def test_a_failure_nobody_can_mend_is_told_once(
    shop,
    finish,
    receiver,  # noqa: F811
):
    made = shop.make(**FRANCS, webhookUrl=receiver.url)
    pay(Payment.objects.get(), FAILS)
    finish()
    for _ in range(3):
        sending.deliver()
        expire_due()
        pass_time(days=2)

    assert receiver.bodies == [shop.get(f"/api/payments/{made['id']}").json()]
    assert receiver.bodies[0]["status"] == "failed"


def test_a_receiver_that_is_away_gets_the_same_bytes_later(
    shop,
    receiver,  # noqa: F811
):
    shop.make(webhookUrl=receiver.url)
    expire_now(Payment.objects.get().pk)
    receiver.answers = [500, 200]
    sending.deliver()
    pass_time(hours=1)
    sending.deliver()

    (first, second) = receiver.requests
    assert first[1] == second[1]
    assert first[0]["Signature"] == second[0]["Signature"]
    assert Delivery.objects.get().state == "delivered"


def test_modes_tell_their_own_endpoints_only(
    till,
    shop,
    listen,
    receiver,  # noqa: F811
):
    listen(receiver, livemode=not till.livemode)
    shop.make()
    expire_now(Payment.objects.get().pk)
    sending.deliver()

    assert receiver.requests == []
    assert Message.objects.get().livemode is till.livemode


@pytest.mark.parametrize("mode", ["test", "live"])
def test_the_command_registers_the_default(acme, mode, capsys, receiver):  # noqa: F811
    call_command("add_payments_webhook", partner="Acme", mode=mode, url=receiver.url, json=True)
    told = json.loads(capsys.readouterr().out)
    till = Till(acme, livemode=mode == "live")
    Shop(make_token(acme, livemode=mode == "live")).make()
    expire_now(Payment.objects.get().pk)
    sending.deliver()

    ((headers, body),) = receiver.requests
    assert Webhook(told["secret"]).verify(body, headers)["status"] == "failed"
    assert till.left() == 1000_00
