"""Signing keys and batches, as the people see them who look after merchants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponseRedirect
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_variables
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from disbursements.keys import OriginInvalid, exact_origin, mint_signing_key, revoke_signing_key
from disbursements.models import Batch, BatchStatus, SigningKey
from disbursements.progress import progress_of
from disbursements.rest import BatchIsOver, give_up
from engine.common.asking import AskingAdmin
from engine.common.reading import ReadOnlyAdmin
from engine.common.secret_admin import SecretAdmin, shown_networks
from engine.partners.forms import LinesField
from engine.partners.models import Partner
from engine.partners.validation import exact_network, visible_text
from engine.payouts.errors import PayoutsFrozen

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

BATCH_STATES = {"PROCESSING": "info", "COMPLETED": "success", "FAILED": "danger"}
REFRESH_SECONDS = 5


class MintSigningKeyForm(forms.Form):
    """What a signing key is made of."""

    partner = forms.ModelChoiceField(Partner.objects.all(), widget=UnfoldAdminSelectWidget)
    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)
    origins = LinesField(
        help_text="What x-zo-origin may say, one a line, such as https://shop.example."
    )
    cidrs = LinesField(
        label="Networks",
        required=False,
        help_text="It works from these only, one a line. Empty: from anywhere.",
    )

    def clean_name(self) -> str:
        name = visible_text(self.cleaned_data["name"])
        if not name:
            raise ValidationError("The name has nothing in it to read.")
        return name

    def clean_origins(self) -> list[str]:
        try:
            return [exact_origin(text) for text in self.cleaned_data["origins"]]
        except OriginInvalid as error:
            raise ValidationError(str(error)) from None

    def clean_cidrs(self) -> list[str]:
        return [exact_network(text) for text in self.cleaned_data["cidrs"]]


@admin.register(SigningKey)
class SigningKeyAdmin(SecretAdmin, ReadOnlyAdmin):
    secret_word = "secret"  # noqa: S105 - a word on a page
    copied_to = "where requests will be signed"
    list_display = ("key", "name", "partner", "state", "last_used_at", "created_at")
    list_filter = (("partner", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("partner",)
    search_fields = ("key", "name", "partner__name")
    fields = (
        "key",
        ("name", "partner"),
        "state",
        ("origins", "cidrs"),
        ("created_at", "last_used_at", "revoked_at"),
    )

    @display(description="state", label={"active": "success", "revoked": "danger"})  # type: ignore[untyped-decorator]
    def state(self, key: SigningKey) -> str:
        return "active" if key.revoked_at is None else "revoked"

    @action(  # type: ignore[untyped-decorator]
        description="Mint a signing key",
        url_path="mint",
        permissions=["mint"],
        variant=ActionVariant.PRIMARY,
    )
    @sensitive_variables("secret")
    def mint(self, request: HttpRequest) -> HttpResponse:
        """Ask what the key is made of, then make it and show its secret."""
        form = MintSigningKeyForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self.ask(
                request,
                None,
                form,
                title="Mint a signing key",
                button="Mint",
                text="It signs live disbursements. The secret is shown once.",
            )
        asked = form.cleaned_data
        with transaction.atomic():
            key, secret = mint_signing_key(
                partner=asked["partner"],
                name=asked["name"],
                origins=asked["origins"],
                cidrs=asked["cidrs"],
            )
            self.log_addition(request, key, f"Minted for {key.partner}.")
        facts = (
            ("x-zo-key", key.key),
            ("x-zo-origin", ", ".join(key.origins)),
            ("From", shown_networks(key.cidrs)),
        )
        return self.show_once(request, key, secret, facts)

    @action(  # type: ignore[untyped-decorator]
        description="Revoke",
        url_path="revoke",
        permissions=["revoke"],
        variant=ActionVariant.DANGER,
    )
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether it is meant, then end the key's life."""
        key = cast("SigningKey", self.find(request, object_id))
        if request.method != "POST":
            return self.ask(
                request,
                key,
                forms.Form(),
                title="Revoke this signing key?",
                button="Revoke for ever",
                text="Every request that it signs is refused from now on. This cannot be"
                " undone.",
                is_grave=True,
            )
        with transaction.atomic():
            if revoke_signing_key(key):
                self.log_change(request, key, "Revoked.")
        messages.success(request, f"{key} is revoked.")
        return HttpResponseRedirect(self.address("change", key.pk))


