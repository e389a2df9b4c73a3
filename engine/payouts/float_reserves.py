"""What batches of payouts set aside of a float: taken whole, or not at all.

Nobody else can spend it: it stands in a ledger account of the batch's own for each
currency. It goes back to the float row by row, in the database transaction in which the
row's payout takes it from there (float_batches), so that such a payout is one like any
other. A row that is refused gives its part back as well, so that a finished batch has none;
a batch that is given up gives all of it back at once.

The ids of a row's quote and payout follow from the batch and the row's place in it, so
that a row whose payout is there already, after a restore for one, is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from django.db import connection

from engine.ledger import accounts
from engine.ledger.models import Account
from engine.ledger.services import Move, move_many, open_account
from engine.payouts.floats import open_float
from engine.payouts.models.floats import FloatReserve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.payouts.models import PartnerFloat, Payout

MOMENT_BYTES = 6
LOCK_ACCOUNTS = """
SELECT id, balance FROM ledger_account WHERE id = ANY(%s::bigint[])
ORDER BY id FOR NO KEY UPDATE
"""


class FloatShort(Exception):
    """The float does not cover a batch: `held` units of `needed`. Nothing was set aside."""

    def __init__(self, *, currency: str, needed: int, held: int) -> None:
        super().__init__(currency)
        self.currency = currency
        self.needed = needed
        self.held = held


def movement(batch_id: UUID, what: object) -> str:
    """What the books call a movement of a batch: of a row by its place, or in a word."""
    return f"batch:{batch_id.hex}:{what}"


def ids_of(batch_id: UUID, place: int) -> tuple[UUID, UUID]:
    """The ids of a row's quote and payout, the same for ever.

    They begin with the batch's moment, so that they lie together in the indexes.
    """
    quote_id, payout_id = (uuid5(batch_id, f"{what} {place}") for what in ("quote", "payout"))
    moment = batch_id.bytes[:MOMENT_BYTES]
    return UUID(bytes=moment + quote_id.bytes[MOMENT_BYTES:]), UUID(
        bytes=moment + payout_id.bytes[MOMENT_BYTES:]
    )


def reserve(
    *,
    batch_id: UUID,
    partner_id: UUID,
    livemode: bool,
    rows: int,
    units: Mapping[str, int],
) -> None:
    """Set `units` of each currency aside, in the caller's transaction, or nothing.

    Raises FloatShort.
    """
    floats = {
        currency: open_float(partner_id=partner_id, livemode=livemode, currency=currency)
        for currency in sorted(units)
    }
    held = lock_accounts([one.available_account_id for one in floats.values()])
    for currency, one in floats.items():
        if held[one.available_account_id] < units[currency]:
            raise FloatShort(
                currency=currency,
                needed=units[currency],
                held=held[one.available_account_id],
            )
    move_many(
        [
            Move(
                movement(batch_id, f"reserve:{currency}"),
                one.available_account_id,
                _open(one, batch_id, rows=rows, units=units[currency]),
                units[currency],
            )
            for currency, one in floats.items()
        ]
    )


def _open(one: PartnerFloat, batch_id: UUID, *, rows: int, units: int) -> int:
    account_id = open_account(
        code=accounts.partner_held(one.partner_id.hex, f"batch_{batch_id.hex}"),
        asset=one.currency,
        livemode=one.livemode,
    )
    FloatReserve.objects.create(
        float=one, batch_id=batch_id, rows=rows, units=units, account_id=account_id
    )
    return account_id


def reserves_of(batch_id: UUID) -> dict[str, int]:
    """The account of each currency that this batch has set something aside of."""
    rows = FloatReserve.objects.filter(batch_id=batch_id)
    return dict(rows.values_list("float__currency", "account_id"))


def give_back_for(payout: Payout) -> bool:
    """Return to its float what a batch has set aside for a payout that was made before.

    For who brings payouts back from a journal, before their funds are held again: so the
    movements are those of the first time. Whether it was a batch's. Raises
    InsufficientFunds.
    """
    full = Account.objects.filter(balance__gt=0).values("id")
    for kept in FloatReserve.objects.filter(
        float__available_account_id=payout.available_account_id, account_id__in=full
    ):
        # Ten thousand at most, and few batches are open at once.
        for place in range(kept.rows):
            if ids_of(kept.batch_id, place)[1] == payout.pk:
                name, available = movement(kept.batch_id, place), payout.available_account_id
                move_many([Move(name, kept.account_id, available, payout.units_sent)])
                return True
    return False


def give_back_rest(batch_id: UUID) -> None:
    """Return all that a batch still has set aside, in the caller's transaction.

    The caller has locked the batch, and makes no payout of it any more.
    """
    kept = list(FloatReserve.objects.filter(batch_id=batch_id).select_related("float"))
    balances = lock_accounts(
        [key for one in kept for key in (one.account_id, one.float.available_account_id)]
    )
    move_many(
        [
            Move(
                movement(batch_id, f"given_up:{one.float.currency}"),
                one.account_id,
                one.float.available_account_id,
                balances[one.account_id],
            )
            for one in kept
            if balances[one.account_id] > 0
        ]
    )


def lock_accounts(account_ids: Sequence[int]) -> dict[int, int]:
    """Lock accounts in the order of their ids; what each of them holds."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_ACCOUNTS, [sorted(account_ids)])
        return {key: int(balance) for key, balance in cursor.fetchall()}
