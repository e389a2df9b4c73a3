"""Admin acts that ask before they act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import render
from django.urls import reverse
from unfold.admin import ModelAdmin

if TYPE_CHECKING:
    from django import forms
    from django.http import HttpRequest, HttpResponse


class AskingAdmin(ModelAdmin):  # type: ignore[misc]
    """Asks before it acts: a GET shows the question, only a POST is the answer."""

    def find(self, request: HttpRequest, object_id: str) -> Any:
        """The row of that page. Raises PermissionDenied and Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def address(self, page: str, *of: Any) -> str:
        name = f"{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(f"{self.admin_site.name}:{name}", args=of)

    def asked_about(self, row: Any) -> str:
        """What the question calls its row."""
        return str(row)

    def ask(
        self,
        request: HttpRequest,
        row: Any,
        form: forms.Form,
        *,
        title: str,
        button: str,
        text: str = "",
        is_grave: bool = False,
        status: int = 200,
    ) -> HttpResponse:
        """Render the question about `row`, or about a new one where it is None; its form
        posts back to the same address.
        """
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "row": row,
            "about": self.asked_about(row) if row else "",
            "form": form,
            "button": button,
            "text": text,
            "is_grave": is_grave,
            "back_address": self.address("change", row.pk)
            if row
            else self.address("changelist"),
        }
        return render(request, "admin/ask.html", page, status=status)