class GiveUpForm(forms.Form):
    """Why the rest of a batch is not paid."""

    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="The merchant reads it at each of these rows.",
    )

    def clean_reason(self) -> str:
        reason = visible_text(self.cleaned_data["reason"])
        if not reason:
            raise ValidationError("The reason has nothing in it to read.")
        return reason


@admin.register(Batch)
class BatchAdmin(AskingAdmin, ReadOnlyAdmin):
    actions_detail = ("give_up",)
    list_display = (
        "public_id", "partner", "standing", "progress", "waits_for", "created_at"
    )  # fmt: skip
    list_filter = ("status", ("partner", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("partner",)
    search_fields = ("partner__name", "key")
    fields = ("public_id", ("partner", "filename"), ("standing", "created_at"))
    change_form_outer_before_template = "admin/disbursements/batch/progress.html"

    class Media:
        css: ClassVar = {"all": ["admin-webhooks.css"]}

    def has_give_up_permission(self, request: HttpRequest, _batch: Any = None) -> bool:
        return request.user.has_perm("disbursements.give_up_batch")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Of a batch that is over nothing is left to be given up."""
        batch = self.get_object(request, unquote(str(object_id)))
        if batch is None or batch.status != BatchStatus.PROCESSING:
            return []
        offered: list[Any] = super().get_actions_detail(request, object_id)
        return offered

    @action(  # type: ignore[untyped-decorator]
        description="Give up the rest",
        url_path="give-up",
        permissions=["give_up"],
        variant=ActionVariant.DANGER,
    )
    def give_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then refuse the rows that are no payouts yet."""
        batch = cast("Batch", self.find(request, object_id))
        form = GiveUpForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self.ask(
                request,
                batch,
                form,
                title="Give up the rest of this batch?",
                button="Give up for ever",
                text="Rows that are no payouts yet are refused, and what was set aside for"
                " them goes back to the float. Payouts that were made stay as they are."
                " This cannot be undone.",
                is_grave=True,
            )
        reason = form.cleaned_data["reason"]
        try:
            with transaction.atomic():
                count = give_up(batch_id=batch.pk, reason=reason)
                self.log_change(request, batch, f"Gave up {count} rows: {reason}")
        except (BatchIsOver, PayoutsFrozen) as refusal:
            messages.error(request, f"Nothing was given up. {refusal.title}.")
        else:
            messages.success(request, f"{count} rows are given up.")
        return HttpResponseRedirect(self.address("change", batch.pk))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show how far it is, and again by itself while that changes: no script needed."""
        batch = self.get_object(request, unquote(object_id))
        shown = None if batch is None else progress_of(batch)
        response: HttpResponse = super().change_view(
            request,
            object_id,
            form_url,
            {"progress": shown, "refresh_seconds": REFRESH_SECONDS} | (extra_context or {}),
        )
        if shown is not None and shown.is_moving:
            response["Refresh"] = str(REFRESH_SECONDS)
        return response

    @display(description="status", ordering="status", label=BATCH_STATES)  # type: ignore[untyped-decorator]
    def standing(self, batch: Batch) -> str:
        return batch.status

    @admin.display(description="progress")
    def progress(self, batch: Batch) -> str:
        return format_html(
            '<progress class="zp-progress" max="{}" value="{}"></progress> {} of {}',
            batch.total_payouts,
            batch.made_payouts,
            batch.made_payouts,
            batch.total_payouts,
        )

    @admin.display(description="file")
    def filename(self, batch: Batch) -> str:
        return batch.file.filename
