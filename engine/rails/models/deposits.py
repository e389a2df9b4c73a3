"""Where users pay in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.common.ids import new_id, public_id
from engine.partners.models import EndUser, Partner


class DepositAddress(models.Model):
    """Where a user, or without one the partner's treasury, pays in one asset."""

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
    label = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(db_default=Now())

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
                condition=Q(end_user__isnull=False),
                name="end_user_has_one_deposit_address",
            ),
            models.UniqueConstraint(
                fields=["partner", "livemode", "asset", "network"],
                condition=Q(end_user__isnull=True),
                name="partner_has_one_treasury_address",
            ),
            # What arrives there must say whose it is.
            models.UniqueConstraint(
                fields=["address", "network", "asset"], name="deposit_address_is_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} on {self.network}: {self.address}"

    @property
    def public_id(self) -> str:
        return public_id(self.prefix, self.id)
