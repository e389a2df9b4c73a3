"""What may be in a body or a query: every member known, nothing that merely resembles it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from rest_framework import serializers

from engine.common.fields import Form, LimitField, MomentField, TextField
from engine.partners.validation import BLANK_LETTERS, INVISIBLE_CATEGORIES
from payments.models import PaymentStatus
from payments.redirects import URL_LENGTH_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT_LENGTH_MAX = 255
METADATA_BYTES_MAX = 4096
# Up to here every whole number is a double of its own.
EXACT_MAX = 2**53
METADATA_WORDS: Mapping[str, Any] = {
    "not_an_object": "Metadata is a JSON object.",
    "array": "At its root metadata has no arrays.",
    "null": "At its root metadata has no nulls.",
    "too_large": f"Metadata may have at most {METADATA_BYTES_MAX} bytes when serialised.",
    "number": "A number in metadata is larger than JSON readers agree on: send a text.",
}
ANSWERS_MAX = 20


class PlainTextField(TextField):
    """Text that people are shown: nothing in it that cannot be seen.

    Bidi controls turn a text around, zero-width ones make two look the same.
    """

    default_error_messages = {
        "invisible": "There is a character in it that cannot be seen ({name}). Leave it out."
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": TEXT_LENGTH_MAX, **options})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        for character in text:
            if (
                unicodedata.category(character) in INVISIBLE_CATEGORIES
                or character in BLANK_LETTERS
            ):
                self.fail("invisible", name=f"U+{ord(character):04X}")
        return text


class MetadataField(serializers.Field[Any, Any, Any, Any]):
    """Whatever the partner wants back with the payment, within bounds."""

    default_error_messages = dict(METADATA_WORDS)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_an_object")
        for member in data.values():
            if isinstance(member, list):
                self.fail("array")
            if member is None:
                self.fail("null")
        if not all(abs(number) <= EXACT_MAX for number in _floats(data)):
            # Python reads 1e999 as infinity; PostgreSQL writes 1e300 with 300 zeros.
            self.fail("number")
        if len(orjson.dumps(data)) > METADATA_BYTES_MAX:
            self.fail("too_large")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _floats(inner)


class CustomerForm(Form):
    id = PlainTextField(required=False)
    name = PlainTextField(required=False)


class PaymentForm(Form):
    """POST /api/payments. `type` was looked at before."""

    type = serializers.ChoiceField(["payout"])
    amount = TextField(max_length=64)
    currency = serializers.RegexField(
        r"^[A-Z]{3}\Z",
        trim_whitespace=False,
        error_messages={"invalid": "Three capital letters (ISO 4217), such as EUR."},
    )
    description = PlainTextField(required=False)
    externalId = PlainTextField(required=False)  # noqa: N815 - the published name
    metadata = MetadataField(required=False)
    redirectUrl = TextField(required=False, max_length=URL_LENGTH_MAX)  # noqa: N815 - as above
    webhookUrl = TextField(required=False, max_length=URL_LENGTH_MAX)  # noqa: N815 - as above
    customer = CustomerForm(required=False)


class AnswersField(serializers.Field[Any, Any, Any, Any]):
    """The fields of a view, filled in: texts by their names."""

    default_error_messages = {
        "invalid": "The answers are an object of texts, one for each field of the view."
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if (
            not isinstance(data, dict)
            or len(data) > ANSWERS_MAX
            or not all(isinstance(text, str) for text in data.values())
        ):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class StateForm(Form):
    """POST /api/payments/{id}: which view was answered, and how. Nothing of it: a look."""

    view = TextField(max_length=40, required=False)
    fields_ = AnswersField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """All fields; `fields` is a name that serializers keep for themselves."""
        named = super().get_fields()
        named["fields"] = named.pop("fields_")
        return named


class LanguageQuery(Form):
    lang = serializers.ChoiceField([code for code, _ in settings.LANGUAGES], required=False)


class ViewsQuery(LanguageQuery):
    type = serializers.ChoiceField(["payout"])
    currency = serializers.RegexField(r"^[A-Z]{3}\Z", trim_whitespace=False, required=False)


class PaymentsQuery(Form):
    """A page of payments. `from` is Python's word, so it is added by hand."""

    status = serializers.ChoiceField(PaymentStatus.values, required=False)
    externalId = TextField(max_length=TEXT_LENGTH_MAX, required=False)  # noqa: N815 - as above
    cursor = TextField(max_length=200, required=False)
    limit = LimitField()

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {
            "from": MomentField(required=False),
            "to": MomentField(required=False),
        }


class NoQuery(Form):
    """Nothing may be asked."""
