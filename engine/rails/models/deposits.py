"""Where users pay in, the keys behind those addresses, and what was seen to arrive."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.common.ids import new_id, public_id
from engine.common.units import UnitsField
from engine.partners.models import EndUser, Partner

# Two steps of BIP-32 that are not hardened, 31 bits each: /0/a/b is a * 2**31 + b.
INDEX_MAX = 2**62 - 1


class DepositKey(models.Model):
    """A derived key, of which only the address is known here. Live mode only. For ever.

    `index` is its place under the account whose BIP-32 fingerprint is `account`, drawn from
    who the owner is (derivation.place_of). Its owner, a user or without one the partner's
    treasury, has the one address on all EVM networks and for all assets there. An index
    belongs to one owner, whatever account it is under.
    """

    index = models.BigIntegerField(unique=True)
    account = models.CharField(max_length=8)
    address = models.CharField(max_length=42, unique=True, help_text="With its EIP-55 checksum")
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    end_user = models.ForeignKey(
        EndUser, models.PROTECT, related_name="+", db_index=False, null=True, blank=True
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-index",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["end_user", "account"],
                condition=Q(end_user__isnull=False),
                name="end_user_has_one_key_of_an_account",
            ),
            models.UniqueConstraint(
                fields=["partner", "account"],
                condition=Q(end_user__isnull=True),
                name="treasury_has_one_key_of_an_account",
            ),
            models.CheckConstraint(
                condition=Q(index__gte=0, index__lte=INDEX_MAX),
                name="deposit_key_is_not_hardened",
            ),
        ]

    def __str__(self) -> str:
        return f"deposit key {self.index}"


class StandingQuerySet(models.QuerySet["DepositAddress"]):
    """Questions about deposit addresses."""

    def standing(self) -> StandingQuerySet:
        """Those that were not retired: what a partner may still be told."""
        return self.filter(retired_at__isnull=True)


class DepositAddress(models.Model):
    """Where a user, or without one the partner's treasury, pays in one asset.

    Without a `key` nobody can spend what arrives there: test mode's are all so, and live
    ones of before their network was connected. Such a live one is retired when the same
    owner gets one with a key, and is kept, so that what we once said can be read.
    """

    prefix: ClassVar[str] = "addr"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    livemode = models.BooleanField("live")
    end_user = models.ForeignKey(
        EndUser, models.PROTECT, related_name="+", db_index=False, null=True, blank=True
    )
    asset = models.CharField(max_length=16)
    network = models.CharField(max_length=16)
    address = models.CharField(max_length=100)
    key = models.ForeignKey(
        DepositKey, models.PROTECT, related_name="addresses", null=True, blank=True
    )
    label = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = StandingQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        verbose_name_plural = "deposit addresses"
        indexes = [
            models.Index(fields=["partner", "livemode", "-id"], name="deposit_address_newest")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["end_user", "asset", "network"],
                condition=Q(end_user__isnull=False, retired_at__isnull=True),
                name="end_user_has_one_deposit_address",
            ),
            models.UniqueConstraint(
                fields=["partner", "livemode", "asset", "network"],
                condition=Q(end_user__isnull=True, retired_at__isnull=True),
                name="partner_has_one_treasury_address",
            ),
            # What arrives there must say whose it is.
            models.UniqueConstraint(
                fields=["address", "network", "asset"], name="deposit_address_is_unique"
            ),
            # Nobody in test mode may be told to pay at a real address.
            models.CheckConstraint(
                condition=Q(key__isnull=True) | Q(livemode=True),
                name="deposit_address_with_a_key_is_live",
            ),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True) | Q(key__isnull=True),
                name="deposit_address_with_a_key_stands",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} on {self.network}: {self.address}"

    @property
    def public_id(self) -> str:
        return public_id(self.prefix, self.id)


class DepositWatch(models.Model):
    """How far a network was searched for deposits: every block below `next_block`.

    `last_hash` is that of the block before it, as it was when it was searched. Should
    another one stand there one day, the chain was reorganised deeper than its policy says
    can happen: then `halted_at` is set, and only a person lets it go on.
    """

    network = models.CharField(max_length=16, unique=True)
    next_block = models.BigIntegerField()
    last_hash = models.CharField(max_length=66, blank=True)
    searched_at = models.DateTimeField(null=True, blank=True)
    halted_at = models.DateTimeField(null=True, blank=True)
    halted_why = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("network",)
        default_permissions = ("view",)
        verbose_name_plural = "deposit watches"
        constraints = [
            models.CheckConstraint(
                condition=Q(halted_at__isnull=True) ^ ~Q(halted_why=""),
                name="watch_halted_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(next_block__gte=0), name="watch_begins_at_a_block"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.network} from {self.next_block}"


class ArrivalState(models.TextChoices):
    """What became of it. Those in review are in no account until a person has looked."""

    CREDITED = "credited", "credited to the user"
    TREASURY = "treasury", "credited to the partner's treasury"
    REVIEW = "review", "in no account: needs a person"


class Arrival(models.Model):
    """A token transfer to one of our keys, deep enough to be believed, and what it became.

    `log_index` is its place in the block. A chain transaction that turns up in a second
    block is the same money, so its `state` there is REVIEW.
    """

    network = models.CharField(max_length=16)
    tx_hash = models.CharField(max_length=66)
    log_index = models.PositiveIntegerField()
    block_number = models.BigIntegerField()
    block_hash = models.CharField(max_length=66)
    key = models.ForeignKey(DepositKey, models.PROTECT, related_name="arrivals")
    asset = models.CharField(max_length=16)
    units = UnitsField()
    sender = models.CharField(max_length=42)
    state = models.CharField(max_length=8, choices=ArrivalState)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["network", "tx_hash", "log_index", "block_hash"],
                name="arrival_is_kept_once",
            ),
            models.CheckConstraint(condition=Q(units__gt=0), name="arrival_is_positive"),
            models.CheckConstraint(
                condition=Q(state__in=ArrivalState.values), name="arrival_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """What its deposit is called."""
        return f"{self.tx_hash}:{self.log_index}"
