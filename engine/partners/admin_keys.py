"""Minting, rotating and revoking keys in the admin."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseRedirect
from django.views.decorators.debug import sensitive_variables
from unfold.decorators import action
from unfold.enums import ActionVariant

from engine.common.secret_admin import SecretAdmin, shown_expiry, shown_networks
from engine.partners import services
from engine.partners.errors import KeyNotActive
from engine.partners.forms import OLD_KEY_LIVES, MintForm, RevokeForm, RotateForm
from engine.partners.models import ApiKey, KeyState

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

OVER = 409


class KeyActions(SecretAdmin):
    """A key's verbs: it can be rotated, besides."""

    actions_detail = ("rotate", "revoke")

    def has_rotate_permission(self, request: HttpRequest, _key: Any = None) -> bool:
        return request.user.has_perm("partners.rotate_apikey")

    def can_still(self, verb: str, key: ApiKey) -> bool:
        """Nothing can be done to a key that is over, and one is rotated once."""
        is_first = verb != "rotate" or key.replaced_by_id is None
        return key.state == KeyState.ACTIVE and is_first

    def asked_about(self, key: ApiKey) -> str:
        """Its name: the title of the question has the key already."""
        return key.name

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
            return self.ask(request, None, form, title="Mint an API key", button="Mint")
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
        return self.show_once(request, key, text, _facts(key))

    @action(  # type: ignore[untyped-decorator]
        description="Rotate", url_path="rotate", permissions=["rotate"]
    )
    @sensitive_variables("text")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how long the old key lives, then replace it and show the new secret."""
        old = cast("ApiKey", self.find(request, object_id))
        form = RotateForm(request.POST or None)
        ask = partial(self.ask, request, old, form, title=f"Rotate {old}", button="Rotate")
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
        return self.show_once(request, new, text, _facts(new))

    @action(  # type: ignore[untyped-decorator]
        description="Revoke",
        url_path="revoke",
        permissions=["revoke"],
        variant=ActionVariant.DANGER,
    )
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether it is meant, then end the key's life."""
        key = cast("ApiKey", self.find(request, object_id))
        form = RevokeForm(request.POST)
        ask = partial(
            self.ask,
            request,
            key,
            form,
            title=f"Revoke {key}",
            button="Revoke for ever",
            text="Within five seconds every request with this key is refused."
            " This cannot be undone.",
            is_grave=True,
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
        return HttpResponseRedirect(self.address("change", key.pk))


def _staff(request: HttpRequest) -> User:
    return cast("User", request.user)


def _facts(key: ApiKey) -> tuple[tuple[str, str], ...]:
    return (
        ("It may", ", ".join(key.scopes)),
        ("From", shown_networks(key.cidrs)),
        ("Expires", shown_expiry(key.expires_at)),
    )
