"""Minting and revoking tokens in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q
from django.http import HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldBooleanWidget

from engine.common.reading import ReadOnlyAdmin
from engine.common.secret_admin import SecretAdmin, shown_expiry, shown_networks
from engine.partners.forms import MintForm
from payments.models import Token
from payments.tokens import mint_token, revoke_token

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

MODES = {"live": "success", "test": "info"}
STATES = {"active": "success", "expired": "warning", "revoked": "danger"}


class MintTokenForm(MintForm):
    """What a token is made of: a key's own questions, with two boxes in place of scopes."""

    scopes = None  # type: ignore[assignment] # Django's way to leave a field out
    may_pay_out = forms.BooleanField(
        label="Payout",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="It makes and reads payments of type payout.",
    )
    may_fill_forms = forms.BooleanField(
        label="Payout form",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="It fills in the forms of payments, for a form of the partner's own.",
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a token that could do nothing."""
        asked: dict[str, Any] = super().clean() or self.cleaned_data
        if not (asked.get("may_pay_out") or asked.get("may_fill_forms")):
            self.add_error("may_pay_out", "Tick what it may do, one box at least.")
        return asked


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [(word, word.capitalize()) for word in STATES]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Token],
    ) -> QuerySet[Token]:
        is_over = Q(expires_at__isnull=False, expires_at__lte=timezone.now())
        match self.value():
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
            case "expired":
                return queryset.filter(is_over, revoked_at=None)
            case "active":
                return queryset.filter(~is_over, revoked_at=None)
        return queryset


@admin.register(Token)
class TokenAdmin(SecretAdmin, ReadOnlyAdmin):
    secret_word = "token"  # noqa: S105 - a word on a page
    list_display = (
        "shown", "name", "partner", "mode", "state", "boxes", "last_used_at", "expires_at"
    )  # fmt: skip
    list_filter = (StateFilter, "livemode", ("partner", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("partner",)
    search_fields = ("name", "last4", "partner__name")
    fields = (
        "shown",
        ("name", "partner"),
        ("mode", "state"),
        ("boxes", "network_list"),
        ("created_at", "created_by"),
        ("last_used_at", "expires_at"),
        "revoked_at",
    )

    @admin.display(description="token")
    def shown(self, token: Token) -> str:
        return str(token)

    @display(description="mode", ordering="livemode", label=MODES)  # type: ignore[untyped-decorator]
    def mode(self, token: Token) -> str:
        return "live" if token.livemode else "test"

    @display(description="state", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, token: Token) -> str:
        if token.revoked_at is not None:
            return "revoked"
        is_over = token.expires_at is not None and token.expires_at <= timezone.now()
        return "expired" if is_over else "active"

    @admin.display(description="may")
    def boxes(self, token: Token) -> str:
        ticked = (("Payout", token.may_pay_out), ("Payout form", token.may_fill_forms))
        return ", ".join(label for label, is_ticked in ticked if is_ticked)

    @admin.display(description="networks")
    def network_list(self, token: Token) -> str:
        return shown_networks(token.cidrs)

    @action(  # type: ignore[untyped-decorator]
        description="Mint a token",
        url_path="mint",
        permissions=["mint"],
        variant=ActionVariant.PRIMARY,
    )
    @sensitive_variables("text")
    def mint(self, request: HttpRequest) -> HttpResponse:
        """Ask what the token is made of, then make it and show its text."""
        form = MintTokenForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self.ask(
                request,
                None,
                form,
                title="Mint a token",
                button="Mint",
                text="It asks for payments, and signs their webhooks. It is shown once.",
            )
        asked = form.cleaned_data
        with transaction.atomic():
            token, text = mint_token(
                partner=asked["partner"],
                livemode=asked["mode"] == "live",
                name=asked["name"],
                may_pay_out=asked["may_pay_out"],
                may_fill_forms=asked["may_fill_forms"],
                cidrs=asked["cidrs"],
                expires_at=asked["expires_at"],
                by=cast("User", request.user),
            )
            self.log_addition(request, token, f"Minted for {token.partner}.")
        facts = (
            ("It may", self.boxes(token)),
            ("From", shown_networks(token.cidrs)),
            ("Expires", shown_expiry(token.expires_at)),
        )
        return self.show_once(request, token, text, facts)

    @action(  # type: ignore[untyped-decorator]
        description="Revoke",
        url_path="revoke",
        permissions=["revoke"],
        variant=ActionVariant.DANGER,
    )
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether it is meant, then end the token's life."""
        token = cast("Token", self.find(request, object_id))
        if request.method != "POST":
            return self.ask(
                request,
                token,
                forms.Form(),
                title="Revoke this token?",
                button="Revoke for ever",
                text="Every request with it is refused from now on. What it has asked for"
                " goes on, and webhooks of that are signed with it still. This cannot be"
                " undone.",
                is_grave=True,
            )
        with transaction.atomic():
            if revoke_token(token):
                self.log_change(request, token, "Revoked.")
        messages.success(request, f"{token} is revoked.")
        return HttpResponseRedirect(self.address("change", token.pk))
