"""Tokens and payments in the admin: shown once, masked, and ended by a question answered."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.messages import get_messages

from engine.payouts.models import Payout
from engine.webhooks.models import Message
from payments.models import Payment, Token
from payments.services import expire_now
from tests.payments.api_cast import Shop, make_token, traces
from tests.payments.till import BANK, IBAN, MOMO, NO_ACCOUNT, pay

pytestmark = pytest.mark.django_db

TOKENS, PAYMENTS = "/admin/payments/token/", "/admin/payments/payment/"
MINT = {"mode": "test", "name": "shop", "cidrs": "", "may_pay_out": "on"}


@pytest.fixture
def staff(client, db):
    """Signs in as a member of a group, or as the administrator."""

    def sign_in(group=""):
        user = User.objects.create_user(f"one-{group}", password="x", is_staff=True)
        user.is_superuser = not group
        user.save()
        user.groups.set(Group.objects.filter(name=group))
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def shop(till):
    return Shop(make_token(till.partner, livemode=till.livemode))


def page(payment, name="change"):
    return f"{PAYMENTS}{payment.pk}/{name}/"


# --- Tokens ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_minted_token_is_shown_once_and_works(staff, acme, mode):
    client = staff("key admin")
    answer = client.post(f"{TOKENS}mint/", MINT | {"partner": acme.pk, "mode": mode})

    (text,) = re.findall(r">(tk_\w{4}_\w{42})</textarea>", answer.text)
    assert "no-store" in answer["Cache-Control"]
    token = Token.objects.get()
    assert (token.livemode, token.may_pay_out, token.may_fill_forms) == (
        mode == "live", True, False,
    )  # fmt: skip
    assert token.created_by.username == "one-key admin"
    assert Shop(text).get().status_code == 200
    assert text not in " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert [str(one) for one in get_messages(answer.wsgi_request)] == []
    for address in (TOKENS, f"{TOKENS}{token.pk}/change/", f"{TOKENS}{token.pk}/history/"):
        again = client.get(address).text
        assert text not in again
        assert text[8:-4] not in again


def test_the_boxes_are_not_ticked_beforehand(staff):
    asked = staff("key admin").get(f"{TOKENS}mint/").text

    for name in ("may_pay_out", "may_fill_forms"):
        (box,) = re.findall(rf'<input[^>]*name="{name}"[^>]*>', asked)
        assert not re.search(r"\schecked(?=[\s>])", box)
    assert 'name="scopes"' not in asked


@pytest.mark.parametrize(
    "change",
    [
        {"may_pay_out": ""}, {"name": "\u200b"}, {"name": ""}, {"cidrs": "10.0.0.1/8"},
        {"mode": "both"}, {"expires_at": "2020-01-01T00:00"}, {"partner": ""},
    ],
)  # fmt: skip
def test_a_token_of_another_form_is_not_minted(staff, acme, change):
    answer = staff("key admin").post(f"{TOKENS}mint/", MINT | {"partner": acme.pk} | change)

    assert answer.status_code == 200
    assert not Token.objects.exists()


@pytest.mark.parametrize("group", ["operator", "viewer"])
def test_only_who_may_mint_mints(staff, acme, group):
    client = staff(group)

    assert client.post(f"{TOKENS}mint/", MINT | {"partner": acme.pk}).status_code == 403
    assert client.get(f"{TOKENS}mint/").status_code == 403
    assert client.get(TOKENS).status_code == 200
    assert not Token.objects.exists()


def test_a_token_is_revoked_by_a_post_alone(staff, shop):
    client, token = staff("key admin"), Token.objects.latest("id")
    address = f"{TOKENS}{token.pk}/revoke/"

    assert client.get(address).status_code == 200
    assert shop.get().status_code == 200
    assert client.post(address).status_code == 302
    assert shop.get().status_code == 401
    assert LogEntry.objects.get().change_message == "Revoked."
    assert f"{token.pk}/revoke" not in client.get(f"{TOKENS}{token.pk}/change/").text


def test_who_may_not_revoke_does_not(staff, shop):
    token = Token.objects.latest("id")

    assert staff("operator").post(f"{TOKENS}{token.pk}/revoke/").status_code == 403
    assert shop.get().status_code == 200


@pytest.mark.parametrize("state", ["active", "revoked", "expired"])
def test_tokens_are_found_by_their_state(staff, acme, state):
    make_token(acme, livemode=True, name="the active one")
    make_token(acme, livemode=True, name="the revoked one")
    make_token(acme, livemode=True, name="the expired one")
    Token.objects.filter(name__contains="revoked").update(revoked_at="2026-01-01T00:00:00Z")
    Token.objects.filter(name__contains="expired").update(expires_at="2026-01-01T00:00:00Z")

    text = staff("viewer").get(TOKENS, {"state": state}).text

    assert re.findall(r"the (\w+) one", text) == [state]


# --- Payments --------------------------------------------------------------------


def test_the_page_shows_the_link_and_what_was_asked_for(staff, shop):
    made = shop.make(
        externalId="order-1",
        description="<b>Order</b>",
        metadata={"a": "<script>"},
        customer={"id": "c-1", "name": "Ada Lovelace"},
    )
    text = staff("viewer").get(page(Payment.objects.get())).text

    assert f">{made['url']}</textarea>" in text
    assert "10.00 EUR" in text
    assert "order-1" in text
    assert "<b>Order" not in text
    assert "<script>&quot;" not in text
    assert "Lovelace" not in text
    assert "A… L…" in text
    assert 'href="mailto:?subject=Acme' in text
    assert "Nobody has said yet how to be paid." in text


def test_payouts_are_listed_with_whom_they_went_to_masked(staff, shop, finish):
    shop.make(currency="XAF", amount="10000")
    for payee in (NO_ACCOUNT, MOMO):
        pay(Payment.objects.get(), payee)
        finish()

    text = staff("viewer").get(page(Payment.objects.get())).text

    for payout in Payout.objects.all():
        assert f"/admin/payouts/payout/{payout.pk}/change/" in text
        assert payout.destination not in text
        assert payout.destination[4:] not in text
    assert "+237 … 789" in text
    assert "payee_not_found" in text
    assert "payment.succeeded" in text


def test_a_bank_s_customer_is_masked(staff, shop):
    shop.make()
    pay(Payment.objects.get(), BANK)

    text = staff().get(page(Payment.objects.get())).text

    assert IBAN not in text.replace(" ", "")
    assert "Lovelace" not in text
    assert "A… L…" in text


def test_what_the_partner_was_told_is_linked(staff, shop):
    shop.make(webhookUrl="https://hooks.shop.example/orders/1")
    expire_now(Payment.objects.get().pk)

    text = staff("viewer").get(page(Payment.objects.get())).text

    message = Message.objects.get()
    assert f"/admin/webhooks/message/{message.pk}/change/" in text
    assert "https://hooks.shop.example/orders/1" in text
    assert "expired: Nobody said in time" in text
    shown = staff().get(f"/admin/webhooks/message/{message.pk}/change/").text
    assert "https://hooks.shop.example/orders/1" in shown
    assert shop.token not in shown


def test_payments_are_found_by_what_partners_send(staff, shop):
    made = shop.make(externalId="order-1", customer={"id": "c-1"})
    shop.make(amount="2.00")
    client = staff("viewer")

    for term in (made["id"], f" {made['id']} ", "order-1", "c-1"):
        assert set(re.findall(r"pay_[0-9a-z]{26}", client.get(PAYMENTS, {"q": term}).text)) == {
            made["id"]
        }


def test_a_payment_is_expired_by_a_post_alone(staff, shop, till):
    made = shop.make()
    client, payment = staff("operator"), Payment.objects.get()
    before = traces()

    asked = client.get(page(payment, "expire"))
    assert asked.status_code == 200
    assert "10.00 EUR go back" in asked.text
    assert traces() == before

    assert client.post(page(payment, "expire")).status_code == 302
    assert shop.get(f"/api/payments/{made['id']}").json()["failure"]["code"] == "expired"
    assert till.left() == 1000_00
    assert LogEntry.objects.get().change_message == "Expired by hand."
    assert "/expire/" not in client.get(page(payment)).text


@pytest.mark.parametrize("group", ["viewer", "key admin"])
def test_who_may_not_expire_does_not(staff, shop, group):
    shop.make()
    client, payment = staff(group), Payment.objects.get()
    before = traces()

    assert client.post(page(payment, "expire")).status_code == 403
    assert client.get(page(payment, "expire")).status_code == 403
    assert "/expire/" not in client.get(page(payment)).text
    assert traces() == before


def test_what_is_on_its_way_is_not_expired(staff, shop):
    shop.make()
    payment = Payment.objects.get()
    pay(payment, BANK)
    client = staff("operator")
    assert "/expire/" not in client.get(page(payment)).text
    before = traces()

    answer = client.post(page(payment, "expire"), follow=True)

    assert "Nothing was changed." in answer.text
    assert not LogEntry.objects.exists()
    assert traces() == before


def test_nobody_adds_changes_or_deletes_a_payment_or_a_token(staff, shop):
    shop.make()
    client, payment, token = staff(), Payment.objects.get(), Token.objects.latest("id")
    before = traces()

    for address in (
        f"{PAYMENTS}add/", page(payment, "delete"), f"{TOKENS}add/", f"{TOKENS}{token.pk}/delete/"
    ):  # fmt: skip
        assert client.get(address).status_code == 403
        assert client.post(address).status_code == 403
    assert client.post(page(payment), {"status": "succeeded"}).status_code == 403
    assert traces() == before


@pytest.mark.parametrize("address", [TOKENS, PAYMENTS])
def test_strangers_see_nothing(client, address):
    assert client.get(address).status_code == 302
