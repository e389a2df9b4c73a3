"""Bridges that the house makes out of its own liquidity, and how it evens them out again."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from engine.common.units import UnitsField
from engine.rails.models.wallets import HotWallet


class HouseCrossing(models.Model):
    """A bridge's first leg: the house keeps the money where it is, and pays at the other end.

    `units` of `asset` in `wallet`, on `to_network`, are promised to the payout from
    `reserved_at` until the leg that pays has its own attempt, or the payout is given up;
    `released_at` notes when that was noticed. Nothing else ever changes.
    """

    reference = models.CharField(max_length=128, unique=True)
    payout_id = models.UUIDField()
    asset = models.CharField(max_length=16)
    from_network = models.CharField(max_length=16)
    to_network = models.CharField(max_length=16)
    units = UnitsField()
    wallet = models.ForeignKey(HotWallet, models.PROTECT, related_name="+", db_index=False)
    reserved_at = models.DateTimeField(db_default=Now())
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["wallet", "asset"],
                condition=Q(released_at__isnull=True),
                name="crossing_is_open",
            ),
            models.Index(fields=["payout_id"], name="crossing_of_payout"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(units__gt=0), name="crossing_is_positive"),
            models.CheckConstraint(
                condition=~Q(from_network=F("to_network")), name="crossing_has_two_ends"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.units} {self.asset} from {self.from_network} to {self.to_network}"


class LiquidityMove(models.Model):
    """The house has carried some of its own liquidity from one network to another.

    A note, for ever, so that `rebalancing` asks for no more than is left. It moves
    nothing itself; `reference` is whatever the carrier calls it.
    """

    asset = models.CharField(max_length=16)
    from_network = models.CharField(max_length=16)
    to_network = models.CharField(max_length=16)
    units = UnitsField()
    reference = models.CharField(max_length=128, unique=True)
    noted_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(units__gt=0) & ~Q(reference=""), name="liquidity_move_is_positive"
            ),
            models.CheckConstraint(
                condition=~Q(from_network=F("to_network")), name="liquidity_move_has_two_ends"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.units} {self.asset} from {self.from_network} to {self.to_network}"
