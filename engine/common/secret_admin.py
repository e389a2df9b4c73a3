"""Admin pages that mint a secret and show it once.

A secret is rendered straight into the answer of the POST that made it: it passes through
no redirect, message, session, log or LogEntry, and nobody can ask for it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.views.decorators.debug import sensitive_variables

from engine.common.asking import AskingAdmin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse


class SecretAdmin(AskingAdmin):
    """Mints, shows the secret once, and revokes: each verb behind its own permission.

    A row has a name, partner, livemode and revoked_at. The verbs are written where they differ.
    """

    actions_list = ("mint",)
    actions_detail: tuple[str, ...] = ("revoke",)
    # The words of the page that shows it: what is copied, and to where.
    secret_word = "key"  # noqa: S105 - a word on a page
    copied_to = "where it will be used"

    def has_mint_permission(self, request: HttpRequest, _row: Any = None) -> bool:
        return self._may(request, "mint")

    def has_revoke_permission(self, request: HttpRequest, _row: Any = None) -> bool:
        return self._may(request, "revoke")

    def _may(self, request: HttpRequest, verb: str) -> bool:
        codename = get_permission_codename(verb, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def can_still(self, verb: str, row: Any) -> bool:  # noqa: ARG002 - for who overrides it
        """Whether that can be done to this row yet: to what is revoked, nothing can."""
        return row.revoked_at is None

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer only what can still be done to this row."""
        row = self.get_object(request, unquote(str(object_id)))
        if row is None:
            return []
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if self.can_still(one.path, row)]

    @sensitive_variables("secret", "page")
    def show_once(
        self, request: HttpRequest, row: Any, secret: str, facts: Iterable[tuple[str, str]]
    ) -> HttpResponse:
        """Render the secret of `row`, just made, and below it what is said of the row, as
        labels and values.
        """
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Copy the {self.secret_word} now",
            "row": row,
            "secret": secret,
            "secret_word": self.secret_word,
            "copied_to": self.copied_to,
            "facts": facts,
            "back_address": self.address("change", row.pk),
        }
        # The admin's own wrapper adds `no-store`, to this page as to every other.
        return render(request, "admin/secret.html", page)


def shown_networks(cidrs: list[str]) -> str:
    return ", ".join(cidrs) or "anywhere"


def shown_expiry(at: datetime | None) -> str:
    return "never" if at is None else date_format(localtime(at), "j M Y H:i e")
