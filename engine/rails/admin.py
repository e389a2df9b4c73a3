"""What staff may look at. Nobody changes what was sent, or what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from unfold.admin import TabularInline

from engine.common.ids import parse_public_id
from engine.common.reading import ReadOnly, ReadOnlyAdmin
from engine.common.units import format_units
from engine.rails import (  # noqa: F401 - register pages
    admin_deposits,
    bank_admin,
    bank_statement_admin,
    chain_admin,
    momo_admin,
    wallet_admin,
)
from engine.rails.models import Attempt, SendEvidence, SimulatedTransfer
from engine.rails.scales import scale_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

SHORT = 20


class SendEvidenceInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = SendEvidence
    extra = 0
    fields = ("at", "kind", "body")


class SentAdmin(ReadOnlyAdmin):
    """What one leg of a payout sent: found by its reference, or by the payout's id."""

    search_fields = ("=reference",)
    search_help_text = "A reference, or a payout's id (pay_…)"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        payout_id = parse_public_id("pay", search_term.strip())
        if payout_id is not None:
            # A UUID in one of the two tables, its digits as text in the other.
            return queryset.filter(payout_id=payout_id.hex), False
        results: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return results

    @admin.display(description="reference")
    def short_reference(self, sent: Attempt | SimulatedTransfer) -> str:
        """Both ends: whole, a hash leaves a list no room for anything else."""
        whole = sent.reference
        return whole if len(whole) <= SHORT else f"{whole[:10]}…{whole[-6:]}"

    @admin.display(description="payout")
    def payout(self, sent: Attempt | SimulatedTransfer) -> str:
        return "pay_" + str(sent.payout_id).replace("-", "")


@admin.register(Attempt)
class AttemptAdmin(SentAdmin):
    list_display = (
        "short_reference", "payout", "leg", "number", "network", "state", "created_at",
        "closed_at",
    )  # fmt: skip
    list_filter = ("state", "rail", "network")
    # Signed bytes are as good as money to whoever copies them: no payload here.
    fields = (
        "reference",
        "payout",
        ("leg", "number"),
        ("rail", "network"),
        "state",
        "proof",
        ("created_at", "closed_at"),
    )
    inlines = (SendEvidenceInline,)


@admin.register(SimulatedTransfer)
class SimulatedTransferAdmin(SentAdmin):
    list_display = (
        "short_reference", "network", "amount", "mode", "accepted_at", "seen_at", "final_at",
        "failure_code", "held",
    )  # fmt: skip
    list_filter = ("livemode", "network", "asset", "is_held")
    fields = (
        "reference",
        "payout",
        ("leg", "mode"),
        ("network", "amount"),
        "destination",
        ("accepted_at", "seen_at"),
        ("expected_at", "final_at"),
        ("fails_at", "failure_code"),
        "held",
    )

    @admin.display(description="amount")
    def amount(self, transfer: SimulatedTransfer) -> str:
        scale = scale_of(transfer.asset)
        return f"{format_units(transfer.units, scale=scale)} {transfer.asset}"

    @admin.display(description="mode")
    def mode(self, transfer: SimulatedTransfer) -> str:
        return _mode(transfer)

    @admin.display(description="held until advanced")
    def held(self, transfer: SimulatedTransfer) -> str:
        return "yes" if transfer.is_held else "no"


def _mode(row: SimulatedTransfer) -> str:
    return "live" if row.livemode else "test"
