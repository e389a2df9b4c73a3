"""Minting, rotating and revoking keys in the admin.

A secret is rendered straight into the answer of the POST that made it: it passes through
no redirect, message, session, log or LogEntry, and nobody can ask for it again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant

from engine.partners import services
from engine.partners.errors import KeyNotActive
from engine.partners.forms import OLD_KEY_LIVES, MintForm, RevokeForm, RotateForm
from engine.partners.models import ApiKey, KeyState

if TYPE_CHECKING:
    from django import forms
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

OVER = 409


class KeyActions(ModelAdmin):  # type: ignore[misc]
    """The three verbs of a key, each behind its own permission."""

    actions_list = ("mint",)
    actions_detail = ("rotate", "revoke")

    def has_mint_permission(self, request: HttpRequest, _key: Any = None) -> bool:
        return request.user.has_perm("partners.mint_apikey")

    def has_rotate_permission(self, request: HttpRequest, _key: Any = None) -> bool:
        return request.user.has_perm("partners.rotate_apikey")

    def has_revoke_permission(self, request: HttpRequest, _key: Any = None) -> bool:
        return request.user.has_perm("partners.revoke_apikey")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer only what can still be done to this key."""
        key = self.get_object(request, unquote(str(object_id)))
        if key is None or key.state != KeyState.ACTIVE:
            return []
        return [
            offered
            for offered in super().get_actions_detail(request, object_id)
            if key.replaced_by_id is None or offered.path != "rotate"
        ]

    @action(  # type: ignore[untyped-decorator]
        description="Mint a key",
        url_path="mint",
        permissions=["mint"],
        variant=ActionVariant.PRIMARY,
    )
    @sensitive_variables("text")
    def mint(self, request: HttpRequest) -> HttpResponse:
        """Ask what the key is made of, then make it and show its secret."""
        form = MintForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._ask(request, form, title="Mint an API key", button="Mint")
        asked = form.cleaned_data
        with transaction.atomic():
            key, text = services.mint_key(
                partner=asked["partner"],
                livemode=asked["mode"] == "live",
                name=asked["name"],
                scopes=asked["scopes"],
                cidrs=asked["cidrs"],
                expires_at=asked["expires_at"],
                by=_staff(request),
            )
            self.log_addition(request, key, f"Minted for {key.partner}.")
        return self._show(request, key, text)

    @action(  # type: ignore[untyped-decorator]
        description="Rotate", url_path="rotate", permissions=["rotate"]
    )
    @sensitive_variables("text")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how long the old key lives, then replace it and show the new secret."""
        old = self._key(request, object_id)
        form = RotateForm(request.POST or None)
        ask = partial(self._ask, request, form, title=f"Rotate {old}", button="Rotate", key=old)
        if request.method != "POST" or not form.is_valid():
            return ask()
        lives = form.cleaned_data["old_lives_seconds"]
        try:
            with transaction.atomic():
                new, text = services.rotate_key(
                    key=old, old_lives_seconds=lives, by=_staff(request)
                )
                ends = OLD_KEY_LIVES[lives].lower()
                self.log_addition(request, new, f"Minted in place of {old}.")
                self.log_change(request, old, f"Rotated to {new}: {ends}.")
        except KeyNotActive as error:
            form.add_error(None, error.message)
            return ask(status=OVER)
        return self._show(request, new, text)

    @action(  # type: ignore[untyped-decorator]
        description="Revoke",
        url_path="revoke",
        permissions=["revoke"],
        variant=ActionVariant.DANGER,
    )
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether it is meant, then end the key's life."""
        key = self._key(request, object_id)
        form = RevokeForm(request.POST)
        ask = partial(
            self._ask,
            request,
            form,
            title=f"Revoke {key}",
            button="Revoke for ever",
            key=key,
            warning="Within five seconds every request with this key is refused."
            " This cannot be undone.",
        )
        if request.method != "POST":
            return ask()
        try:
            with transaction.atomic():
                services.revoke_key(key=key, by=_staff(request))
                self.log_change(request, key, "Revoked.")
        except KeyNotActive as error:
            form.add_error(None, error.message)
            return ask(status=OVER)
        messages.success(request, f"{key} is revoked.")
        return HttpResponseRedirect(self._address("change", key.pk))

    def _key(self, request: HttpRequest, object_id: str) -> ApiKey:
        if not self.has_view_permission(request):
            raise PermissionDenied
        key = self.get_object(request, unquote(object_id))
        if key is None:
            raise Http404
        return cast("ApiKey", key)

    def _address(self, page: str, *of: Any) -> str:
        return reverse(f"{self.admin_site.name}:partners_apikey_{page}", args=of)

    def _page(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "list_address": self._address("changelist"),
        }

    def _ask(
        self,
        request: HttpRequest,
        form: forms.Form,
        *,
        title: str,
        button: str,
        key: ApiKey | None = None,
        warning: str = "",
        status: int = 200,
    ) -> HttpResponse:
        page = self._page(request, title) | {
            "form": form,
            "button": button,
            "key": key,
            "warning": warning,
            "back_address": self._address("change", key.pk)
            if key
            else self._address("changelist"),
        }
        return render(request, "admin/partners/apikey/ask.html", page, status=status)

    @sensitive_variables("text", "page")
    def _show(self, request: HttpRequest, key: ApiKey, text: str) -> HttpResponse:
        page = self._page(request, "Copy the key now") | {
            "key": key,
            "secret": text,
            "back_address": self._address("change", key.pk),
        }
        # The admin's own wrapper adds `no-store`, to this page as to every other.
        return render(request, "admin/partners/apikey/secret.html", page)


def _staff(request: HttpRequest) -> User:
    return cast("User", request.user)
