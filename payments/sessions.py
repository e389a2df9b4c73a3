"""From what a recipient has filled in to what she reviews: a promise and a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from payments.models import FormSession, Payment
    from payments.payees import Payee


@dataclass(frozen=True, slots=True)
class Rate:
    """At what one asset is changed into another. `text` reads ``1 EUR = 1.0745 USDT``."""

    text: str
    source: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """What a recipient agrees to by submitting.

    `pays_units` of `pays_currency` are what the partner has set aside; `arrives_units` of
    `arrives_asset` reach her, `fee_units` of `fee_asset` do not. `seconds` from then on.
    """

    arrives_units: int
    arrives_asset: str
    fee_units: int
    fee_asset: str
    pays_units: int
    pays_currency: str
    rate: Rate | None
    network: str
    destination: str
    holder: str
    seconds: int
    expires_at: datetime
    method: str


def open_session(
    payment: Payment, method: str, payee: Payee, details: Mapping[str, str]
) -> FormSession:
    """Promise a price for paying `payee`, and keep what was typed, sealed.

    Nothing is held by it and nothing moves. Raises PaymentNotOpen, RouteUnavailable,
    AmountTooSmall and AmountInvalid.
    """
    raise NotImplementedError


def review_of(session: FormSession) -> Review:
    """What the session's quote has promised."""
    raise NotImplementedError


def details_of(session: FormSession) -> dict[str, str]:
    """What was typed, to fill the form again. Raises SealBroken."""
    raise NotImplementedError
