"""What staff may see of payouts, and the guards they may set; prices are in admin_prices.

Payouts, quotes and deposits are read-only: money moves through services, like everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline

from engine.common.ids import parse_public_id
from engine.common.reading import ReadOnly, ReadOnlyAdmin
from engine.common.units import format_units, format_usd
from engine.payouts import admin_fence, admin_floats, admin_prices, admin_rebalancing, models
from engine.payouts.links import tracking_url
from engine.rails.scales import scale_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

# Named so that Django's discovery of this module finds its pages too.
__all__ = ["admin_fence", "admin_floats", "admin_prices", "admin_rebalancing"]

KEY_DIGITS = 32


def _amount(units: int, asset: str) -> str:
    return f"{format_units(units, scale=scale_of(asset))} {asset}"


class PayoutEventInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = models.PayoutEvent
    hide_title = True
    fields = ("number", "status", "network", "reference", "happened_at")


class TermsAdmin(ReadOnlyAdmin):
    """What a quote and its payout have in common."""

    list_select_related = ("partner", "end_user")
    # People search by what a partner sends them: an id of ours or an address.
    search_fields = ("destination", "end_user__external_ref__exact")
    search_help_text = "An id (pay_… or qt_…), a destination, or an external_ref"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by a public id as well, which is no column; a quote's may be whole."""
        term = search_term.strip()
        for prefix in ("pay", "qt"):
            key = parse_public_id(prefix, term[: len(prefix) + 1 + KEY_DIGITS])
            if key is not None:
                return queryset.filter(pk=key), False
        results: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return results

    @admin.display(description="mode")
    def mode(self, terms: Any) -> str:
        return "live" if terms.livemode else "test"

    @admin.display(description="sends")
    def sends(self, terms: Any) -> str:
        return _amount(terms.units_sent, terms.asset)

    @admin.display(description="arrives")
    def arrives(self, terms: Any) -> str:
        return _amount(terms.units_received, terms.asset)

    @admin.display(description="route")
    def route(self, terms: Any) -> str:
        if terms.from_network == terms.to_network:
            return str(terms.to_network)
        return f"{terms.from_network} → {terms.to_network}"


@admin.register(models.Payout)
class PayoutAdmin(TermsAdmin):
    list_display = (
        "public_id", "partner", "mode", "status", "sends", "arrives", "route", "created_at"
    )  # fmt: skip
    list_filter = ("status", "needs_review", "livemode", "asset", "to_network", "partner")
    date_hierarchy = "created_at"
    inlines = (PayoutEventInline,)
    ordering = ("-created_at", "-id")
    # Long words get a line of their own; beside others they would run into them.
    fields = (
        "public_id",
        ("status", "mode"),
        ("partner", "end_user"),
        ("sends", "arrives"),
        "route",
        "destination",
        ("door", "rail"),
        ("failure_code", "needs_a_person"),
        ("created_at", "finished_at"),
        ("promised_at", "estimated_delivery_at"),
        "due_at",
        "tracking_page",
    )

    @admin.display(description="needs a person")
    def needs_a_person(self, payout: models.Payout) -> str:
        return "yes" if payout.needs_review else "no"

    @admin.display(description="tracking page")
    def tracking_page(self, payout: models.Payout) -> str:
        url = tracking_url(payout.id)
        return format_html('<a href="{}">{}</a>', url, url)


@admin.register(models.Quote)
class QuoteAdmin(TermsAdmin):
    list_display = (
        "shown_id", "partner", "mode", "sends", "arrives", "fee", "route", "expires_at",
        "used_at",
    )  # fmt: skip
    list_filter = ("livemode", "asset", "to_network", "partner")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")
    fields = (
        "shown_id",
        ("partner", "end_user"),
        ("mode", "door"),
        ("sends", "arrives"),
        "route",
        "destination",
        ("fee", "network_fee"),
        ("provider_fee", "zopay_fee"),
        ("estimated_seconds", "used_at"),
        ("created_at", "expires_at"),
    )

    @admin.display(description="id")
    def shown_id(self, quote: models.Quote) -> str:
        return str(quote)

    @admin.display(description="fee, USD")
    def fee(self, quote: models.Quote) -> str:
        return format_usd(quote.fee_usd_micros)

    @admin.display(description="of it network")
    def network_fee(self, quote: models.Quote) -> str:
        return format_usd(quote.network_fee_usd_micros)

    @admin.display(description="of it provider")
    def provider_fee(self, quote: models.Quote) -> str:
        return format_usd(quote.provider_fee_usd_micros)

    @admin.display(description="of it Zopay")
    def zopay_fee(self, quote: models.Quote) -> str:
        return format_usd(quote.zopay_fee_usd_micros)


@admin.register(models.Deposit)
class DepositAdmin(ReadOnlyAdmin):
    list_display = (
        "public_id", "partner", "mode", "amount", "network", "status", "created_at"
    )  # fmt: skip
    list_filter = ("status", "livemode", "asset", "network", "partner")
    list_select_related = ("partner",)
    ordering = ("-created_at", "-id")
    search_fields = ("reference__exact", "end_user__external_ref__exact")
    date_hierarchy = "created_at"
    fields = (
        "public_id",
        ("status", "mode"),
        ("partner", "end_user"),
        ("amount", "network"),
        "reference",
        ("created_at", "confirmed_at"),
    )

    @admin.display(description="mode")
    def mode(self, deposit: models.Deposit) -> str:
        return "live" if deposit.livemode else "test"

    @admin.display(description="amount")
    def amount(self, deposit: models.Deposit) -> str:
        return _amount(deposit.units, deposit.asset)


@admin.register(models.Holding)
class HoldingAdmin(ReadOnlyAdmin):
    list_display = ("end_user", "asset", "network")
    list_filter = ("asset", "network")
    list_select_related = ("end_user",)
    search_fields = ("end_user__external_ref__exact",)


@admin.register(models.Freeze)
class FreezeAdmin(ReadOnlyAdmin):
    """Set and lifted by the commands `freeze` and `unfreeze`."""

    list_display = ("__str__", "set_at", "lifted_at")


@admin.register(models.Limit)
class LimitAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("__str__", "payout_usd_micros_max", "day_usd_micros_max")


@admin.register(models.BlockedDestination)
class BlockedDestinationAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("destination", "reason", "added_at")
    search_fields = ("destination",)
