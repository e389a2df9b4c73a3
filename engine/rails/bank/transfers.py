"""The rows of transfers: what was promised, when it was let out, what the books ask of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection, transaction

from engine.rails.bank.ibans import read_iban
from engine.rails.bank.references import CURRENCY, NETWORK, reference_of
from engine.rails.errors import DestinationInvalid, RailRejected, RailUnavailable
from engine.rails.models import BankAccount, BankPayee, BankTransfer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from engine.rails.base import Order, Prepared

    Refusal = RailRejected | RailUnavailable

PROMISED = ("payout_id", "leg", "number", "iban", "units", "currency")
# What a bank's own limit on one SEPA transfer is: 999,999,999.99 euros.
UNITS_MAX = 99_999_999_999
RELEASE = """
UPDATE rails_banktransfer SET released_at = clock_timestamp()
WHERE end_to_end_id = ANY(%s) AND released_at IS NULL AND NOT is_recalled
"""
# Who makes a file of it holds the row: then it is in that file, and stays.
MOVE = """
UPDATE rails_banktransfer t SET account_id = pays.id
FROM rails_bankaccount closed, LATERAL (
    SELECT id FROM rails_bankaccount
    WHERE livemode = closed.livemode AND is_enabled ORDER BY id LIMIT 1
) pays
WHERE t.end_to_end_id = ANY(%s) AND closed.id = t.account_id AND NOT closed.is_enabled
  AND t.file_id IS NULL AND NOT t.is_recalled AND t.finished_at IS NULL
"""


def preflight_orders(orders: Sequence[Order]) -> list[Order | Refusal]:
    """Each order, or why it cannot be sent for good or for now. In their order."""
    accounts = paying_accounts()
    named = _named(orders)
    return [_refusal(order, accounts, named) or order for order in orders]


def promise(orders: Sequence[Order]) -> list[BankTransfer | Refusal]:
    """A row for each order, kept in the caller's database transaction. In their order.

    Raises ValueError when an attempt was promised otherwise before.
    """
    accounts = paying_accounts()
    named = _named(orders)
    kept = {
        (row.payout_id, row.leg, row.number): row
        for row in BankTransfer.objects.filter(
            payout_id__in=[order.payout_id for order in orders]
        )
    }
    answers: list[BankTransfer | Refusal] = []
    fresh: list[BankTransfer] = []
    for order in orders:
        known = kept.get((order.payout_id, order.leg, order.attempt))
        refusal = None if known else _refusal(order, accounts, named)
        if refusal is not None:
            answers.append(refusal)
            continue
        account = known.account_id if known else accounts[order.livemode].pk
        transfer = _transfer(order, account)
        if known is None:
            fresh.append(transfer)
        elif any(getattr(known, name) != getattr(transfer, name) for name in PROMISED):
            raise ValueError(f"{known.end_to_end_id} was promised otherwise before.")
        answers.append(known or transfer)
    BankTransfer.objects.bulk_create(fresh)
    return answers


def paying_accounts() -> Mapping[bool, BankAccount]:
    """The account that pays new transfers of each mode: the first that is enabled."""
    accounts = BankAccount.objects.filter(is_enabled=True).order_by("-id")
    return {account.livemode: account for account in accounts}


def release(references: Iterable[str]) -> None:
    """Let transfers go into the next file. Commits by itself."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(RELEASE, [list(references)])


def leave_closed_accounts(references: Iterable[str]) -> None:
    """Let what is in no file yet be paid by the account that pays now, if its own is off.

    No bank has it, so it may go by any. What no account pays stays. Commits by itself.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(MOVE, [list(references)])


def transfers_of(batch: Sequence[Prepared]) -> dict[str, BankTransfer]:
    """The rows behind these attempts, by reference."""
    rows = BankTransfer.objects.select_related("account", "file").defer("file__content_sealed")
    return {
        row.end_to_end_id: row
        for row in rows.filter(end_to_end_id__in=[one.reference for one in batch])
    }


def _named(orders: Sequence[Order]) -> set[UUID]:
    return set(
        BankPayee.objects.filter(
            payout_id__in=[order.payout_id for order in orders]
        ).values_list("payout_id", flat=True)
    )


def _refusal(
    order: Order, accounts: Mapping[bool, BankAccount], named: set[UUID]
) -> Refusal | None:
    if (order.network, order.asset) != (NETWORK, CURRENCY):
        return RailRejected(
            f"{order.asset} is not paid over {order.network}.",
            failure_code="asset_not_on_network",
        )
    if not 0 < order.units <= UNITS_MAX:
        return RailRejected(
            "No bank takes a transfer of that amount.", failure_code="amount_not_allowed"
        )
    try:
        read_iban(order.destination)
    except DestinationInvalid as error:
        code = "iban_not_paid" if error.reason == "not_in_sepa" else "iban_invalid"
        return RailRejected(error.message, failure_code=code)
    if order.payout_id not in named:
        return RailRejected(
            "Nobody said whom the payout is to.", failure_code="payee_name_missing"
        )
    if order.livemode not in accounts:
        return RailUnavailable("No account of ours pays euros.", waiting_for="account")
    return None


def _transfer(order: Order, account_id: int) -> BankTransfer:
    account = BankAccount.objects.get(pk=account_id)
    reference = reference_of(order)
    return BankTransfer(
        end_to_end_id=reference,
        payout_id=order.payout_id,
        leg=order.leg,
        number=order.attempt,
        account=account,
        iban=read_iban(order.destination).text,
        units=order.units,
        currency=order.asset,
        remittance=f"{account.remittance} {reference}",
    )
