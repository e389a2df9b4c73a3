"""Who fills in the hosted form, and with what."""

import re
from contextlib import contextmanager
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.utils import timezone

from engine.payouts import services
from engine.payouts.models import AssetPrice, GatewayFee, Payout
from engine.payouts.states import Status
from payments import access
from payments.models import Payment
from tests.cast import count, footprint
from tests.payments.till import Till

IBAN = "DE89 3704 0044 0532 0130 00"
NUMBER = "6 77 12 34 56"
BANK = {"holder": "Ada Müller", "iban": IBAN}
MOBILE = {"country": "CM", "number": NUMBER, "gateway": ""}
BANK_FEE = {
    "gateway_units": 20,
    "gateway_basis_points": 0,
    "platform_units": 0,
    "platform_basis_points": 0,
    "seconds": 86_400,
}
RATES = {"EUR": 1_080_000, "XAF": 1_646, "XOF": 1_646}


def rates_of_today():
    """Fresh prices of what is owed and paid, and a bank to pay euros with."""
    for currency, usd_micros in RATES.items():
        AssetPrice.objects.update_or_create(
            asset=currency, defaults={"usd_micros": usd_micros, "source": "operator"}
        )
    AssetPrice.objects.update(as_of=timezone.now())
    GatewayFee.objects.update_or_create(
        gateway="sepa", currency="EUR", defaults=BANK_FEE | {"is_enabled": True}
    )


@contextmanager
def seeds_restored():
    """Puts prices back as migrations left them, after a test that really commits."""
    kept = [(model, list(model.objects.all())) for model in (AssetPrice, GatewayFee)]
    yield
    if connection.in_atomic_block:
        return
    for model, rows in kept:
        model.objects.exclude(pk__in=[row.pk for row in rows]).delete()
        for row in rows:
            row.save()


def written():
    """Everything that a careless page could write."""
    return footprint() | {
        table: count(table)
        for table in ("payouts_quote", "payments_formsession", "payments_paymentpayout")
    }


def policy(response):
    parts = (part.split() for part in response["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in parts}


def text_of(html):
    """What a reader reads: no tags, single spaces."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def end(payment, status, failure_code=""):
    """Let the payment's payout end as its rail would find it."""
    payment.refresh_from_db()
    step = {"network": Payout.objects.get(pk=payment.payout_id).to_network, "reference": "r"}
    services.advance(Status.SENDING, [services.Step(payment.payout_id)])
    services.advance(Status.BROADCAST, [services.Step(payment.payout_id, **step)])
    services.advance(
        status, [services.Step(payment.payout_id, failure_code=failure_code, **step)]
    )
    payment.refresh_from_db()


def run_out(payment):
    """Let the payment's time be over."""
    Payment.objects.filter(pk=payment.pk).update(
        expires_at=payment.created_at + timedelta(microseconds=1)
    )


class Form:
    """One payment's link, as its recipient uses it."""

    def __init__(self, client, payment):
        self.client, self.payment = client, payment
        self.url = f"/checkin/{payment.public_id}"

    def get(self, path="", **headers):
        return self.client.get(self.url + path, headers=headers)

    def post(self, path, answers=None, **headers):
        return self.client.post(self.url + path, answers or {}, headers=headers)

    def read(self, path="", **headers):
        """A page's text, of one that is there."""
        response = self.get(path, **headers)
        assert response.status_code == 200, response.status_code
        return response.content.decode()

    def review(self, method, answers):
        """The address of the review page that good answers lead to, below the link."""
        response = self.post(f"/{method}", answers)
        assert response.status_code == 303, response.content.decode()
        return response["Location"].removeprefix(self.url)

    def agree(self, method, answers):
        """Fill in and agree; where that leads."""
        response = self.post(self.review(method, answers), {"act": "agree"})
        assert response.status_code == 303, response.content.decode()
        self.payment.refresh_from_db()
        return response["Location"]


@pytest.fixture
def owe(acme):
    """Makes a payment of Acme's whose form is to be filled in; rates are of today."""
    tills = {}

    def make(amount="100.00", currency="EUR", *, livemode=True, **more):
        if livemode not in tills:
            tills[livemode] = Till(acme, livemode=livemode)
            rates_of_today()
        return tills[livemode].create(amount=amount, currency=currency, **more)

    with seeds_restored():
        yield make


@pytest.fixture
def fill_in(client, owe):
    """Opens the hosted form of a new payment, as its recipient does."""
    return lambda *asked, **more: Form(client, owe(*asked, **more))


@pytest.fixture(autouse=True)
def nobody_has_opened_it_yet():
    access.LOOKS.forget()
    access.PROMISES.forget()
