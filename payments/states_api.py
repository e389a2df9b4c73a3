"""A form of the partner's own: the same questions as data, and answers one view at a time.

    method ──► mobile_money | bank_transfer | stablecoin ──► review ──► result

A state is `{"view", "fields"}`. Sent to a payment it is answered by the state that follows;
sent without a view it is answered by where the payment stands, and nothing changes. Only
the review moves money: its `session` names the promise that was shown, and is good once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.common.errors import AmountInvalid, InvalidInput
from engine.common.times import format_time, now_in_books
from engine.common.units import format_units
from engine.payouts.errors import AmountTooSmall
from engine.payouts.links import tracking_url
from engine.rails.places import mask
from engine.rails.scales import CURRENCIES, scale_of
from payments import access, closed
from payments.amounts import write_amount
from payments.errors import AnswersInvalid, PaymentNotOpen
from payments.fields import CHOICE, DetailsInvalid
from payments.methods import method_for, methods_for, read_details, written
from payments.models import FormSession, Payment
from payments.opening import is_open
from payments.page_words import masked_name
from payments.services import submit
from payments.sessions import open_session, review_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from payments.fields import Field, Method

METHOD, REVIEW, RESULT = "method", "review", "result"
SESSION = "session"


def views_document(*, livemode: bool, currency: str | None) -> dict[str, Any]:
    """Every view there is; with `currency` only what pays that, exactly as it is asked.

    Without one, a method that pays several currencies offers the choices of all of them.
    """
    currencies = [currency] if currency is not None else sorted(CURRENCIES)
    methods: dict[str, dict[str, Any]] = {}
    views: dict[str, dict[str, Any]] = {}
    for code in currencies:
        for method in methods_for(Payment(currency=code, livemode=livemode)):
            told = methods.setdefault(
                method.code,
                {
                    "id": method.code,
                    "title": method.title,
                    "description": method.description,
                    "currencies": [],
                },
            )
            told["currencies"].append(code)
            view = _view(method.code, method.question, [METHOD], method.fields)
            _join(views.setdefault(method.code, view), view)
    chosen = {
        "name": METHOD,
        "label": "method",
        "kind": CHOICE,
        "required": True,
        "choices": [{"value": told["id"], "label": told["title"]} for told in methods.values()],
    }
    session = {"name": SESSION, "label": SESSION, "kind": "hidden", "required": True}
    return {
        "type": "payout",
        "methods": list(methods.values()),
        "views": [
            _view(METHOD, "How to be paid.", [], ()) | {"fields": [chosen]},
            *views.values(),
            _view(REVIEW, "What arrives, where and when: to be agreed to.", list(methods), ())
            | {"fields": [session]},
            _view(RESULT, "What has become of it.", [REVIEW], ()),
        ],
    }


def _view(
    name: str, description: str, previous: list[str], fields: Iterable[Field]
) -> dict[str, Any]:
    return {
        "id": name,
        "description": description,
        "previousViews": previous,
        "fields": [_field(field) for field in fields],
    }


def _field(field: Field) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": field.name,
        "label": field.label,
        "hint": field.hint,
        "kind": field.kind,
        "required": field.is_required,
        "default": field.default,
        "maxLength": field.length_max,
        "inputmode": field.inputmode,
        "autocomplete": field.autocomplete,
    }
    if field.kind == CHOICE:
        told["choices"] = [
            {"value": choice.value, "label": choice.label, "note": choice.note}
            for choice in field.choices
        ]
    return told


def _join(view: dict[str, Any], other: dict[str, Any]) -> None:
    """Add the choices that `other` has and `view` has not."""
    for field, more in zip(view["fields"], other["fields"], strict=True):
        known = {choice["value"] for choice in field.get("choices", ())}
        for choice in more.get("choices", ()):
            if choice["value"] not in known:
                field["choices"].append(choice)


def follow(payment: Payment, view: str | None, answers: Mapping[str, str]) -> dict[str, Any]:
    """The state that follows when `view` was answered by `answers`.

    Raises AnswersInvalid, PaymentNotOpen, RateLimited, InvalidInput for a view that there
    is not, and what `open_session` and `submit` raise. Nothing has moved then.
    """
    if view is None:
        return standing(payment)
    if view == REVIEW:
        return _agree(payment, _only(answers, {SESSION}).get(SESSION, ""))
    if view == METHOD:
        code = _only(answers, {METHOD}).get(METHOD, "")
        return _begin(payment, _offered(payment, code))
    return _promise(payment, _offered(payment, view, is_view=True), answers)


def standing(payment: Payment) -> dict[str, Any]:
    """Where the payment stands: a look."""
    if not is_open(payment, now_in_books()):
        return _result(payment)
    state: dict[str, Any] = {
        "view": METHOD,
        "previousViews": [],
        "fields": {},
        "methods": [method.code for method in methods_for(payment)],
    }
    failure = closed.failure_of(payment)
    if failure is not None:
        state["lastTry"] = {"destination": failure.where, "message": failure.reason}
    return state


def _begin(payment: Payment, method: Method) -> dict[str, Any]:
    if not is_open(payment, now_in_books()):
        raise PaymentNotOpen
    return {"view": method.code, "previousViews": [METHOD], "fields": {}}


def _promise(payment: Payment, method: Method, answers: Mapping[str, str]) -> dict[str, Any]:
    """Read the details and promise a price for them."""
    _only(answers, {field.name for field in method.fields})
    if not is_open(payment, now_in_books()):
        raise PaymentNotOpen
    try:
        payee = read_details(payment, method.code, answers)
    except DetailsInvalid as refusal:
        raise _refused(refusal.errors) from None
    access.take_promise(payment.pk)
    try:
        session = open_session(payment, method.code, payee, written(payee, method.code))
    except (AmountTooSmall, AmountInvalid):
        raise _refused({METHOD: closed.too_small(method.code)}) from None
    return {
        "view": REVIEW,
        "previousViews": [method.code, METHOD],
        "fields": {SESSION: session.code},
        "review": _review(session),
    }


def _review(session: FormSession) -> dict[str, Any]:
    """What is agreed to. Whose account it is stays masked, as on our own pages."""
    review = review_of(session)
    told: dict[str, Any] = {
        "arrives": _amount(review.arrives_units, review.arrives_asset),
        "fee": _amount(review.fee_units, review.fee_asset),
        "pays": {
            "amount": write_amount(review.pays_units, currency=review.pays_currency),
            "currency": review.pays_currency,
        },
        "network": review.network,
        "destination": mask(review.destination, network=review.network),
        "estimatedSeconds": review.seconds,
        "expiresAt": format_time(review.expires_at),
    }
    if review.holder:
        told["holder"] = masked_name(review.holder)
    if review.rate is not None:
        told["rate"] = {
            "text": review.rate.text,
            "source": review.rate.source,
            "asOf": format_time(review.rate.as_of),
        }
    return told


def _amount(units: int, asset: str) -> dict[str, str]:
    if asset in CURRENCIES:
        return {"amount": write_amount(units, currency=asset), "currency": asset}
    return {"amount": format_units(units, scale=scale_of(asset)), "asset": asset}


def _agree(payment: Payment, code: str) -> dict[str, Any]:
    """Pay as the session says, once; who agrees to it again is shown what that has led to."""
    session = FormSession.objects.filter(payment=payment, code=code).first()
    if session is None:
        raise InvalidInput(
            "There is no such session of this payment.",
            errors=[
                {
                    "pointer": f"/fields/{SESSION}",
                    "code": "unknown_session",
                    "message": "Send the session of the review that was agreed to.",
                }
            ],
        )
    try:
        return _result(submit(session.code, payment.pk))
    except PaymentNotOpen:
        payment.refresh_from_db()
        if session.quote.payout_id is None or session.quote.payout_id != payment.payout_id:
            raise
        return _result(payment)


def _result(payment: Payment) -> dict[str, Any]:
    state: dict[str, Any] = {"view": RESULT, "previousViews": [REVIEW], "fields": {}}
    if payment.payout_id is not None:
        state["trackingUrl"] = tracking_url(payment.payout_id)
    return state


def _offered(payment: Payment, code: str, *, is_view: bool = False) -> Method:
    method = method_for(payment, code)
    if method is not None:
        return method
    offered = ", ".join(one.code for one in methods_for(payment)) or "none"
    at = "/view" if is_view else f"/fields/{METHOD}"
    raise _refused({"": f"There is no such way to be paid now. There are: {offered}."}, at=at)


def _only(answers: Mapping[str, str], names: set[str]) -> Mapping[str, str]:
    """The answers, where every one is of a field that the view has. Raises InvalidInput."""
    strangers = sorted(set(answers) - names)
    if strangers:
        raise InvalidInput(
            "The view has no such field; `errors` says which.",
            errors=[
                {
                    "pointer": f"/fields/{name}",
                    "code": "unknown_field",
                    "message": "There is no such field.",
                }
                for name in strangers
            ],
        )
    return answers


def _refused(errors: Mapping[str, str], *, at: str = "/fields") -> AnswersInvalid:
    return AnswersInvalid(
        "Nobody can be paid by these answers; `errors` says what is wrong.",
        errors=[
            {
                "pointer": f"{at}/{name}" if name else at,
                "code": "invalid",
                "message": words,
            }
            for name, words in errors.items()
        ],
    )
