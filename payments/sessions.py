"""From what a recipient has filled in to what she reviews: a promise and a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from django.db import transaction

from engine.common.secrets import seal, unseal
from engine.common.times import now_in_books
from engine.ledger import accounts
from engine.ledger.services import open_account
from engine.payouts.conversions import rate_text
from engine.payouts.held_quotes import HeldQuoteRequest, make_held_quote
from engine.rails.bank.payees import name_payee, payable_name
from payments.codes import new_code
from payments.describing import NAME
from payments.errors import PaymentNotOpen
from payments.models import FormSession
from payments.opening import is_open, refuse_unapproved

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from payments.models import Payment
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
    AmountTooSmall, AmountInvalid, PayoutsFrozen as `submit` does for a partner, and
    DestinationInvalid for a name that no bank takes.
    """
    if not is_open(payment, now_in_books()):
        raise PaymentNotOpen
    refuse_unapproved(payment)
    holder = payable_name(payee.holder) if payee.holder else ""
    with transaction.atomic():
        quote = make_held_quote(_request(payment, payee))
        code = new_code()
        return FormSession.objects.create(
            code=code,
            payment=payment,
            method=method,
            quote=quote,
            sealed_details=seal_details(code, details, holder=holder),
        )


def seal_details(code: str, details: Mapping[str, str], *, holder: str) -> bytes:
    """What was typed, for the eyes of the session of that code alone."""
    kept = {"details": dict(details), "holder": holder}
    return seal(_purpose(code), orjson.dumps(kept))


def _request(payment: Payment, payee: Payee) -> HeldQuoteRequest:
    available, held = accounts_in(payment, payee.asset)
    return HeldQuoteRequest(
        partner_id=payment.partner_id,
        livemode=payment.livemode,
        fee_schedule_id=payment.partner.fee_schedule_id,
        door=NAME,
        currency=payment.currency,
        units=payment.units,
        currency_account_id=payment.available_account_id,
        asset=payee.asset,
        network=payee.network,
        destination=payee.destination,
        country=payee.country,
        available_account_id=available,
        held_account_id=held,
    )


def accounts_in(payment: Payment, asset: str) -> tuple[int, int]:
    """The payment's accounts in what is paid, opened when it is not its own currency."""
    if asset == payment.currency:
        return payment.available_account_id, payment.held_account_id
    available, held = (
        open_account(
            code=code, asset=asset, livemode=payment.livemode, **accounts.kind_of(code)
        )
        for code in (
            accounts.payment_available(payment.pk.hex),
            accounts.payment_held(payment.pk.hex),
        )
    )
    return available, held


def review_of(session: FormSession) -> Review:
    """What the session's quote has promised. Raises SealBroken."""
    quote, payment = session.quote, session.payment
    conversion = getattr(quote, "conversion", None)
    return Review(
        arrives_units=quote.units_received,
        arrives_asset=quote.asset,
        fee_units=quote.units_fee,
        fee_asset=quote.asset,
        pays_units=payment.units,
        pays_currency=payment.currency,
        rate=conversion and Rate(rate_text(conversion), conversion.source, conversion.as_of),
        network=quote.to_network,
        destination=quote.destination,
        holder=_kept(session)["holder"],
        seconds=quote.estimated_seconds,
        expires_at=quote.expires_at,
        method=session.method,
    )


def details_of(session: FormSession) -> dict[str, str]:
    """What was typed, to fill the form again. Raises SealBroken."""
    details: dict[str, str] = _kept(session)["details"]
    return details


def keep_payee(session: FormSession) -> None:
    """Let the bank's part of the house know whom the payout is to, where a bank asks."""
    holder = _kept(session)["holder"]
    if holder:
        name_payee(session.quote.payout_id, holder)


def _kept(session: FormSession) -> dict[str, Any]:
    kept: dict[str, Any] = orjson.loads(
        unseal(_purpose(session.code), bytes(session.sealed_details))
    )
    return kept


def _purpose(code: str) -> str:
    # Bound to its session: what is moved to another row opens there for nobody.
    return f"form session {code}"
