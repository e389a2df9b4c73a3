"""What things cost, as rows an operator edits, each with the moment it was true."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class AssetPrice(models.Model):
    """What one whole token, or one of a currency, is worth, in micro-dollars.

    `source` is told to whoever is paid at a rate that was made of it.
    """

    asset = models.CharField(max_length=16, unique=True)
    usd_micros = models.BigIntegerField(help_text="Micro-dollars for one whole token")
    source = models.CharField(
        max_length=100, default="operator", help_text="Who says so, such as a bank's name"
    )
    as_of = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(usd_micros__gt=0), name="asset_price_is_positive"
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset} at {self.usd_micros / 1_000_000:,.6f} USD"


class NativePrice(models.Model):
    """What one whole coin that gas is paid in is worth, in micro-dollars.

    Kept apart from AssetPrice: whatever has a row there can be quoted and paid out.
    """

    asset = models.CharField(max_length=16, unique=True)
    usd_micros = models.BigIntegerField(help_text="Micro-dollars for one whole coin")
    as_of = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("asset",)
        constraints = [
            models.CheckConstraint(
                condition=Q(usd_micros__gt=0), name="native_price_is_positive"
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset} at {self.usd_micros / 1_000_000:,.6f} USD"


class NetworkFee(models.Model):
    """What a transfer on a network costs us, and how long it takes to be final.

    While the network is connected and `follows_chain`, the price and the seconds are
    measured there and written over what an operator wrote (network_prices.py).
    """

    network = models.CharField(max_length=16, unique=True)
    transfer_usd_micros = models.BigIntegerField(help_text="Micro-dollars for one transfer")
    seconds = models.PositiveIntegerField(help_text="From sending to final")
    is_enabled = models.BooleanField(default=True)
    follows_chain = models.BooleanField(
        default=True, help_text="Measured wherever the network is connected"
    )
    as_of = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(transfer_usd_micros__gte=0), name="network_fee_is_not_negative"
            )
        ]

    def __str__(self) -> str:
        return f"{self.network} {self.transfer_usd_micros / 1_000_000:,.6f} USD"


class BridgeFee(models.Model):
    """What it costs, and how long it takes, to bring funds from one network to another."""

    from_network = models.CharField(max_length=16)
    to_network = models.CharField(max_length=16)
    fixed_usd_micros = models.BigIntegerField(help_text="Micro-dollars for one crossing")
    basis_points = models.PositiveIntegerField(
        help_text="Hundredths of a percent of the amount"
    )
    seconds = models.PositiveIntegerField()
    is_enabled = models.BooleanField(default=True)
    as_of = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["from_network", "to_network"], name="bridge_fee_is_unique"
            ),
            models.CheckConstraint(
                condition=~Q(from_network=F("to_network")), name="bridge_has_two_ends"
            ),
            models.CheckConstraint(
                condition=Q(fixed_usd_micros__gte=0, basis_points__lte=10_000),
                name="bridge_fee_is_sane",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_network} → {self.to_network}"
