"""What partners keep with us for mobile money and bank payouts, one float a currency."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from engine.common.units import UnitsField
from engine.partners.models import Partner


class PartnerFloat(models.Model):
    """Where a partner's float of one currency stands in the books."""

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="floats", db_index=False)
    livemode = models.BooleanField("live")
    currency = models.CharField(max_length=3)
    available_account_id = models.BigIntegerField(unique=True)
    held_account_id = models.BigIntegerField(unique=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "livemode", "currency"], name="float_is_one_of_its_currency"
            )
        ]

    def __str__(self) -> str:
        return f"{self.currency} of {self.partner_id}"


class FloatReserve(models.Model):
    """What a batch of payouts has set aside of a float for rows that are still to come.

    `batch_id` and the place of a row name its payout (float_batches.ids_of). `units` is
    what was set aside at first; what is left stands in the books.
    """

    float = models.ForeignKey(PartnerFloat, models.PROTECT, related_name="reserves")
    batch_id = models.UUIDField()
    rows = models.PositiveIntegerField()
    units = UnitsField()
    account_id = models.BigIntegerField(unique=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["batch_id", "float"], name="float_is_reserved_once_for_a_batch"
            ),
            models.CheckConstraint(condition=Q(units__gt=0), name="reserve_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.float_id} for {self.batch_id}"


class FloatCredit(models.Model):
    """Money that reached us for a partner's float, as an operator has seen it at the bank.

    `reference` is what the bank calls it, and is credited once. Rows are for ever.
    """

    float = models.ForeignKey(PartnerFloat, models.PROTECT, related_name="credits")
    units = UnitsField()
    reference = models.CharField(max_length=128)
    reason = models.CharField(max_length=200)
    # The operator's username, since she may have left by the time somebody asks.
    by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view", "add")
        constraints = [
            models.UniqueConstraint(
                fields=["float", "reference"], name="float_credit_is_booked_once"
            ),
            models.CheckConstraint(
                condition=Q(units__gt=0) & ~Q(reason="") & ~Q(reference=""),
                name="float_credit_says_what_and_why",
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class GatewayFee(models.Model):
    """What one payout in a currency costs by a gateway: the operator's part and ours.

    Each part is a fixed amount in smallest units and basis points of the amount, rounded
    up. Fees come on top of what the recipient gets.
    """

    gateway = models.CharField(max_length=16, help_text="Such as mtn_momo")
    currency = models.CharField(max_length=3)
    gateway_units = UnitsField(default=0)
    gateway_basis_points = models.PositiveIntegerField(default=0)
    platform_units = UnitsField(default=0)
    platform_basis_points = models.PositiveIntegerField(default=0)
    seconds = models.PositiveIntegerField(default=30, help_text="From sending to final")
    is_enabled = models.BooleanField(default=True)
    as_of = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "currency"], name="gateway_fee_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(
                    gateway_units__gte=0,
                    platform_units__gte=0,
                    gateway_basis_points__lte=10_000,
                    platform_basis_points__lte=10_000,
                ),
                name="gateway_fee_is_sane",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} {self.currency}"
