"""Fields that take what the contract says and nothing that merely resembles it.

DRF's own fields help: they trim strings, turn numbers into strings, read full-width
digits. A payout must mean what was written, so these refuse instead.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from drf_spectacular.drainage import set_override
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from engine.common.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
# RFC 3339. Python's own parser takes more spellings with every version.
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.ASCII,
)
WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z", re.ASCII)


def name_component(serializer: type, name: str) -> None:
    """Name a serializer's schema in the OpenAPI document."""
    set_override(serializer, "component_name", name)


class Form(serializers.Serializer[Any]):
    """A body or a query in which every member is known: a typo never changes a payout."""

    def __init_subclass__(cls, **options: object) -> None:
        """Name the schema after the class: `QuoteForm` documents QuoteRequest."""
        super().__init_subclass__(**options)
        name_component(cls, f"{cls.__name__.removesuffix('Form')}Request")

    def to_internal_value(self, data: Any) -> Any:
        strangers: dict[str, Any] = {}
        if isinstance(data, dict):
            strangers = {
                name: [ErrorDetail("There is no such field.", code="unknown_field")]
                for name in data
                if name not in self.fields
            }
        try:
            known = super().to_internal_value(data)
        except ValidationError as error:
            if not isinstance(error.detail, dict):
                raise
            raise ValidationError({**error.detail, **strangers}) from None
        if strangers:
            raise ValidationError(strangers)
        return known


class TextField(serializers.CharField):
    """A JSON string, taken as it is: neither trimmed nor made out of something else."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **{"min_length": 1, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class NameField(TextField):
    """Text that a partner chose and we show again: without control characters."""

    default_error_messages = {"control_character": "Control characters are not allowed."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
            self.fail("control_character")
        return text


class MomentField(serializers.DateTimeField):
    """An ISO 8601 moment with its offset, or a day, which begins at midnight UTC."""

    default_error_messages = {
        "invalid": "Write a moment such as 2026-01-31T12:00:00Z, or a day: 2026-01-31."
    }

    def to_internal_value(self, value: Any) -> datetime:
        text = f"{value}T00:00:00Z" if DAY.match(str(value)) else str(value)
        if MOMENT.match(text) is None:
            self.fail("invalid")
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            # There is no such day, or it begins before the calendar does.
            self.fail("invalid")

    def to_representation(self, value: Any) -> str:
        return format_time(value)


class LimitField(serializers.IntegerField):
    """How many rows a page may have: ASCII digits only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": 200, "default": 50, **options})

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or WHOLE_NUMBER.match(data) is None:
            self.fail("invalid")
        return int(data)


class WordsField(serializers.CharField):
    """Words out of a list, separated by commas, such as ``deposit,payout``."""

    default_error_messages = {"unknown_word": "Choose among {words}, separated by commas."}

    def __init__(self, *, words: Iterable[str], **options: Any) -> None:
        self.words = tuple(words)
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> Any:
        chosen = super().to_internal_value(data).split(",")
        if not set(chosen) <= set(self.words):
            self.fail("unknown_word", words=", ".join(self.words))
        return chosen


def query_errors(detail: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is wrong with a query string: ``{"parameter", "code", "message"}``, each."""
    return list(_query_errors(detail))


def _query_errors(detail: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for name, mistakes in detail.items():
        for mistake in mistakes:
            yield {"parameter": name, "code": mistake.code, "message": str(mistake)}
