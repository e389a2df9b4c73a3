"""Admin pages that only show: the books, payouts and evidence are nobody's to edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest


class ReadOnly:
    """Mixed in before an admin class or an inline, it leaves only looking."""

    actions = None
    extra = 0
    can_delete = False
    # Counting millions of rows for "of 12,345,678" costs more than the page.
    show_full_result_count = False

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False
