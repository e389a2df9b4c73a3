"""The admin's forms: a partner's settings, a new key, the end of an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from engine.partners.models import ALL_SCOPES, Partner, Scope
from engine.partners.services import DAY, HOUR
from engine.partners.validation import exact_network, visible_text

if TYPE_CHECKING:
    from datetime import datetime

OLD_KEY_LIVES = {
    0: "It stops now",
    HOUR: "One more hour",
    DAY: "One more day",
    7 * DAY: "Seven more days",
}


class LinesField(forms.Field):
    """A list of words, one to a line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"})

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, list):
            return value
        return list(dict.fromkeys((value or "").split()))

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class PartnerForm(forms.ModelForm):  # type: ignore[type-arg]
    redirect_hosts = LinesField(
        required=False,
        help_text="Where a recipient may be sent back to, one host name a line:"
        " pay.example.com.",
    )
    frame_hosts = LinesField(
        required=False,
        help_text="Which sites may show the tracking page inside theirs, one a line.",
    )

    class Meta:
        model = Partner
        fields = ("name", "is_approved", "redirect_hosts", "frame_hosts", "fee_schedule")


class LocalMoment(forms.DateTimeInput):
    """The browser's own date and time picker: it needs no script."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M")


class MintForm(forms.Form):
    """What a new key is made of."""

    partner = forms.ModelChoiceField(Partner.objects.all(), widget=UnfoldAdminSelectWidget)
    mode = forms.ChoiceField(
        choices=[("test", "Test: simulated money"), ("live", "Live: real money")],
        initial="test",
        widget=UnfoldAdminRadioSelectWidget,
    )
    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Where it will be used, such as “payroll server”.",
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, f"{scope.value}: {scope.label}") for scope in Scope],
        initial=list(ALL_SCOPES),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What it may do. Leave out what its user does not need.",
    )
    cidrs = LinesField(
        label="Networks",
        required=False,
        help_text="It works from these only, one a line, such as 203.0.113.0/24."
        " Empty: from anywhere.",
    )
    expires_at = forms.DateTimeField(
        label="Expires (UTC)",
        required=False,
        widget=LocalMoment,
        help_text="Empty: it lives until it is rotated or revoked.",
    )

    def clean_name(self) -> str:
        name = visible_text(self.cleaned_data["name"])
        if not name:
            raise forms.ValidationError("The name has nothing in it to read.")
        return name

    def clean_cidrs(self) -> list[str]:
        return [exact_network(network) for network in self.cleaned_data["cidrs"]]

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError("That moment has passed.")
        return expires_at


class RotateForm(forms.Form):
    """How long the old key lives beside the new one."""

    old_lives_seconds = forms.TypedChoiceField(
        label="How long does the old key go on working?",
        choices=list(OLD_KEY_LIVES.items()),
        coerce=int,
        initial=DAY,
        widget=UnfoldAdminRadioSelectWidget,
    )


class RevokeForm(forms.Form):
    """Nothing to fill in; that it was sent is the decision."""
