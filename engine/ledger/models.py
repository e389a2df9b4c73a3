"""Double-entry books that cannot be out of balance.

A movement names one account to debit and one to credit, so every row balances by itself
and no check has to run at commit. Movements are for ever: PostgreSQL refuses to change or
remove one (migration 0001), and a mistake is corrected by a new movement that names it.

Nothing writes these tables but the functions in sql/move.sql and the roll-up.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Func, Q

from engine.common.units import UnitsField

REFERENCE_CHARS_MAX = 120


class Account(models.Model):
    """One pot of one asset in one mode, such as ``user:17:tron:available`` in USDT.

    `balance` is credits minus debits. In a synchronous account every movement changes it
    at once. In a hot one (`is_hot`: the house's own accounts, which every payout touches)
    it holds the movements up to id `rolled_up_through`, and those after it are the tail:
    one row that every payout had to lock would hold the whole house to the speed of one
    disk flush after another.
    """

    code = models.CharField(max_length=100, db_collation="C")
    asset = models.CharField(max_length=16, db_collation="C")
    livemode = models.BooleanField()
    balance = UnitsField(db_default=0)
    may_go_negative = models.BooleanField(db_default=False)
    is_hot = models.BooleanField(db_default=False)
    rolled_up_through = models.BigIntegerField(db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code", "asset", "livemode"], name="account_is_unique"
            ),
            # What a movement's foreign keys point at; see migration 0001.
            models.UniqueConstraint(
                fields=["id", "asset", "livemode"],
                name="account_has_one_asset_and_mode",
            ),
            models.CheckConstraint(
                condition=Q(balance__gte=0) | Q(may_go_negative=True),
                name="account_is_not_overdrawn",
            ),
            models.CheckConstraint(
                condition=Q(is_hot=True) | Q(rolled_up_through=0),
                name="only_hot_accounts_are_rolled_up",
            ),
        ]
        indexes = [
            # A handful among millions, looked for every few seconds.
            models.Index(fields=["id"], condition=Q(is_hot=True), name="ledger_account_hot"),
        ]

    def __str__(self) -> str:
        return f"{self.code} ({self.asset}, {'live' if self.livemode else 'test'})"


class Movement(models.Model):
    """Units leaving one account for another, once and for ever.

    The accounts' foreign keys are composite, (account, asset, livemode), and live in
    migration 0001: a movement between two assets or two modes cannot be written.

    There is no index by account. Accounts come in no order, so such an index would touch
    a random page for every movement, twice, and cost a third of the speed at ten million
    rows; a hot account's tail is read through the primary key instead, and a person who
    wants one account's statement can wait a second.
    """

    reference = models.CharField(max_length=REFERENCE_CHARS_MAX, db_collation="C")
    debit = models.ForeignKey(
        Account,
        models.PROTECT,
        related_name="debits",
        db_constraint=False,
        db_index=False,
    )
    credit = models.ForeignKey(
        Account,
        models.PROTECT,
        related_name="credits",
        db_constraint=False,
        db_index=False,
    )
    asset = models.CharField(max_length=16, db_collation="C")
    livemode = models.BooleanField()
    units = UnitsField()
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="corrections",
        db_constraint=False,
        db_index=False,
    )
    moved_at = models.DateTimeField(db_default=Func(function="clock_timestamp"))

    class Meta:
        constraints = [
            # References begin alike and go on with a time-ordered id, so this index
            # grows at its end. (`unique=True` would add a second one, for LIKE.)
            models.UniqueConstraint(fields=["reference"], name="movement_reference_is_unique"),
            models.CheckConstraint(condition=Q(units__gt=0), name="movement_is_positive"),
            models.CheckConstraint(
                condition=~Q(debit=F("credit")), name="movement_has_two_accounts"
            ),
            models.CheckConstraint(
                condition=Q(corrects__isnull=True) | Q(corrects__lt=F("id")),
                name="correction_comes_later",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.units} {self.asset}"
