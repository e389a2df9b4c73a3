"""What users hold: opening their accounts, reading their balances, crediting deposits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.utils import timezone

from engine.ledger import accounts
from engine.ledger.services import move, open_account
from engine.payouts.models import Deposit, Holding

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

# One round trip for a quote: who is the user, and what does she hold of the asset.
HELD_OF_ASSET = """
SELECT u.id, clock_timestamp(),
       h.network, h.available_account_id, h.held_account_id, a.balance
FROM partners_enduser u
LEFT JOIN payouts_holding h ON h.end_user_id = u.id AND h.asset = %s
LEFT JOIN ledger_account a ON a.id = h.available_account_id
WHERE u.partner_id = %s AND u.livemode = %s AND u.external_ref = %s
"""


@dataclass(frozen=True, slots=True)
class HeldOn:
    """What a user has of one asset on one network, and the accounts that say so."""

    units: int
    available_account_id: int
    held_account_id: int


@dataclass(frozen=True, slots=True)
class Purse:
    """A user and what she holds of one asset, by network, and when by the database's clock."""

    end_user_id: int
    read_at: datetime
    held: dict[str, HeldOn]


def read_purse(
    *, partner_id: UUID, livemode: bool, external_ref: str, asset: str
) -> Purse | None:
    """What a user holds of `asset`; None for a user this partner never named."""
    with connection.cursor() as cursor:
        cursor.execute(HELD_OF_ASSET, [asset, partner_id, livemode, external_ref])
        rows = cursor.fetchall()
    if not rows:
        return None
    return Purse(
        end_user_id=rows[0][0],
        read_at=rows[0][1],
        held={
            network: HeldOn(int(balance), available, held)
            for _, _, network, available, held, balance in rows
            if network is not None
        },
    )


def open_holding(
    *, end_user_id: int, livemode: bool, asset: str, network: str
) -> tuple[int, int]:
    """The user's available and held accounts there, opened on first use.

    Always in that order: accounts are locked by id, and an execute takes from the first.
    """
    known = (
        Holding.objects.filter(end_user_id=end_user_id, asset=asset, network=network)
        .values_list("available_account_id", "held_account_id")
        .first()
    )
    if known is not None:
        return known
    with transaction.atomic():
        available, held = (
            open_account(code=code(end_user_id, network), asset=asset, livemode=livemode)
            for code in (accounts.end_user_available, accounts.end_user_held)
        )
        Holding.objects.bulk_create(
            [
                Holding(
                    end_user_id=end_user_id,
                    asset=asset,
                    network=network,
                    available_account_id=available,
                    held_account_id=held,
                )
            ],
            ignore_conflicts=True,
        )
    return available, held


def open_system_account(code: str, asset: str, livemode: bool) -> int:
    """The id of one of the house's own accounts, opened on first use."""
    return open_account(code=code, asset=asset, livemode=livemode, **accounts.kind_of(code))


def credit_deposit(
    *,
    partner_id: UUID,
    livemode: bool,
    end_user_id: int,
    asset: str,
    network: str,
    units: int,
    reference: str,
) -> tuple[Deposit, bool]:
    """Credit a final deposit to its user, once for each (mode, network, reference).

    Returns the deposit and whether this call made it. `reference` is what the network
    calls the transfer, such as ``hash:log index``.
    """
    now = timezone.now()
    with transaction.atomic():
        available, _ = open_holding(
            end_user_id=end_user_id, livemode=livemode, asset=asset, network=network
        )
        custody = open_system_account(accounts.custody(network), asset, livemode)
        deposit, is_new = Deposit.objects.get_or_create(
            livemode=livemode,
            network=network,
            reference=reference,
            defaults={
                "partner_id": partner_id,
                "end_user_id": end_user_id,
                "asset": asset,
                "units": units,
                "status": Deposit.Status.CONFIRMED,
                "created_at": now,
                "confirmed_at": now,
            },
        )
        if is_new:
            move(
                reference=f"deposit:{deposit.pk.hex}",
                debit=custody,
                credit=available,
                units=units,
            )
    return deposit, is_new
