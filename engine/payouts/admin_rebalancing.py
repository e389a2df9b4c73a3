"""For operators: what the house's own bridges promised, and what to carry over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from engine.common.ids import parse_public_id, public_id
from engine.common.reading import ReadOnlyAdmin
from engine.payouts import rebalancing
from engine.rails.models import HouseCrossing

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

# Of an imbalance, in the order of the list's columns.
PARTS = ("settled", "in_flight", "carried")


@admin.register(HouseCrossing)
class HouseCrossingAdmin(ReadOnlyAdmin):
    list_before_template = "admin/rails/rebalancing.html"
    list_display = ("payout", "amount", "route", "paid_from", "reserved_at", "held")
    list_filter = ("asset", "from_network", "to_network")
    list_select_related = ("wallet",)
    search_fields = ("=reference",)
    search_help_text = "A payout's id (pay_…)"
    fields = ("payout", "amount", "route", "wallet", ("reserved_at", "released_at"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "moves": {
                "headers": ["carry over", "settled", "in flight", "carried"],
                "rows": [_move_row(line) for line in rebalancing.imbalances()],
            },
            "networks": {
                "headers": ["asset", "network", "books say", "wallets hold", "spare"],
                "rows": [list(line.as_json().values()) for line in rebalancing.standings()],
            },
        }
        response: HttpResponse = super().changelist_view(
            request, context | (extra_context or {})
        )
        return response

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        key = parse_public_id("pay", search_term.strip())
        if key is not None:
            return queryset.filter(payout_id=key), False
        results: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return results

    @admin.display(description="payout")
    def payout(self, crossing: HouseCrossing) -> str:
        return public_id("pay", crossing.payout_id)

    @admin.display(description="amount")
    def amount(self, crossing: HouseCrossing) -> str:
        return f"{rebalancing.amount_of(crossing.units, crossing.asset)} {crossing.asset}"

    @admin.display(description="route")
    def route(self, crossing: HouseCrossing) -> str:
        return f"{crossing.from_network} → {crossing.to_network}"

    @admin.display(description="paid from")
    def paid_from(self, crossing: HouseCrossing) -> str:
        """Both ends: whole, an address leaves a list no room for anything else."""
        address = crossing.wallet.address
        return f"{address[:6]}…{address[-4:]}"

    @admin.display(description="tokens")
    def held(self, crossing: HouseCrossing) -> str:
        return "promised" if crossing.released_at is None else "handed on"


def _move_row(line: rebalancing.Imbalance) -> list[str]:
    told = line.as_json()
    return [line.advice, *(told[name] for name in PARTS)]
