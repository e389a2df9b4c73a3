"""For operators: is the fence up, what was compared, and what nobody can explain yet.

All of it only shows. `reconcile`, `resolve_break` and `unfreeze` are commands, because they
need a terminal on a host that has the journals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils import timezone
from django.utils.timesince import timesince

from engine.common.reading import ReadOnlyAdmin
from engine.payouts import models

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest


class IsOpen(admin.SimpleListFilter):
    """Open ones, unless somebody asks for all."""

    title = "state"
    parameter_name = "state"

    def lookups(
        self, _request: HttpRequest, _model_admin: ModelAdmin[models.Break]
    ) -> list[tuple[str, str]]:
        return [("open", "open"), ("resolved", "resolved")]

    def queryset(
        self, _request: HttpRequest, queryset: QuerySet[models.Break]
    ) -> QuerySet[models.Break]:
        if self.value() is None:
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() == "open")


@admin.register(models.Break)
class BreakAdmin(ReadOnlyAdmin):
    list_display = ("kind_in_words", "what", "age", "owner", "resolved_at")
    list_filter = (IsOpen, "kind")
    search_fields = ("what", "owner")
    fields = (
        "kind_in_words",
        "what",
        "detail",
        ("first_seen_at", "last_seen_at"),
        ("owner", "resolved_at"),
        "resolution",
    )

    @admin.display(description="what differs")
    def kind_in_words(self, one: models.Break) -> str:
        return one.get_kind_display()

    @admin.display(description="age")
    def age(self, one: models.Break) -> str:
        return timesince(one.first_seen_at, one.resolved_at or timezone.now(), depth=1)


@admin.register(models.Fence)
class FenceAdmin(ReadOnlyAdmin):
    list_display = ("why", "put_up_at", "taken_down_at", "taken_down_by", "seconded_by")
    fields = ("why", ("put_up_at", "taken_down_at"), ("taken_down_by", "seconded_by"))


@admin.register(models.Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    list_display = (
        "began_at", "finished_at", "matched", "recreated", "seen_outside", "open_breaks"
    )  # fmt: skip
    fields = (
        ("began_at", "finished_at"),
        ("matched", "recreated"),
        ("seen_outside", "open_breaks"),
        "read_to",
    )


@admin.register(models.Journal)
class JournalAdmin(ReadOnlyAdmin):
    list_display = ("id", "host", "position", "is_lost", "created_at")
    fields = ("id", "host", "position", "is_lost", "created_at")
