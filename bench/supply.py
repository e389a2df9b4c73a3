"""What is measured needs quotes by the ten thousand: users and one quote by the engine's own
hands, and all the others copied from that one in SQL.

A copy differs from its pattern in its keys, its user and her accounts. Keys count upwards,
as time-ordered ones do. Its signature is the pattern's, which the engine only compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.house import House

USERS = 4_096
UNITS_EACH = 10**15
ASSET, NETWORK = "USDT", "ethereum"
DESTINATION = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
# Numbered keys: sixteen digits for whose they are, the rest for the number.
QUOTES, PAYOUTS = "019a0000-0000-7000-8000-", "019a0000-0000-7001-8000-"
PREPARED = """
CREATE TABLE bench_user (n integer PRIMARY KEY, user_id bigint, available bigint, held bigint)
"""
KEY = "(%s || lpad(to_hex({number}), 12, '0'))::uuid"


@dataclass(frozen=True, slots=True)
class Cast:
    """Whom it is all about: a partner, her live key, the quote that all others copy."""

    partner_id: UUID
    key: str
    pattern: UUID
    signature: str


class Supply:
    """Prepares quotes, and hands each out once."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.cast = _cast()
        self.next = 1
        with house.connect() as connection:
            connection.execute(PREPARED)
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO bench_user VALUES (%s, %s, %s, %s)", _users())
            self.columns = [
                str(row[0])
                for row in connection.execute(
                    "SELECT column_name FROM information_schema.columns"
                    " WHERE table_name = 'payouts_quote' ORDER BY ordinal_position"
                )
            ]

    def take(self, count: int) -> range:
        """The numbers of `count` new quotes that nobody has executed."""
        taken = range(self.next, self.next + count)
        self.next = taken.stop
        numbers = f"generate_series({taken.start}, {taken.stop - 1}) AS g (k)"
        self.run(f"{self.copy('k')} JOIN {numbers} ON u.n = k % {USERS}")
        self.run("ANALYZE payouts_quote")
        return taken

    def skip(self, count: int) -> int:
        """The first of `count` numbers that somebody else will use."""
        first, self.next = self.next, self.next + count
        return first

    def copy(self, number: str) -> str:
        """An INSERT of copies, whose number is the SQL `number`; the FROM is to be gone on."""
        replaced = {
            "id": f"('{QUOTES}' || lpad(to_hex({number}), 12, '0'))::uuid",
            "payout_id": f"('{PAYOUTS}' || lpad(to_hex({number}), 12, '0'))::uuid",
            "end_user_id": "u.user_id",
            "available_account_id": "u.available",
            "held_account_id": "u.held",
        }
        values = ", ".join(replaced.get(name, f"t.{name}") for name in self.columns)
        names = ", ".join(self.columns)
        return (
            f"INSERT INTO payouts_quote ({names}) SELECT {values} FROM payouts_quote t"  # noqa: S608 - our own names
            f" JOIN bench_user u ON t.id = '{self.cast.pattern}'"
        )

    def run(self, statement: str) -> None:
        """Run one statement, and commit it."""
        with self.house.connect() as connection:
            connection.execute(statement)

    def quote_ids(self, numbers: range) -> Iterator[str]:
        """Public ids, as a partner holds them."""
        prefix = "qt_" + QUOTES.replace("-", "")
        return (f"{prefix}{number:012x}{self.cast.signature}" for number in numbers)

    def payout_ids(self, numbers: range) -> Iterator[str]:
        """Public ids of the payouts that these quotes become."""
        prefix = "pay_" + PAYOUTS.replace("-", "")
        return (f"{prefix}{number:012x}" for number in numbers)


