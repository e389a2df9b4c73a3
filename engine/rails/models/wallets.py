"""The house's own wallets on account-based chains, and every nonce they ever used.

A wallet is one lane: its nonces are taken one after the other under its row's lock. A
slot is one nonce and what it is for; it never changes. What was signed at it, the fee
bumps and the cancellation included, is kept for ever: one of them may still be mined.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.common.units import UnitsField


class WalletPurpose(models.TextChoices):
    """Hot wallets pay out; those of deposit addresses only ever pay into a hot wallet."""

    PAYOUTS = "payouts"
    DEPOSITS = "deposits"


class HotWallet(models.Model):
    """An address that we hold the key of. `key_name` is what the signer calls that key.

    `next_nonce` is raised only by taking a slot, never from the chain. `gas_wei` is the
    native balance when it was last seen, as of `gas_block`; below `gas_alarm_wei` operators
    are told.
    """

    network = models.CharField(max_length=16)
    address = models.CharField(max_length=42, help_text="With its EIP-55 checksum")
    key_name = models.CharField(max_length=100)
    purpose = models.CharField(
        max_length=8, choices=WalletPurpose, default=WalletPurpose.PAYOUTS
    )
    next_nonce = models.BigIntegerField(default=0)
    in_flight_max = models.PositiveIntegerField(
        default=64, help_text="Nodes forget what waits too long behind others"
    )
    gas_alarm_wei = UnitsField(default=0)
    gas_wei = UnitsField(null=True, blank=True)  # type: ignore[misc] # may be None
    gas_block = models.BigIntegerField(null=True, blank=True, editable=False)
    seen_at = models.DateTimeField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    frozen_why = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("network", "id")
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["network", "address"], name="wallet_is_one_lane_of_its_network"
            ),
            models.UniqueConstraint(
                fields=["network", "key_name"], name="wallet_key_has_one_lane"
            ),
            models.CheckConstraint(
                condition=Q(next_nonce__gte=0), name="wallet_counts_from_zero"
            ),
            models.CheckConstraint(
                condition=Q(frozen_at__isnull=True) ^ ~Q(frozen_why=""),
                name="wallet_frozen_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=WalletPurpose.values), name="wallet_purpose_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.network} {self.address}"


class WalletAsset(models.Model):
    """What a wallet holds of one asset, and the most of it that it may sign away in a day."""

    wallet = models.ForeignKey(HotWallet, models.CASCADE, related_name="assets")
    asset = models.CharField(max_length=16)
    ceiling_units = UnitsField(  # type: ignore[misc] # may be None
        null=True, blank=True, help_text="Smallest units in 24 hours; empty is no ceiling"
    )
    balance_units = UnitsField(null=True, blank=True)  # type: ignore[misc] # may be None
    balance_block = models.BigIntegerField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("wallet", "asset")
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "asset"], name="wallet_holds_an_asset_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} of wallet {self.wallet_id}"


class SlotKind(models.TextChoices):
    """What a nonce was taken for."""

    PAYOUT = "payout"
    GAS = "gas"
    CONSOLIDATION = "consolidation"


class Slot(models.Model):
    """One nonce of one wallet and what it is for, signed or not. Its terms never change.

    `asset` and `units` reach `destination`; `to_address`, `value_wei` and `calldata` are
    how the chain is told so. `mined_block` and `mined_hash` are where one of its bytes was
    last seen; `closed_at` and `spent_wei` are set when the nonce is used up for good, as
    deep as the network's policy asks.
    """

    wallet = models.ForeignKey(HotWallet, models.PROTECT, related_name="slots", db_index=False)
    nonce = models.BigIntegerField()
    kind = models.CharField(max_length=13, choices=SlotKind)
    asset = models.CharField(max_length=16)
    units = UnitsField()
    destination = models.CharField(max_length=42)
    to_address = models.CharField(max_length=42)
    value_wei = UnitsField(default=0)
    calldata = models.BinaryField(default=b"")
    gas_limit = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    # An operator has asked for this nonce to be burned; nothing else is bumped from then on.
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    mined_block = models.BigIntegerField(null=True, blank=True)
    mined_hash = models.CharField(max_length=66, blank=True)
    spent_wei = UnitsField(null=True, blank=True)  # type: ignore[misc] # may be None
    closed_at = models.DateTimeField(null=True, blank=True)
    # When what a sweep burned came into the books. A payout's comes there with the payout.
    booked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = [
            # Sweeps are looked for every few seconds among all that was ever sent.
            models.Index(
                fields=["wallet"],
                condition=Q(
                    kind__in=["gas", "consolidation"],
                    closed_at__isnull=False,
                    booked_at__isnull=True,
                ),
                name="slot_is_unbooked",
            ),
            models.Index(
                fields=["destination"], condition=Q(kind="gas"), name="slot_brought_gas"
            ),
            models.Index(
                fields=["wallet", "nonce"],
                condition=Q(closed_at__isnull=True),
                name="slot_is_open",
            ),
            models.Index(fields=["wallet", "asset", "created_at"], name="slot_of_the_day"),
            # What left after a balance was read, however many left before.
            models.Index(
                fields=["wallet", "asset", "mined_block"],
                condition=Q(mined_block__isnull=False),
                name="slot_left_since",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["wallet", "nonce"], name="nonce_is_taken_once"),
            models.CheckConstraint(
                condition=Q(kind__in=SlotKind.values), name="slot_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(nonce__gte=0, gas_limit__gt=0), name="slot_is_sane"
            ),
        ]

    def __str__(self) -> str:
        return f"nonce {self.nonce} of wallet {self.wallet_id}"


class SignedKind(models.TextChoices):
    """A cancel is a send of nothing to ourselves, at the nonce that shall be burned."""

    TRANSFER = "transfer"
    CANCEL = "cancel"


class SignedTransaction(models.Model):
    """Signed bytes, stored before they were sent. For ever: they may be mined any day.

    Number 1 is the send; later ones are fee bumps and cancellations at the same nonce.
    """

    slot = models.ForeignKey(Slot, models.PROTECT, related_name="signed", db_index=False)
    number = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=8, choices=SignedKind)
    hash = models.CharField(max_length=66, unique=True)
    # As good as money to whoever copies it: never shown, never logged.
    raw = models.BinaryField()
    max_fee_wei = UnitsField()
    tip_wei = UnitsField()
    gas_limit = models.BigIntegerField(db_default=0, help_text="0 is the slot's own")
    signed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("slot", "number")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["slot", "number"], name="signed_is_numbered"),
            models.CheckConstraint(condition=Q(number__gte=1), name="signed_counts_from_one"),
            models.CheckConstraint(
                condition=Q(kind__in=SignedKind.values), name="signed_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.hash
