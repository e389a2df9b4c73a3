"""Admin pages that only show: the books, payouts and evidence are nobody's to edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unfold.admin import ModelAdmin

if TYPE_CHECKING:
    from collections.abc import Sequence


class ReadOnly:
    """Mixed in before an admin class or an inline, it leaves only looking."""

    actions: Sequence[str] | None = None
    extra = 0
    can_delete = False
    # Counting millions of rows for "of 12,345,678" costs more than the page.
    show_full_result_count = False

    def has_add_permission(self, *_: object, **__: object) -> bool:
        return False

    def has_change_permission(self, *_: object, **__: object) -> bool:
        return False

    def has_delete_permission(self, *_: object, **__: object) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Lists, searches and shows."""
