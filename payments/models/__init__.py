"""What this door remembers: tokens, payments, what was filled in, and what became of it."""

from __future__ import annotations

from payments.models.payments import Payment, PaymentPayout, PaymentStatus
from payments.models.sessions import FormSession
from payments.models.tokens import Token

__all__ = ["FormSession", "Payment", "PaymentPayout", "PaymentStatus", "Token"]
