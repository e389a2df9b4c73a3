"""Partners' floats: opening, crediting and reading what mobile money is paid from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection, transaction

from engine.ledger import accounts
from engine.ledger.services import move, open_account
from engine.payouts.funds import open_system_account
from engine.payouts.models import FloatCredit, PartnerFloat

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

# Where partners' money comes in, and from where operators' accounts are topped up.
BANK = "bank"
HELD = """
SELECT clock_timestamp(), f.available_account_id, f.held_account_id, a.balance
FROM (SELECT 1) AS here
LEFT JOIN payouts_partnerfloat f
    ON f.partner_id = %s AND f.livemode = %s AND f.currency = %s
LEFT JOIN ledger_account a ON a.id = f.available_account_id
"""


@dataclass(frozen=True, slots=True)
class Float:
    """What a partner may spend of a currency, by the database's clock, and the accounts."""

    read_at: datetime
    units: int
    available_account_id: int
    held_account_id: int


class CreditDiffers(ValueError):
    """The reference was credited before, with another amount. Its text says so."""


def open_float(*, partner_id: UUID, livemode: bool, currency: str) -> PartnerFloat:
    """The partner's float of that currency, opened on first use, also by two at once."""
    known = PartnerFloat.objects.filter(
        partner_id=partner_id, livemode=livemode, currency=currency
    ).first()
    if known is not None:
        return known
    with transaction.atomic():
        # Available before held: accounts are locked by id, and an execute takes from the first.
        available, held = (
            open_account(code=code(partner_id.hex, "float"), asset=currency, livemode=livemode)
            for code in (accounts.partner_available, accounts.partner_held)
        )
        PartnerFloat.objects.bulk_create(
            [
                PartnerFloat(
                    partner_id=partner_id,
                    livemode=livemode,
                    currency=currency,
                    available_account_id=available,
                    held_account_id=held,
                )
            ],
            ignore_conflicts=True,
        )
    return PartnerFloat.objects.get(partner_id=partner_id, livemode=livemode, currency=currency)


def read_float(*, partner_id: UUID, livemode: bool, currency: str) -> Float:
    """What the partner may spend, in one round trip; an empty float is opened."""
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(HELD, [partner_id, livemode, currency])
            read_at, available, held, balance = cursor.fetchone()
        if available is not None:
            return Float(read_at, int(balance), available, held)
        open_float(partner_id=partner_id, livemode=livemode, currency=currency)
    raise AssertionError("a float that was opened is there")


def credit_float(
    *,
    partner_id: UUID,
    livemode: bool,
    currency: str,
    units: int,
    reference: str,
    reason: str,
    by: str,
) -> tuple[FloatCredit, bool]:
    """Credit a partner's float, once for each bank reference.

    Returns the credit and whether this call made it. `by` is the operator's username.
    Raises CreditDiffers when the reference was credited with another amount.
    """
    partner_float = open_float(partner_id=partner_id, livemode=livemode, currency=currency)
    with transaction.atomic():
        # The float's row first: a second one with this reference waits, and finds the first.
        PartnerFloat.objects.select_for_update().get(pk=partner_float.pk)
        known = FloatCredit.objects.filter(float=partner_float, reference=reference).first()
        if known is not None:
            if known.units != units:
                raise CreditDiffers(f"{reference} was credited with another amount.")
            return known, False
        credit = FloatCredit.objects.create(
            float=partner_float, units=units, reference=reference, reason=reason, by=by
        )
        move(
            reference=f"float:{credit.pk}",
            debit=open_system_account(accounts.custody(BANK), currency, livemode),
            credit=partner_float.available_account_id,
            units=units,
        )
    return credit, True
