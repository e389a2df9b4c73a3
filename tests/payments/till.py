"""A partner's side of payments, below any HTTP: floats, a token, and what is asked for."""

import hashlib
import json
from uuid import uuid4

from engine.payouts.floats import credit_float, read_float
from payments.models import Token
from payments.services import Creation, create_payment

UNITS = {"EUR": 100_000, "XAF": 1_000_000, "USD": 100_000}


class Till:
    def __init__(self, partner, *, livemode):
        self.partner, self.livemode = partner, livemode
        prefix = "tk_live_" if livemode else "tk_test_"
        self.token = Token.objects.create(
            partner=partner,
            livemode=livemode,
            name="tests",
            digest=hashlib.sha256(f"{partner.pk}{livemode}".encode()).digest(),
            sealed_text=b"sealed",
            prefix_shown=prefix,
            last4="abcd",
            may_pay_out=True,
        )
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