def _cast() -> Cast:
    from engine.partners.models import ALL_SCOPES, FeeSchedule, Partner
    from engine.partners.services import mint_key

    partner = Partner.objects.create(
        name="Bench", is_approved=True, fee_schedule=FeeSchedule.objects.earliest("pk")
    )
    key = mint_key(partner=partner, livemode=True, name="bench", scopes=ALL_SCOPES)[1]
    _fund(partner.pk)
    pattern = _pattern(partner)
    return Cast(partner.pk, key, pattern.pk, pattern.signature)


def _fund(partner_id: UUID) -> None:
    """USERS users with accounts and a deposit, a statement for all of a kind."""
    from django.db import transaction
    from django.utils import timezone

    from engine.ledger import accounts
    from engine.ledger.services import Move, move_many
    from engine.partners.models import EndUser
    from engine.payouts.funds import open_system_account
    from engine.payouts.models import Deposit, Holding

    users = EndUser.objects.bulk_create(
        EndUser(partner_id=partner_id, livemode=True, external_ref=f"user-{number}")
        for number in range(USERS)
    )
    now = timezone.now()
    with transaction.atomic():
        pairs = _open_accounts([user.pk for user in users])
        Holding.objects.bulk_create(
            Holding(
                end_user_id=user.pk,
                asset=ASSET,
                network=NETWORK,
                available_account_id=available,
                held_account_id=held,
            )
            for user, (available, held) in zip(users, pairs, strict=True)
        )
        deposits = Deposit.objects.bulk_create(
            Deposit(
                partner_id=partner_id,
                livemode=True,
                end_user_id=user.pk,
                asset=ASSET,
                network=NETWORK,
                reference=uuid4().hex,
                units=UNITS_EACH,
                status=Deposit.Status.CONFIRMED,
                created_at=now,
                confirmed_at=now,
            )
            for user in users
        )
        custody = open_system_account(accounts.custody(NETWORK), ASSET, livemode=True)
        move_many(
            [
                Move(f"deposit:{deposit.pk.hex}", custody, available, UNITS_EACH)
                for deposit, (available, _) in zip(deposits, pairs, strict=True)
            ]
        )


def _open_accounts(user_ids: list[int]) -> list[tuple[int, int]]:
    """Available and held of each user, in that order."""
    from django.db import connection

    from engine.ledger import accounts

    codes = [
        code(user_id, NETWORK)
        for user_id in user_ids
        for code in (accounts.end_user_available, accounts.end_user_held)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_open_account(code, %s, true, false, false)"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS t (code, place) ORDER BY place",
            [ASSET, codes],
        )
        opened = [account for (account,) in cursor.fetchall()]
    return list(zip(opened[::2], opened[1::2], strict=True))


def _pattern(partner: Any) -> Any:
    """A quote of 100 USDT as POST /payouts/quote makes it, but good for a day."""
    from django.test.utils import override_settings

    from connect.door import CONNECT
    from engine.payouts.quotes import QuoteRequest, make_quote
    from engine.rails.networks import asset_named

    with override_settings(QUOTE_TTL_SECONDS=24 * 3600):
        return make_quote(
            QuoteRequest(
                partner_id=partner.pk,
                livemode=True,
                fee_schedule_id=partner.fee_schedule_id,
                door=CONNECT.name,
                external_ref="user-0",
                asset=asset_named(ASSET),
                units=100 * 10**6,
                destination=DESTINATION,
                to_network=NETWORK,
                reachable=(NETWORK,),
                digest=b"",
            )
        )[0]


def _users() -> list[tuple[int, int, int, int]]:
    from engine.payouts.models import Holding

    rows = Holding.objects.order_by("pk").values_list(
        "end_user_id", "available_account_id", "held_account_id"
    )
    return [(number, *row) for number, row in enumerate(rows[:USERS])]


def tracking_paths(payout_ids: range) -> list[str]:
    """The tracking pages of these payouts."""
    from engine.payouts.links import tracking_token

    first = UUID(PAYOUTS + "0" * 12).int
    return [f"/t/{tracking_token(UUID(int=first + number))}" for number in payout_ids]
