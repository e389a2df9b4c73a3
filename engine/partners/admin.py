"""Partners, their keys, fees and end users, as the people who look after them see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from engine.common.reading import ReadOnlyAdmin
from engine.common.secret_admin import shown_networks
from engine.common.units import format_usd
from engine.partners import admin_staff  # noqa: F401 - registers its pages
from engine.partners.admin_keys import KeyActions
from engine.partners.forms import PartnerForm
from engine.partners.models import (
    ALL_SCOPES,
    ApiKey,
    EndUser,
    FeeSchedule,
    KeyState,
    Partner,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

MODES = {"live": "success", "test": "info"}
STATES = {"active": "success", "expired": "warning", "revoked": "danger"}


@admin.register(FeeSchedule)
class FeeScheduleAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "fixed_part", "share", "as_of")
    search_fields = ("name",)
    actions = None

    @admin.display(description="Fixed part", ordering="fixed_usd_micros")
    def fixed_part(self, schedule: FeeSchedule) -> str:
        return f"{format_usd(schedule.fixed_usd_micros)} USD"

    @admin.display(description="Share of the amount", ordering="basis_points")
    def share(self, schedule: FeeSchedule) -> str:
        whole, hundredths = divmod(schedule.basis_points, 100)
        return f"{whole}.{hundredths:02} %"


@admin.register(Partner)
class PartnerAdmin(ModelAdmin):  # type: ignore[misc]
    form = PartnerForm
    list_display = ("name", "is_approved", "fee_schedule", "created_at")
    list_filter = ("is_approved", "fee_schedule")
    list_select_related = ("fee_schedule",)
    search_fields = ("name", "id")
    readonly_fields = ("id", "created_at")
    actions = None
    fieldsets = (
        (None, {"fields": ("name", "is_approved", "fee_schedule", "contact_email")}),
        ("Web addresses", {"fields": ("redirect_hosts", "frame_hosts")}),
        ("Record", {"fields": ("id", "created_at")}),
    )

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Any = None,  # noqa: ARG002 - as above
    ) -> bool:
        """A partner has books; it is unapproved, never deleted."""
        return False


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return list(KeyState.choices)

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[ApiKey],
    ) -> QuerySet[ApiKey]:
        """Sort keys as `ApiKey.state` does, by one moment for all rows."""
        is_over = Q(expires_at__lte=timezone.now())
        match self.value():
            case KeyState.REVOKED:
                return queryset.filter(revoked_at__isnull=False)
            case KeyState.EXPIRED:
                return queryset.filter(is_over, revoked_at=None)
            case KeyState.ACTIVE:
                return queryset.filter(~is_over, revoked_at=None)
        return queryset


@admin.register(ApiKey)
class ApiKeyAdmin(KeyActions, ReadOnlyAdmin):
    list_display = (
        "shown",
        "name",
        "partner",
        "mode",
        "state_shown",
        "scope_list",
        "last_used_at",
        "expires_at",
    )
    list_filter = (StateFilter, "livemode", ("partner", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("partner",)
    search_fields = ("name", "last4", "partner__name")
    actions = None
    fieldsets = (
        (None, {"fields": ("shown", "name", "partner", "mode", "state_shown")}),
        ("What it may do", {"fields": ("scope_list", "network_list")}),
        (
            "Its life",
            {
                "fields": (
                    ("created_at", "created_by"),
                    ("last_used_at", "expires_at"),
                    ("revoked_at", "replaced_by"),
                )
            },
        ),
    )

    @admin.display(description="Key")
    def shown(self, key: ApiKey) -> str:
        return str(key)

    @display(description="Mode", ordering="livemode", label=MODES)  # type: ignore[untyped-decorator]
    def mode(self, key: ApiKey) -> str:
        return "live" if key.livemode else "test"

    @display(description="State", label=STATES)  # type: ignore[untyped-decorator]
    def state_shown(self, key: ApiKey) -> str:
        return key.state.value

    @admin.display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        return "all" if set(key.scopes) == set(ALL_SCOPES) else ", ".join(key.scopes)

    @admin.display(description="Networks")
    def network_list(self, key: ApiKey) -> str:
        return shown_networks(key.cidrs)


@admin.register(EndUser)
class EndUserAdmin(ReadOnlyAdmin):
    list_display = ("external_ref", "partner", "mode", "created_at")
    list_filter = ("livemode", ("partner", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("partner",)
    search_fields = ("external_ref",)
    fields = ("external_ref", "partner", "mode", "created_at")
    show_full_result_count = False

    @display(description="Mode", ordering="livemode", label=MODES)  # type: ignore[untyped-decorator]
    def mode(self, end_user: EndUser) -> str:
        return "live" if end_user.livemode else "test"
