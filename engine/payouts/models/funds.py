"""What users hold, and how it came in."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from engine.common.ids import new_id, public_id
from engine.common.units import UnitsField
from engine.partners.models import EndUser, Partner


class Holding(models.Model):
    """Where a user's funds of one asset on one network stand in the books."""

    end_user = models.ForeignKey(EndUser, models.PROTECT, related_name="holdings")
    asset = models.CharField(max_length=16)
    network = models.CharField(max_length=16)
    available_account_id = models.BigIntegerField(unique=True)
    held_account_id = models.BigIntegerField(unique=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["end_user", "asset", "network"], name="holding_is_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset} on {self.network} of {self.end_user_id}"


class Deposit(models.Model):
    """Funds that reached a user's deposit address, credited once and only when final."""

    class Status(models.TextChoices):
        PENDING = "pending"
        CONFIRMED = "confirmed"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    livemode = models.BooleanField()
    end_user = models.ForeignKey(EndUser, models.PROTECT, related_name="+", db_index=False)
    asset = models.CharField(max_length=16)
    network = models.CharField(max_length=16)
    units = UnitsField()
    reference = models.CharField(max_length=128)
    status = models.CharField(max_length=10, choices=Status)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["partner", "livemode", "-created_at", "-id"], name="deposit_newest"
            ),
            models.Index(fields=["end_user", "-created_at", "-id"], name="deposit_of_user"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["livemode", "network", "reference"], name="deposit_is_credited_once"
            ),
            models.CheckConstraint(condition=Q(units__gt=0), name="deposit_is_positive"),
            models.CheckConstraint(
                condition=Q(status="confirmed") ^ Q(confirmed_at__isnull=True),
                name="deposit_confirmed_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return public_id("dep", self.id)
