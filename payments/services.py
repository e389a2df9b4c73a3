"""Every way a payment can change, but for running out of time (expiry.py).

Each is one short database transaction: payout before payment before accounts, and nobody
holds a lock while talking to the outside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from engine.common.ids import new_id, public_id
from engine.common.times import now_in_books
from engine.ledger import accounts
from engine.ledger.services import move, move_many, open_account
from engine.partners.errors import IdempotencyConflict
from engine.payouts import fence
from engine.payouts.conversions import booking_of
from engine.payouts.errors import PayoutsFrozen, QuoteAlreadyUsed, QuoteNotFound
from engine.payouts.floats import read_float
from engine.payouts.models import AssetPrice
from engine.payouts.services import execute_quote
from engine.rails.networks import NETWORKS
from engine.rails.scales import CURRENCIES
from payments import expiry
from payments.amounts import read_amount
from payments.codes import new_code
from payments.describing import NAME
from payments.errors import CurrencyNotSupported, ExternalIdConflict, PaymentNotOpen
from payments.models import FormSession, Payment, PaymentStatus
from payments.opening import has_live_payout, is_open, refuse_unapproved
from payments.owning import own
from payments.sessions import keep_payee

if TYPE_CHECKING:
    from uuid import UUID

    from engine.payouts.floats import Float

__all__ = [
    "Creation", "asked_before", "create_payment", "expire_due", "expire_now",
    "has_live_payout", "is_open", "submit",
]  # fmt: skip
LOCK_TEXT = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 6))"


@dataclass(frozen=True, slots=True)
class Creation:
    """What a partner asks for, after the door's own validation.

    `amount` is its decimal string; `fingerprint` the SHA-256 of the body in one spelling,
    `key` its Idempotency-Key. `redirect_url` and `webhook_url` were checked by the door.
    """

    partner_id: UUID
    livemode: bool
    token_id: int
    amount: str
    currency: str
    fingerprint: bytes
    key: str | None = None
    description: str = ""
    external_id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    redirect_url: str = ""
    webhook_url: str = ""
    customer_id: str = ""
    customer_name: str = ""


def create_payment(wish: Creation) -> tuple[Payment, bool]:
    """Set a partner's money aside for a recipient, once. Returns it and whether it is new.

    Asked again, for ever: the same key and body, the same externalId and body, or the same
    body without a key are the payment that there is.

    Raises IdempotencyConflict, ExternalIdConflict, CurrencyNotSupported, AmountInvalid,
    InsufficientFunds, and PayoutsFrozen in a house that was restored and is not reconciled;
    then nothing has moved.
    """
    known = asked_before(wish)
    if known is not None:
        return known, False
    if fence.may_have_forgotten():
        # It may have been made, and forgotten with the rest; reconcile will bring it back.
        raise PayoutsFrozen
    if not _is_kept(wish.currency):
        raise CurrencyNotSupported
    units = read_amount(wish.amount, currency=wish.currency)
    # A float of its own transaction, and before any lock: two that open it wait for nobody.
    funds = read_float(
        partner_id=wish.partner_id, livemode=wish.livemode, currency=wish.currency
    )
    with transaction.atomic():
        _lock_names(wish)
        # Again, now that nobody else can be between looking and making.
        known = asked_before(wish)
        if known is not None:
            return known, False
        return _make(wish, units, funds), True


def _is_kept(currency: str) -> bool:
    return currency in CURRENCIES and AssetPrice.objects.filter(asset=currency).exists()


def _lock_names(wish: Creation) -> None:
    """Let nobody else make what has one of this one's names, until the end.

    In one order for everybody, or two that share two names would wait in a ring.
    """
    names = [f"fingerprint {wish.fingerprint.hex()}"]
    names += [f"key {wish.key}"] if wish.key is not None else []
    names += [f"external {wish.external_id}"] if wish.external_id else []
    with connection.cursor() as cursor:
        for name in sorted(names):
            cursor.execute(LOCK_TEXT, [f"payment {wish.partner_id} {wish.livemode:d} {name}"])


def asked_before(wish: Creation) -> Payment | None:
    """The payment that this very request has made; None when it has made none.

    Raises IdempotencyConflict and ExternalIdConflict.
    """
    mine = Payment.objects.filter(partner_id=wish.partner_id, livemode=wish.livemode)
    if wish.key is not None:
        known = mine.filter(key=wish.key).first()
        if known is not None:
            if bytes(known.fingerprint) != wish.fingerprint:
                raise IdempotencyConflict
            return known
    if wish.external_id:
        known = mine.filter(external_id=wish.external_id).first()
        if known is not None:
            if bytes(known.fingerprint) != wish.fingerprint:
                raise ExternalIdConflict
            return known
    if wish.key is None:
        return mine.filter(fingerprint=wish.fingerprint).order_by("-created_at", "-id").first()
    return None


def _make(wish: Creation, units: int, funds: Float) -> Payment:
    key, now = new_id(), now_in_books()
    available, held = (
        open_account(
            code=code,
            asset=wish.currency,
            livemode=wish.livemode,
            **accounts.kind_of(code),
        )
        for code in (accounts.payment_available(key.hex), accounts.payment_held(key.hex))
    )
    payment = Payment.objects.create(
        id=key,
        code=new_code(),
        partner_id=wish.partner_id,
        livemode=wish.livemode,
        token_id=wish.token_id,
        currency=wish.currency,
        units=units,
        description=wish.description,
        external_id=wish.external_id,
        metadata=wish.metadata,
        redirect_url=wish.redirect_url,
        webhook_url=wish.webhook_url,
        customer_id=wish.customer_id,
        customer_name=wish.customer_name,
        fingerprint=wish.fingerprint,
        key=wish.key,
        status=PaymentStatus.PENDING,
        available_account_id=available,
        held_account_id=held,
        created_at=now,
        expires_at=now + timedelta(hours=settings.PAYMENT_HOURS),
    )
    move(
        reference=f"payment:{key.hex}:hold",
        debit=funds.available_account_id,
        credit=available,
        units=units,
    )
    return payment


def submit(session_code: str, payment_id: UUID) -> Payment:
    """Pay as the session says, once. Returns the payment with its payout under way.

    Raises PaymentNotOpen when it was submitted before, has ended or has expired: show what
    the first submit has led to. Raises QuoteExpired and QuoteAlreadyUsed ("the price has
    expired, look again"), PayoutsFrozen, DestinationBlocked, LimitReached and
    RouteUnavailable. Nothing has moved then, and the form stays open.
    """
    if fence.may_have_forgotten():
        # It may be open only because its payout was forgotten.
        raise PayoutsFrozen
    with transaction.atomic():
        # Of two at once the second one waits here, and sees what the first has made.
        payment = Payment.objects.select_for_update(no_key=True).filter(pk=payment_id).first()
        if payment is None or not is_open(payment, now_in_books()):
            raise PaymentNotOpen
        session = (
            FormSession.objects.select_related("quote__conversion")
            .filter(code=session_code, payment=payment)
            .first()
        )
        if session is None:
            raise QuoteNotFound
        if session.used_at is not None:
            raise QuoteAlreadyUsed(payout_id=public_id("pay", session.quote.payout_id))
        refuse_unapproved(payment)
        _pay(payment, session)
    return payment


def _pay(payment: Payment, session: FormSession) -> None:
    """Change the money where it has to be, execute the quote, and remember whose it is."""
    quote = session.quote
    if hasattr(quote, "conversion"):
        # Before the execute, which holds what the conversion gives; should it refuse, the
        # conversion is undone with everything else.
        move_many(booking_of(quote.conversion))
    execute_quote(
        quote_id=quote.public_id,
        partner_id=payment.partner_id,
        livemode=payment.livemode,
        door=NAME,
        over_gateways=quote.to_network not in NETWORKS,
    )
    keep_payee(session)
    session.used_at = Now()
    session.save(update_fields=["used_at"])
    own(payment, quote.payout_id, session)


def expire_now(payment_id: UUID) -> bool:
    """Give a payment's money back at once; False where it is final or being paid out."""
    return expiry.expire_now(payment_id)


def expire_due() -> int:
    """Give back what nobody has asked for in time; how many payments that were."""
    return expiry.expire_due()
