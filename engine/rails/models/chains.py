"""What we know of the chains themselves: tokens, how deep is deep enough, and the head."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from engine.common.units import UnitsField


class Token(models.Model):
    """The one contract that we take for an asset on a network: the allow-list.

    A Transfer log of any other contract, whatever it calls itself, pays nobody.
    """

    network = models.CharField(max_length=16)
    asset = models.CharField(max_length=16)
    address = models.CharField(max_length=42, help_text="With its EIP-55 checksum")
    gas_limit = models.PositiveIntegerField(
        default=120_000, help_text="The most gas that one transfer may use"
    )

    class Meta:
        ordering = ("network", "asset")
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(fields=["network", "asset"], name="asset_has_one_token"),
            models.UniqueConstraint(fields=["network", "address"], name="token_is_one_asset"),
        ]

    def __str__(self) -> str:
        return f"{self.asset} on {self.network}"


class DepthPolicy(models.Model):
    """How many confirmations make a transfer final, for amounts of `units_min` and more.

    A row for the asset beats one for any asset (''); among those the largest `units_min`
    that the amount reaches decides. Too shallow a depth loses money in a reorganisation.
    """

    network = models.CharField(max_length=16)
    asset = models.CharField(max_length=16, blank=True)
    units_min = UnitsField(default=0)
    confirmations = models.PositiveIntegerField()

    class Meta:
        ordering = ("network", "asset", "units_min")
        default_permissions = ("view", "change", "add", "delete")
        verbose_name_plural = "depth policies"
        constraints = [
            models.UniqueConstraint(
                fields=["network", "asset", "units_min"], name="depth_policy_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(confirmations__gte=1), name="depth_is_one_or_more"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.confirmations} on {self.network}"


class ChainHead(models.Model):
    """The head of a chain when we last looked, what sending costs there, and what is final.

    `final_number` and `final_hash` are the deepest block that we have believed in: should
    another hash stand there one day, the chain was reorganised deeper than our policy.
    `transfer_gas` is what a token transfer uses.
    """

    network = models.CharField(max_length=16, unique=True)
    number = models.BigIntegerField()
    hash = models.CharField(max_length=66)
    base_fee_wei = UnitsField()
    tip_wei = UnitsField()
    transfer_gas = models.PositiveIntegerField(default=65_000)
    block_seconds = models.FloatField(default=12.0)
    final_number = models.BigIntegerField(default=0)
    final_hash = models.CharField(max_length=66, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ("network",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.network} #{self.number}"
