"""The prices that staff may set, and what network fees earned against what gas cost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Sum
from django.utils import timezone
from unfold.admin import ModelAdmin

from engine.common.units import divide_up, format_usd
from engine.ledger.models import Movement
from engine.payouts import models
from engine.payouts.costs import gas_references
from engine.payouts.pricing import forget_prices
from engine.payouts.states import Status
from engine.rails.networks import NATIVE_SCALE, NETWORKS

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model
    from django.http import HttpRequest

REPORT_DAYS = 7


class PriceAdmin(ModelAdmin):  # type: ignore[misc]
    """A price an operator edits; quotes in this process take it at once, others soon."""

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_prices()


@admin.register(models.AssetPrice)
class AssetPriceAdmin(PriceAdmin):
    list_display = ("asset", "usd", "as_of")

    @admin.display(description="USD for one")
    def usd(self, price: models.AssetPrice) -> str:
        return format_usd(price.usd_micros)


@admin.register(models.NativePrice)
class NativePriceAdmin(PriceAdmin):
    """What gas is paid in. Network fees that follow their chain are made of it."""

    list_display = ("asset", "usd", "as_of")

    @admin.display(description="USD for one")
    def usd(self, price: models.NativePrice) -> str:
        return format_usd(price.usd_micros)


@admin.register(models.NetworkFee)
class NetworkFeeAdmin(PriceAdmin):
    list_display = (
        "network", "usd", "seconds", "is_enabled", "follows_chain", "as_of", "earned", "burned"
    )  # fmt: skip
    list_filter = ("is_enabled", "follows_chain")

    @admin.display(description="USD for a transfer")
    def usd(self, fee: models.NetworkFee) -> str:
        return format_usd(fee.transfer_usd_micros)

    @admin.display(description=f"network fees of {REPORT_DAYS} days, USD")
    def earned(self, fee: models.NetworkFee) -> str:
        """Of what was delivered there; a bridge's fee for both networks counts here."""
        return format_usd(_earned_usd_micros(fee.network))

    @admin.display(description=f"gas of {REPORT_DAYS} days, USD at today's price")
    def burned(self, fee: models.NetworkFee) -> str:
        usd_micros = _burned_usd_micros(fee.network)
        return "no price" if usd_micros is None else format_usd(usd_micros)


@admin.register(models.BridgeFee)
class BridgeFeeAdmin(PriceAdmin):
    list_display = ("__str__", "usd", "basis_points", "seconds", "is_enabled", "as_of")
    list_filter = ("is_enabled", "from_network", "to_network")

    @admin.display(description="USD for a crossing")
    def usd(self, fee: models.BridgeFee) -> str:
        return format_usd(fee.fixed_usd_micros)


def _earned_usd_micros(network: str) -> int:
    """Network fees of the live payouts delivered there, quoted in the last days."""
    # Ids are in the order of time, so their index finds the days.
    oldest = UUID(int=int(_oldest().timestamp() * 1000) << 80)
    earned: int | None = models.Payout.objects.filter(
        pk__gte=oldest, livemode=True, to_network=network, status=Status.DELIVERED
    ).aggregate(sum=Sum("quote__network_fee_usd_micros"))["sum"]
    return earned or 0


def _burned_usd_micros(network: str) -> int | None:
    """The gas that was booked there in the last days; None without a price of its coin."""
    coin = NETWORKS[network].native
    price = models.NativePrice.objects.filter(asset=coin).first()
    if price is None:
        return None
    units: int | None = Movement.objects.filter(
        reference__startswith=gas_references(network),
        asset=coin,
        livemode=True,
        moved_at__gte=_oldest(),
    ).aggregate(sum=Sum("units"))["sum"]
    return divide_up(int(units or 0) * price.usd_micros, 10**NATIVE_SCALE)


def _oldest() -> datetime:
    return timezone.now() - timedelta(days=REPORT_DAYS)
