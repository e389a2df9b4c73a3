"""Reasons not to pay: a freeze, a limit, a destination nobody may be paid at."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from engine.partners.models import Partner


class Freeze(models.Model):
    """While one stands, nothing new is executed and nothing is signed on its network.

    An empty `network` freezes the house.
    """

    network = models.CharField(max_length=16, blank=True)
    reason = models.CharField(max_length=200)
    set_at = models.DateTimeField(auto_now_add=True)
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["network"],
                condition=Q(lifted_at__isnull=True),
                name="network_is_frozen_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.network or 'everything'}: {self.reason}"


class Limit(models.Model):
    """How much may leave, in micro-dollars; without a partner it holds for each of them."""

    partner = models.ForeignKey(Partner, models.PROTECT, null=True, blank=True)
    payout_usd_micros_max = models.BigIntegerField(null=True, blank=True)
    day_usd_micros_max = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner"], nulls_distinct=False, name="limit_is_unique_per_partner"
            )
        ]

    def __str__(self) -> str:
        return f"limit of {self.partner or 'every partner'}"


class BlockedDestination(models.Model):
    """An address nobody may be paid at, such as one on a sanctions list."""

    destination = models.CharField(max_length=128, unique=True)
    reason = models.CharField(max_length=200)
    added_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.destination
