"""What an operator's answer to a look means for a send. No network and no rows here."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from engine.common.units import format_units
from engine.rails.momo.client import OK, Answer
from engine.rails.momo.failures import UNKNOWN, failure_of_reason
from engine.rails.operators import CURRENCIES

if TYPE_CHECKING:
    from engine.rails.models import MomoSend

NOT_FOUND = 404
SERVER_ERROR = 500
PENDING, SUCCESSFUL, FAILED = "PENDING", "SUCCESSFUL", "FAILED"
# What is kept of an answer: the rest is what we sent ourselves.
KEPT = ("status", "reason", "financialTransactionId", "amount", "currency", "externalId")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look found.

    `is_there`: the operator has it. `is_missing`: it says that it has not. Neither: it
    gave no answer worth the name, and nothing changes. `end` is SUCCESSFUL or FAILED when
    that is believed. `needs_person` when what it says cannot be so.
    """

    is_there: bool = False
    is_missing: bool = False
    end: str = ""
    failure_code: str = ""
    is_operators_fault: bool = False
    needs_person: bool = False
    said: dict[str, Any] = field(default_factory=dict)


def body_of(send: MomoSend) -> dict[str, Any]:
    """The JSON of the transfer, the same in every POST."""
    return {
        "amount": format_units(send.units, scale=CURRENCIES[send.currency]),
        "currency": send.currency,
        "externalId": send.external_id,
        "payee": {"partyIdType": "MSISDN", "partyId": send.payee},
        "payerMessage": send.payer_message,
        "payeeNote": send.payee_note,
    }


def judge(send: MomoSend, answer: Answer) -> Verdict:
    """Read the answer to a GET by the send's reference.

    FAILED is final whatever its reason: that the operator says so to a GET by our
    reference is the proof, and the reason only tells whom to tell what. One that we do
    not know is kept as it came, and a person is asked to add it to the table.
    """
    if answer.status == NOT_FOUND:
        # Only the API's own word counts; a gateway says 404 of paths that it has lost.
        return Verdict(is_missing=answer.code == "RESOURCE_NOT_FOUND")
    if answer.status != OK:
        return Verdict()
    said = {key: answer.body[key] for key in KEPT if key in answer.body}
    status = answer.body.get("status")
    strange = _strange(send, answer.body, must_say=status == SUCCESSFUL)
    if strange or status not in {PENDING, SUCCESSFUL, FAILED}:
        return Verdict(is_there=True, needs_person=True, said=said | {"strange": strange})
    if status == PENDING:
        return Verdict(is_there=True, said=said)
    if status == SUCCESSFUL:
        return Verdict(is_there=True, end=SUCCESSFUL, said=said)
    failure = failure_of_reason(answer.body.get("reason"))
    return Verdict(
        is_there=True,
        end=FAILED,
        failure_code=failure.code,
        is_operators_fault=failure.is_operators,
        needs_person=failure is UNKNOWN,
        said=said,
    )


def _strange(send: MomoSend, body: dict[str, Any], *, must_say: bool) -> list[str]:
    """Which parts are not what we sent. Unless it `must_say`, what is left out is none."""
    payee = body.get("payee")
    told = {
        "amount": _units(body.get("amount"), send.currency),
        "currency": body.get("currency"),
        "externalId": body.get("externalId"),
        "payee": _digits(payee.get("partyId")) if isinstance(payee, dict) else None,
    }
    sent = {
        "amount": send.units,
        "currency": send.currency,
        "externalId": send.external_id,
        "payee": send.payee,
    }
    return [
        name
        for name, value in told.items()
        if value != sent[name] and (must_say or body.get(name) is not None)
    ]


def _units(amount: object, currency: str) -> int | None:
    """An amount as the operator writes it, `5000` or `5000.00`, in smallest units."""
    try:
        units = Decimal(str(amount)).scaleb(CURRENCIES[currency])
        return int(units) if units == units.to_integral_value() else None
    except (InvalidOperation, ValueError, OverflowError):
        return None


def _digits(msisdn: object) -> str | None:
    return msisdn.removeprefix("+") if isinstance(msisdn, str) else None
