"""What operators type about an account with a mobile-money operator."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from engine.rails.models import MomoAccount
from engine.rails.momo.accounts import USER_AGENT
from engine.rails.operators import COUNTRY_CURRENCIES, CURRENCIES, GATEWAYS

SECRETS = ("api_key", "subscription_key")


def _text(length: int, **options: Any) -> forms.CharField:
    return forms.CharField(max_length=length, widget=UnfoldAdminTextInputWidget, **options)


def _choice(codes: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=[(code, code) for code in sorted(codes)], widget=UnfoldAdminSelectWidget
    )


def _secret(label: str) -> forms.CharField:
    # Typed anew each time: what was typed wrongly does not come back in the page either.
    return forms.CharField(
        label=label,
        max_length=200,
        widget=UnfoldAdminPasswordWidget(
            render_value=False, attrs={"autocomplete": "new-password"}
        ),
    )


class ReasonForm(forms.Form):
    """Why, for whoever comes after."""

    reason = _text(200, label="Why?")


class KeysForm(forms.Form):
    """How an account is reached. docs/momo.md says where each of these is found."""

    base_url = _text(200, help_text="The operator's platform, such as https://…")
    target_environment = _text(40, help_text="Such as mtncameroon")
    api_user = _text(100, label="API user")
    api_key = _secret("API key")
    subscription_key = _secret("Subscription key")
    user_agent = _text(100, initial=USER_AGENT)


class ConnectForm(KeysForm):
    """The same, and what kind of account it is for ever."""

    name = _text(40, help_text="Ours for it, such as mtn-cm")
    network = _choice(GATEWAYS.values())
    country = _choice(COUNTRY_CURRENCIES)
    currency = _choice(CURRENCIES)
    callback_url = _text(
        200,
        required=False,
        help_text="In front of the secret path, such as https://pay.example.com/momo/callbacks."
        " Empty: it is never asked to call back.",
    )
    livemode = forms.BooleanField(
        label="Real money", required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )
    field_order = ("name", "network", "country", "currency", "livemode")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if MomoAccount.objects.filter(name=name).exists():
            raise ValidationError("There is an account of this name: give that one new keys.")
        return name

    def clean(self) -> dict[str, Any]:
        """See that the country is paid in the currency."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        country, currency = cleaned.get("country"), cleaned.get("currency")
        if country and currency and currency not in COUNTRY_CURRENCIES[country]:
            raise ValidationError({"currency": f"{country} is not paid in {currency}."})
        return cleaned
