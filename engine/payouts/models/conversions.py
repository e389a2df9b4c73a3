"""Money that was changed from one asset into another, at which rate, and whose."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from engine.common.ids import new_id
from engine.common.units import UnitsField
from engine.payouts.models.payouts import Quote


class Conversion(models.Model):
    """What a quote promises to change before it pays out: one for each quote, at most.

    `from_units` of `from_asset` become `to_units` of `to_asset`. Both prices are of one
    whole unit, in micro-dollars; the house keeps `spread_basis_points` of what it gives.
    `source` and `as_of` are of the older of the two prices. Rows are for ever.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    quote = models.OneToOneField(Quote, models.PROTECT, related_name="conversion")
    livemode = models.BooleanField()
    from_asset = models.CharField(max_length=16)
    to_asset = models.CharField(max_length=16)
    from_units = UnitsField()
    to_units = UnitsField()
    from_usd_micros = models.BigIntegerField()
    to_usd_micros = models.BigIntegerField()
    spread_basis_points = models.PositiveIntegerField()
    source = models.CharField(max_length=100)
    as_of = models.DateTimeField()
    # Whose money it is, in the asset that is given: the quote's own account has the other.
    from_account_id = models.BigIntegerField()

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(from_units__gt=0, to_units__gt=0), name="conversion_is_positive"
            ),
            models.CheckConstraint(
                condition=~Q(from_asset=F("to_asset")), name="conversion_has_two_assets"
            ),
            models.CheckConstraint(
                condition=Q(from_usd_micros__gt=0, to_usd_micros__gt=0),
                name="conversion_has_a_rate",
            ),
            models.CheckConstraint(
                condition=Q(spread_basis_points__lt=10_000), name="conversion_gives_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_asset} to {self.to_asset}"
