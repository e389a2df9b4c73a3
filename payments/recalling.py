"""Payments in the journal: a payout that outlives its database brings its payment back.

Without it, a restored house would take the money for the payout from nowhere, and a
partner who asks again with the same key would have the recipient paid twice.

What is written down is sealed for this one payout: read by nobody else and, since nobody
else could have made it, believed. It holds the payment's terms, the form that was
submitted, and the rate.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from engine.common.secrets import SealBroken, seal, unseal
from engine.ledger import accounts
from engine.ledger.models import Movement
from engine.ledger.services import move, move_many, open_account
from engine.payouts.conversions import booking_of
from engine.payouts.floats import open_float
from engine.payouts.models import Conversion, Payout
from engine.payouts.services import Step, advance
from engine.payouts.states import Status
from engine.rails.statements import CannotRecall
from payments.endings import SUPERSEDED
from payments.models import FormSession, Payment, PaymentPayout, PaymentStatus, Token
from payments.owning import own
from payments.sessions import accounts_in, seal_details

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the payment is, but for its accounts, which another database numbers otherwise.
TERMS = (
    "code", "livemode", "currency", "description", "external_id", "metadata", "redirect_url",
    "webhook_url", "customer_id", "customer_name", "key",
)  # fmt: skip
# What a payment of that id must agree on, or it is another one.
SAME = ("code", "livemode", "currency")
RATE = (
    "from_asset", "to_asset", "from_usd_micros", "to_usd_micros", "spread_basis_points",
    "source",
)  # fmt: skip


class PaymentsMemory:
    """See doors.Memory."""

    def remember(self, payout_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Each payout's payment, form and rate, as sealed hexadecimal digits."""
        owned = PaymentPayout.objects.filter(payout_id__in=list(payout_ids)).select_related(
            "payment__token", "session__quote__conversion"
        )
        return {
            one.payout_id: seal(_purpose(one.payout_id), orjson.dumps(_told(one))).hex()
            for one in owned
        }

    def reopen(self, payout_id: UUID, kept: str) -> tuple[int, int]:
        """The payment, with its money set aside again; its accounts in what is paid."""
        told = _read(payout_id, kept)
        _give_up_what_was_not_sent(told, payout_id)
        payment = _payment_of(told) or _insert(told)
        differing = [name for name in SAME if getattr(payment, name) != told["terms"][name]]
        if differing or (str(payment.partner_id), str(payment.units)) != (
            told["partner"], told["units"],
        ):  # fmt: skip
            raise CannotRecall(f"payment {payment.pk} is another one: {differing}")
        if payment.status != PaymentStatus.PENDING:
            raise CannotRecall(f"payment {payment.pk} has {payment.status} meanwhile")
        return accounts_in(payment, told["asset"])

    def fund(self, payout: Payout, kept: str) -> None:
        """Change the money where it was changed, and make the payout the payment's own."""
        told = _read(payout.pk, kept)
        payment = Payment.objects.get(pk=told["payment"])
        if told["rate"] is not None:
            _book(_conversion_of(payout, payment, told))
        session, _ = FormSession.objects.get_or_create(
            quote_id=payout.quote_id,
            defaults={
                "code": told["session"]["code"],
                "payment": payment,
                "method": told["session"]["method"],
                # What was typed is lost: she who goes back types it again.
                "sealed_details": seal_details(told["session"]["code"], {}, holder=""),
            },
        )
        if session.used_at is None:
            session.used_at = payout.created_at
            session.save(update_fields=["used_at"])
        own(payment, payout.pk, session)


def _told(one: PaymentPayout) -> dict[str, Any]:
    payment, quote = one.payment, one.session.quote
    conversion = getattr(quote, "conversion", None)
    return {
        "payment": str(payment.pk),
        "partner": str(payment.partner_id),
        "token": bytes(payment.token.digest).hex(),
        "terms": {name: getattr(payment, name) for name in TERMS},
        "units": str(payment.units),
        "fingerprint": bytes(payment.fingerprint).hex(),
        "created_at": payment.created_at.isoformat(),
        "expires_at": payment.expires_at.isoformat(),
        "asset": quote.asset,
        "session": {"code": one.session.code, "method": one.session.method},
        "rate": conversion and _rate_told(conversion),
    }


