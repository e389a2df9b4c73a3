"""What staff may look at. Nobody changes what was sent, or what was answered."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import TabularInline

from engine.common.reading import ReadOnly, ReadOnlyAdmin
from engine.rails.models import Attempt, DepositAddress, SendEvidence, SimulatedTransfer


class SendEvidenceInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = SendEvidence
    extra = 0
    fields = ("at", "kind", "body")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = (
        "reference",
        "payout_id",
        "leg",
        "number",
        "network",
        "state",
        "created_at",
        "closed_at",
    )
    list_filter = ("state", "rail", "network")
    search_fields = ("=reference", "=payout_id")
    # Signed bytes are as good as money to whoever copies them.
    exclude = ("payload",)
    inlines = (SendEvidenceInline,)
    show_full_result_count = False


@admin.register(DepositAddress)
class DepositAddressAdmin(ReadOnlyAdmin):
    list_display = (
        "address",
        "asset",
        "network",
        "partner",
        "end_user",
        "livemode",
        "created_at",
    )
    list_filter = ("livemode", "asset", "network")
    list_select_related = ("partner", "end_user")
    search_fields = ("=address", "=end_user__external_ref")
    show_full_result_count = False


@admin.register(SimulatedTransfer)
class SimulatedTransferAdmin(ReadOnlyAdmin):
    list_display = (
        "reference",
        "network",
        "asset",
        "units",
        "accepted_at",
        "seen_at",
        "final_at",
        "failure_code",
        "is_held",
    )
    list_filter = ("livemode", "network", "asset", "is_held")
    search_fields = ("=reference", "=payout_id")
    show_full_result_count = False
