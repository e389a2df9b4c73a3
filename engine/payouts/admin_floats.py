"""Partners' floats, the credits that operators give them, and what gateways cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Sum
from django.http import HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from engine.common.asking import AskingAdmin
from engine.common.errors import AmountInvalid
from engine.common.reading import ReadOnlyAdmin
from engine.common.units import format_units, parse_amount
from engine.ledger.models import Account
from engine.partners.models import Partner
from engine.payouts import models
from engine.payouts.floats import CreditDiffers, credit_float
from engine.rails.scales import CURRENCIES

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse


def _amount(units: int, currency: str) -> str:
    return f"{format_units(units, scale=CURRENCIES[currency])} {currency}"


class CreditForm(forms.Form):
    """Money that an operator has seen at the bank."""

    partner = forms.ModelChoiceField(Partner.objects.all(), widget=UnfoldAdminSelectWidget)
    currency = forms.ChoiceField(
        choices=[(code, code) for code in CURRENCIES],
        initial="XAF",
        widget=UnfoldAdminSelectWidget,
    )
    amount = forms.CharField(max_length=40, widget=UnfoldAdminTextInputWidget)
    reference = forms.CharField(
        max_length=128,
        widget=UnfoldAdminTextInputWidget,
        help_text="What the bank calls it. The same reference is credited once.",
    )
    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)

    def clean(self) -> dict[str, Any]:
        """Read the amount in its currency's smallest units, as `units`."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "amount" in cleaned and "currency" in cleaned:
            try:
                cleaned["units"] = parse_amount(
                    cleaned["amount"], scale=CURRENCIES[cleaned["currency"]]
                )
            except AmountInvalid as refusal:
                raise ValidationError({"amount": refusal.message}) from None
        return cleaned


@admin.register(models.PartnerFloat)
class PartnerFloatAdmin(ReadOnlyAdmin):
    list_display = ("partner", "mode", "currency", "available", "held", "set_aside")
    list_filter = ("currency", "livemode", "partner")
    list_select_related = ("partner",)
    fields = (("partner", "mode"), "currency", ("available", "held"), "set_aside")

    @admin.display(description="mode")
    def mode(self, kept: models.PartnerFloat) -> str:
        return "live" if kept.livemode else "test"

    @admin.display(description="available")
    def available(self, kept: models.PartnerFloat) -> str:
        return _amount(_balance(kept.available_account_id), kept.currency)

    @admin.display(description="held by payouts")
    def held(self, kept: models.PartnerFloat) -> str:
        return _amount(_balance(kept.held_account_id), kept.currency)

    @admin.display(description="set aside by batches")
    def set_aside(self, kept: models.PartnerFloat) -> str:
        reserves = Account.objects.filter(pk__in=kept.reserves.values("account_id"))
        units = reserves.aggregate(units=Sum("balance"))["units"] or 0
        return _amount(int(units), kept.currency)


def _balance(account_id: int) -> int:
    return int(Account.objects.values_list("balance", flat=True).get(pk=account_id))


@admin.register(models.FloatCredit)
class FloatCreditAdmin(AskingAdmin, ReadOnlyAdmin):
    """Credits are for ever; the one way to make one is to say what was seen and why."""

    actions_list = ("credit",)
    list_display = ("reference", "partner", "amount", "reason", "by", "created_at")
    list_filter = ("float__currency", "float__partner")
    list_select_related = ("float__partner",)
    search_fields = ("reference",)
    fields = ("reference", "partner", "amount", "reason", ("by", "created_at"))

    def has_credit_permission(self, request: HttpRequest, _credit: Any = None) -> bool:
        return request.user.has_perm("payouts.add_floatcredit")

    @admin.display(description="partner")
    def partner(self, credit: models.FloatCredit) -> Partner:
        return credit.float.partner

    @admin.display(description="amount")
    def amount(self, credit: models.FloatCredit) -> str:
        return _amount(credit.units, credit.float.currency)

    @action(  # type: ignore[untyped-decorator]
        description="Credit a float",
        url_path="credit",
        permissions=["credit"],
        variant=ActionVariant.PRIMARY,
    )
    def credit(self, request: HttpRequest) -> HttpResponse:
        """Ask what came in and why, then book it."""
        form = CreditForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._ask(request, form)
        asked = form.cleaned_data
        try:
            with transaction.atomic():
                credit, is_new = credit_float(
                    partner_id=asked["partner"].pk,
                    livemode=True,
                    currency=asked["currency"],
                    units=asked["units"],
                    reference=asked["reference"],
                    reason=asked["reason"],
                    by=cast("User", request.user).username,
                )
                if is_new:
                    self.log_addition(request, credit, f"Credited: {asked['reason']}")
        except CreditDiffers as error:
            form.add_error("reference", str(error))
            return self._ask(request, form)
        text = "The float is credited." if is_new else "It was credited before; nothing moved."
        messages.success(request, text)
        return HttpResponseRedirect(self.address("changelist"))

    def _ask(self, request: HttpRequest, form: forms.Form) -> HttpResponse:
        return self.ask(
            request,
            None,
            form,
            title="Credit a partner's float",
            button="Credit",
            text="Live money: the partner may pay it out at once. It cannot be taken back"
            " here.",
            is_grave=True,
        )


@admin.register(models.GatewayFee)
class GatewayFeeAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = (
        "gateway",
        "currency",
        "operator_s",
        "ours",
        "seconds",
        "is_enabled",
        "as_of",
    )
    list_filter = ("gateway", "currency", "is_enabled")
    actions = None

    @admin.display(description="the operator's part")
    def operator_s(self, fee: models.GatewayFee) -> str:
        return _part(fee.gateway_units, fee.gateway_basis_points, fee.currency)

    @admin.display(description="our part")
    def ours(self, fee: models.GatewayFee) -> str:
        return _part(fee.platform_units, fee.platform_basis_points, fee.currency)


def _part(units: int, basis_points: int, currency: str) -> str:
    whole, hundredths = divmod(basis_points, 100)
    return f"{_amount(units, currency)} + {whole}.{hundredths:02} %"
