"""What a way of being paid asks for: questions, and sentences for answers that will not do.

Whoever asks them, our own form or a partner's, gets the same ones.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.common.errors import ZopayError
from engine.partners.validation import visible_text

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT, CHOICE = "text", "choice"
ANSWER_LENGTH_MAX = 140
_SEPARATORS = re.compile(r"[\s.\-\u2010-\u2015\u2212/()·]")


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of several; `note` says more about it, such as what it costs."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One question. `kind` is text or choice; `default` is what stands there at first."""

    name: str
    label: str
    hint: str = ""
    kind: str = TEXT
    choices: tuple[Choice, ...] = ()
    default: str = ""
    is_required: bool = True
    length_max: int = ANSWER_LENGTH_MAX
    # How a telephone helps: which keys to show, and what it knows about its owner.
    inputmode: str = "text"
    autocomplete: str = "off"


@dataclass(frozen=True, slots=True)
class Method:
    """A way of being paid that could pay right now."""

    code: str
    title: str
    description: str
    question: str
    fields: tuple[Field, ...]


class DetailsInvalid(ZopayError):
    """The answers cannot be paid to. `errors` has a sentence for each field that is wrong."""

    code = "details_invalid"

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


def answer(raw: Mapping[str, str], name: str) -> str:
    """What was answered, in plain characters and without what nobody sees."""
    given = raw.get(name, "")[: ANSWER_LENGTH_MAX + 1]
    return visible_text(unicodedata.normalize("NFKC", given))


def closed_up(text: str) -> str:
    """Without the spaces, dots, dashes, slashes and brackets that people write in numbers."""
    return _SEPARATORS.sub("", text)


def in_words(names: tuple[str, ...] | list[str], *, last: str) -> str:
    """``A, B or C``, with `last` for the word before the last one."""
    *before, end = names
    return f"{', '.join(before)} {last} {end}" if before else end