def _rate_told(conversion: Conversion) -> dict[str, Any]:
    return {name: getattr(conversion, name) for name in RATE} | {
        "as_of": conversion.as_of.isoformat(),
        "from_units": str(conversion.from_units),
        "to_units": str(conversion.to_units),
    }


def _read(payout_id: UUID, kept: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = orjson.loads(unseal(_purpose(payout_id), bytes.fromhex(kept)))
    except (SealBroken, TypeError, ValueError):
        raise CannotRecall("the journal does not say whose payment this is") from None
    return told


def _purpose(payout_id: UUID) -> str:
    # Bound to its payout: what is moved to another line opens there for nobody.
    return f"payment in the journal {payout_id.hex}"


def _payment_of(told: dict[str, Any]) -> Payment | None:
    return Payment.objects.select_for_update(no_key=True).filter(pk=told["payment"]).first()


def _give_up_what_was_not_sent(told: dict[str, Any], payout_id: UUID) -> None:
    """Make room for the payout that was sent, where the form was submitted again.

    Between a restore and the first look at the journals it is open to whoever has not seen
    that she was paid. Nothing goes out in such a house, so that second payout has not.
    """
    again = Payout.objects.filter(
        pk__in=PaymentPayout.objects.filter(payment_id=told["payment"]).values("payout_id"),
        status=Status.PENDING,
    ).exclude(pk=payout_id)
    # Cancelled, which only a payout can be that no rail was asked for.
    advance(
        Status.CANCELLED,
        [Step(key, failure_code=SUPERSEDED) for key in again.values_list("pk", flat=True)],
    )


def _insert(told: dict[str, Any]) -> Payment:
    """The payment as it was made, under its old names, and its hold. InsufficientFunds."""
    key, terms = UUID(told["payment"]), told["terms"]
    available, held = (
        open_account(
            code=code,
            asset=terms["currency"],
            livemode=terms["livemode"],
            **accounts.kind_of(code),
        )
        for code in (accounts.payment_available(key.hex), accounts.payment_held(key.hex))
    )
    payment = Payment.objects.create(
        id=key,
        partner_id=UUID(told["partner"]),
        token=_token_of(told),
        units=int(told["units"]),
        fingerprint=bytes.fromhex(told["fingerprint"]),
        available_account_id=available,
        held_account_id=held,
        created_at=datetime.fromisoformat(told["created_at"]),
        expires_at=datetime.fromisoformat(told["expires_at"]),
        **terms,
    )
    funds = open_float(
        partner_id=payment.partner_id, livemode=payment.livemode, currency=payment.currency
    )
    move(
        reference=f"payment:{key.hex}:hold",
        debit=funds.available_account_id,
        credit=available,
        units=payment.units,
    )
    return payment


def _token_of(told: dict[str, Any]) -> Token:
    """The token it was asked for with, or else the partner's newest: one must sign."""
    mine = Token.objects.filter(
        partner_id=UUID(told["partner"]), livemode=told["terms"]["livemode"]
    )
    token = mine.filter(digest=bytes.fromhex(told["token"])).first() or mine.first()
    if token is None:
        raise CannotRecall("the partner has no token: mint one")
    return token


def _conversion_of(payout: Payout, payment: Payment, told: dict[str, Any]) -> Conversion:
    rate = told["rate"]
    conversion, _ = Conversion.objects.get_or_create(
        quote_id=payout.quote_id,
        defaults={name: rate[name] for name in RATE}
        | {
            "livemode": payment.livemode,
            "from_units": int(rate["from_units"]),
            "to_units": int(rate["to_units"]),
            "as_of": datetime.fromisoformat(rate["as_of"]),
            "from_account_id": payment.available_account_id,
        },
    )
    return conversion


def _book(conversion: Conversion) -> None:
    moves = booking_of(conversion)
    if not Movement.objects.filter(reference=moves[0].reference).exists():
        move_many(moves)
