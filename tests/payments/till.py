"""A partner's side of payments, below any HTTP: floats, a token, and what is asked for."""

import hashlib
import json
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from engine.common.secrets import seal
from engine.ledger.services import balance_of, balances
from engine.payouts import services
from engine.payouts.floats import credit_float, read_float
from engine.payouts.models import AssetPrice, GatewayFee
from engine.payouts.pricing import forget_prices
from engine.payouts.states import Status
from payments.models import Payment, Token
from payments.payees import Payee
from payments.services import Creation, create_payment, submit
from payments.sessions import open_session
from tests.cast import EVM, TRON

UNITS = {"EUR": 100_000, "XAF": 1_000_000, "USD": 100_000}
IBAN = "DE89370400440532013000"
WALLET = Payee("tron", "USDT", TRON)
OTHER_WALLET = Payee("polygon", "USDT", EVM)
MOMO = Payee("mtn_momo", "XAF", "+237670006789", country="CM")
ORANGE = Payee("orange_money", "XAF", "+237690006789", country="CM")
# How these numbers end decides: the operator knows no such payee; fails, who knows why.
NO_ACCOUNT = Payee("mtn_momo", "XAF", "+237670006089", country="CM")
FAILS = Payee("mtn_momo", "XAF", "+237670006119", country="CM")
BANK = Payee("sepa", "EUR", IBAN, holder="Ada Lovelace")


def set_rates(**usd_micros):
    """Prices of this moment, so that money is changed at them."""
    for asset, price in ({"EUR": 1_100_000, "USDT": 1_000_000} | usd_micros).items():
        AssetPrice.objects.update_or_create(
            asset=asset,
            defaults={"usd_micros": price, "as_of": timezone.now(), "source": "tests"},
        )
    forget_prices()


class Till:
    def __init__(self, partner, *, livemode):
        self.partner, self.livemode = partner, livemode
        prefix = "tk_live_" if livemode else "tk_test_"
        self.token = Token.objects.create(
            partner=partner,
            livemode=livemode,
            name="tests",
            digest=hashlib.sha256(f"{partner.pk}{livemode}".encode()).digest(),
            sealed_text=seal("payments token", f"{prefix}of {partner.pk}".encode()),
            prefix_shown=prefix,
            last4="abcd",
            may_pay_out=True,
        )
        # What this house's bank does for nothing.
        GatewayFee.objects.update_or_create(
            gateway="sepa",
            currency="EUR",
            defaults={"gateway_units": 0, "platform_basis_points": 0, "seconds": 60},
        )
        set_rates()
        for currency, units in UNITS.items():
            self.give(currency, units, reference="bank-1")

    def give(self, currency, units, *, reference=None):
        credit_float(
            partner_id=self.partner.pk,
            livemode=self.livemode,
            currency=currency,
            units=units,
            reference=reference or uuid4().hex,
            reason="a test",
            by="tests",
        )

    def left(self, currency="EUR"):
        """What the float has left, in smallest units."""
        return read_float(
            partner_id=self.partner.pk, livemode=self.livemode, currency=currency
        ).units

    def wish(self, **changes):
        """A creation, with the fingerprint of its body as the door would have it."""
        key = changes.pop("key", None)
        body = {"amount": "100.00", "currency": "EUR"} | changes
        asked = json.dumps({name: str(value) for name, value in sorted(body.items())})
        return Creation(
            partner_id=self.partner.pk,
            livemode=self.livemode,
            token_id=self.token.pk,
            fingerprint=hashlib.sha256(asked.encode()).digest(),
            key=key,
            **body,
        )

    def create(self, **changes):
        """A payment, new each time unless a key is given."""
        payment, _ = create_payment(self.wish(**{"key": uuid4().hex} | changes))
        return payment

    def create_francs(self):
        return self.create(amount="10000", currency="XAF")


def fill(payment, payee, *, method="any", **details):
    return open_session(Payment.objects.get(pk=payment.pk), method, payee, details)


def pay(payment, payee):
    """Fill in and submit; the payment with its payout under way."""
    return submit(fill(payment, payee).code, payment.pk)


def again(payment):
    return Payment.objects.get(pk=payment.pk)


def available(payment):
    return balance_of(account_id=payment.available_account_id)


def in_books(code, asset, livemode):
    return balances(codes=[code], asset=asset, livemode=livemode).get(code, 0)


def said(statement, *parameters):
    """Say it to PostgreSQL, past all code."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def fail(payment, code):
    """The payout fails before anything was sent, for that reason."""
    assert services.advance(
        Status.FAILED, [services.Step(again(payment).payout_id, failure_code=code)]
    )
