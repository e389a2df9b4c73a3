"""The details of a method as a form: drawn field by field, judged by `read_details` alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms

from payments.fields import CHOICE, DetailsInvalid, Field
from payments.methods import read_details, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from payments.fields import Method
    from payments.models import Payment
    from payments.payees import Payee

# A list of many short names folds into one line; a few that differ in price stand open;
# what is known without asking stays out of sight until somebody wants it otherwise.
LIST, CARDS, FOLDED, LINE = "list", "cards", "folded", "line"
LAYOUTS = {"country": LIST, "network": CARDS, "gateway": FOLDED}


@dataclass(frozen=True, slots=True)
class Question:
    """One field as the page draws it: what stands in it, and what is wrong with that."""

    field: Field
    value: str
    trouble: str

    @property
    def layout(self) -> str:
        return LAYOUTS.get(self.field.name, LINE)

    @property
    def described_by(self) -> str:
        """The ids that tell more: the hint, and the line for what is wrong."""
        name = self.field.name
        hint = [f"hint-{name}"] if self.field.hint else []
        return " ".join([*hint, f"wrong-{name}"])


class DetailsForm(forms.Form):
    """Answers to the questions of one method. `payee` is who is to be paid, once valid."""

    payee: Payee

    def __init__(
        self, payment: Payment, method: Method, answers: Any = None, **named: Any
    ) -> None:
        super().__init__(answers, **named)
        self.payment, self.method = payment, method
        for field in method.fields:
            # Emptiness, length and choice are `read_details`' to judge, in better words.
            self.fields[field.name] = forms.Field(required=False, label=field.label)

    def clean(self) -> dict[str, Any]:
        """Read the answers. What is wrong with the method as a whole is told of no field."""
        answers = {
            field.name: str(self.data.get(field.name, "")) for field in self.method.fields
        }
        try:
            self.payee = read_details(self.payment, self.method.code, answers)
        except DetailsInvalid as refusal:
            for name, words in refusal.errors.items():
                self.refuse(name, words)
        return self.cleaned_data

    def refuse(self, name: str, words: str) -> None:
        """Put `words` beside the field called `name`, or above all where there is none."""
        self.add_error(name if name in self.fields else None, words)

    @property
    def details(self) -> dict[str, str]:
        """What was read, as it is written back: spaces in a number, groups in an IBAN."""
        return written(self.payee, self.method.code)

    @property
    def questions(self) -> Iterator[Question]:
        for field in self.method.fields:
            if field.kind == CHOICE and field.is_required is False and field.default:
                # There is only one answer, and it is taken without asking.
                continue
            errors = self.errors.get(field.name) or [""] if self.is_bound else [""]
            yield Question(field, self._standing(field), str(errors[0]))

    @property
    def troubles(self) -> list[tuple[str, str]]:
        """Each field that is wrong and why, in order; "" for the name of none."""
        if not self.is_bound:
            return []
        of_fields = [(one.field.name, one.trouble) for one in self.questions if one.trouble]
        return [("", str(words)) for words in self.non_field_errors()] + of_fields

    def _standing(self, field: Field) -> str:
        source: Mapping[str, Any] = self.data if self.is_bound else self.initial
        value = source.get(field.name)
        return field.default if value is None else str(value)[: field.length_max]
