"""Admin pages that only show: the books, payouts and evidence are nobody's to edit."""

from __future__ import annotations

from unfold.admin import ModelAdmin


class ReadOnly:
    """Mixed in before an admin class or an inline, it leaves only looking."""

    actions = None
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
