"""A payment's money is set aside once, however often and by however many it is asked for.

Goal: no body, key or externalId makes two payments where the contract promises one, and a
refusal moves nothing.
"""

import pytest

from engine.common.errors import AmountInvalid
from engine.ledger.errors import InsufficientFunds
from engine.ledger.services import balance_of
from engine.partners.errors import IdempotencyConflict
from payments.errors import CurrencyNotSupported, ExternalIdConflict
from payments.models import Payment
from payments.services import create_payment
from tests.cast import footprint

pytestmark = pytest.mark.django_db


def test_a_payment_holds_its_amount_and_the_float_has_as_much_less(till):
    payment, is_new = create_payment(till.wish(amount="100.00"))

    assert is_new
    assert payment.units == 10_000
    assert balance_of(account_id=payment.available_account_id) == 10_000
    assert balance_of(account_id=payment.held_account_id) == 0
    assert till.left() == 90_000
