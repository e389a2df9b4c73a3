"""What Connect's clients may send about webhooks, field by field."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from connect.serializers import PageQuery
from connect.words import ALL_EVENT_TYPES, EVENT_TYPES
from engine.common.fields import Form, MomentField, NameField, TextField, WordsField
from engine.webhooks.models import URL_LENGTH_MAX, EndpointState


class TypesField(serializers.ListField):
    """Some of the types there are; each counts once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.ChoiceField(choices=EVENT_TYPES), **options)

    def to_internal_value(self, data: Any) -> list[str]:
        return list(dict.fromkeys(super().to_internal_value(data)))


def _url(**options: Any) -> TextField:
    return TextField(
        max_length=URL_LENGTH_MAX,
        help_text="https on a public name, port 443 or from 1024 up.",
        **options,
    )


def _types(**options: Any) -> TypesField:
    return TypesField(
        required=False,
        help_text="Which events it gets; none, or an empty list, means all, also later ones.",
        **options,
    )


def _description() -> NameField:
    return NameField(
        required=False,
        min_length=0,
        allow_blank=True,
        max_length=255,
        help_text="A note to yourself.",
    )


class WebhookEndpointForm(Form):
    url = _url()
    types = _types()
    description = _description()


class WebhookEndpointChangeForm(Form):
    """Only what is sent is changed."""

    url = _url(required=False)
    types = _types()
    description = _description()
    state = serializers.ChoiceField(
        choices=EndpointState.values,
        required=False,
        help_text="enabled sends what waited at once, and forgets earlier failures.",
    )


def _endpoint() -> TextField:
    return TextField(
        required=False, max_length=64, help_text="Only to this one (whe_…); absent: to all."
    )


class ResendForm(Form):
    endpoint = _endpoint()


class ResendRangeForm(Form):
    types = _types()
    endpoint = _endpoint()

    def get_fields(self) -> dict[str, serializers.Field[object, object, object, object]]:
        """All fields; `from` is Python's word, so it is added by hand."""
        return super().get_fields() | {
            "from": MomentField(help_text="Events from then on (inclusive)."),
            "to": MomentField(help_text="Events until then (exclusive)."),
        }


class EventsQuery(PageQuery):
    type = WordsField(
        words=ALL_EVENT_TYPES, required=False, help_text="One or more, with commas."
    )
    subject = TextField(
        required=False, max_length=64, help_text="What it is about, such as pay_…"
    )

    def get_fields(self) -> dict[str, serializers.Field[object, object, object, object]]:
        """All fields, `from` and `to` among them."""
        return super().get_fields() | {
            "from": MomentField(required=False, help_text="From then on (inclusive)."),
            "to": MomentField(required=False, help_text="Until then (exclusive)."),
        }
