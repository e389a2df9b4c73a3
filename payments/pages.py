"""The hosted form: which way, to whom, agree; and what stands there when it is not open.

A look never changes anything, since mail programs and messengers look at every link. Who
posts details gets a price and an address of her own to review it at; who agrees there pays,
once: every other tab is shown what the first one did.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext

from engine.common.errors import AmountInvalid, RateLimited
from engine.partners.validation import visible_text
from engine.payouts import errors
from engine.payouts.links import tracking_token
from engine.rails.places import place_of
from payments import access, closed, reviews
from payments.errors import PaymentNotOpen
from payments.forms import DetailsForm
from payments.methods import keeper_of, method_for, methods_for
from payments.models import FormSession
from payments.opening import is_open
from payments.page_words import amount_of, note_of
from payments.redirects import RedirectInvalid, check_redirect, redirect_with
from payments.services import submit
from payments.sessions import details_of, open_session

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from payments.models import Payment

# How long somebody may go back to what she typed; after that it is nobody's to see.
PREFILL = timedelta(hours=1)


@access.linked("GET", "HEAD")
def choose(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Which way to be paid; or, where that is no longer the question, what has become of it."""
    if not is_open(payment, timezone.now()):
        return _closed(request, payment)
    methods = methods_for(payment)
    if not methods:
        return _stopped(request, payment, closed.no_way(payment))
    if len(methods) == 1:
        return _to(request, "details", payment, method=methods[0].code)
    offered = [
        (method, _address(request, "details", payment, method=method.code))
        for method in methods
    ]
    return _page(
        request, payment, "choose", {"offered": offered, "failure": closed.failure_of(payment)}
    )


@access.linked("GET", "HEAD", "POST")
def details(request: HttpRequest, payment: Payment, method: str) -> HttpResponse:
    """Where the money should go, by one method. A post of good answers makes a price."""
    chosen = method_for(payment, method) if is_open(payment, timezone.now()) else None
    if chosen is None:
        return _to(request, "checkin", payment)
    if request.method != "POST":
        form = DetailsForm(payment, chosen, initial=_typed_before(request, payment, method))
        return _ask(request, payment, form)
    form = DetailsForm(payment, chosen, request.POST)
    if not form.is_valid():
        return _ask(request, payment, form)
    return _promise(request, payment, form)


@access.linked("POST")
def check(request: HttpRequest, payment: Payment, method: str) -> HttpResponse:
    """What is wrong with answers so far, for the page to say while they are typed."""
    chosen = method_for(payment, method) if is_open(payment, timezone.now()) else None
    if chosen is None:
        return JsonResponse({"errors": {}, "fields": {}, "place": ""})
    form = DetailsForm(payment, chosen, request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": dict(form.troubles), "fields": {}, "place": ""})
    payee = form.payee
    place = keeper_of(method, payee.destination) or place_of(payee.network).name
    return JsonResponse({"errors": {}, "fields": form.details, "place": place})


@access.linked("GET", "HEAD", "POST")
def review(request: HttpRequest, payment: Payment, code: str) -> HttpResponse:
    """What arrives, where and when; a post agrees to it, or asks for a new price."""
    session = (
        FormSession.objects.select_related("quote__conversion", "payment")
        .filter(payment=payment, code=code)
        .first()
    )
    if session is None:
        return access.not_found(request)
    if not is_open(payment, timezone.now()):
        return _to(request, "checkin", payment)
    if request.method != "POST":
        return _show_review(request, payment, session)
    if request.POST.get("act") == "renew":
        return _renew(request, payment, session)
    return _agree(request, payment, session)


def _ask(request: HttpRequest, payment: Payment, form: DetailsForm) -> HttpResponse:
    method = form.method
    shown = {
        "form": form,
        "method": method,
        "failure": closed.failure_of(payment),
        "here": _address(request, "details", payment, method=method.code),
        "check_url": _address(request, "check", payment, method=method.code),
        "others": _others(request, payment),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return _page(request, payment, "details", shown, status=status)


def _promise(
    request: HttpRequest,
    payment: Payment,
    form: DetailsForm,
    *,
    query: dict[str, str] | None = None,
) -> HttpResponse:
    """Make the price, and lead to it. What cannot be priced is told beside the form."""
    try:
        access.take_promise(payment.pk)
        session = open_session(payment, form.method.code, form.payee, form.details)
    except RateLimited as refusal:
        return access.too_many(request, refusal.retry_after_seconds)
    except PaymentNotOpen:
        return _to(request, "checkin", payment)
    except (errors.AmountTooSmall, AmountInvalid):
        form.refuse("network", closed.too_small(form.method.code))
        return _ask(request, payment, form)
    except errors.RouteUnavailable:
        form.refuse(
            "", gettext("This cannot be paid just now. Try again later, or choose another way.")
        )
        return _ask(request, payment, form)
    return _to(request, "review", payment, query=query, code=session.code)


def _renew(request: HttpRequest, payment: Payment, session: FormSession) -> HttpResponse:
    """Price the same answers again, to be looked at again: nothing is agreed to by it."""
    method = method_for(payment, session.method)
    if method is None:
        return _to(request, "checkin", payment)
    form = DetailsForm(payment, method, details_of(session))
    if not form.is_valid():
        return _ask(request, payment, form)
    return _promise(request, payment, form, query={"renewed": "1"})


def _agree(request: HttpRequest, payment: Payment, session: FormSession) -> HttpResponse:
    """Pay, once; then to the page where it can be watched, or back to the payer's site."""
    try:
        paid = submit(session.code, payment.pk)
    except PaymentNotOpen:
        return _to(request, "checkin", payment)
    except (errors.QuoteExpired, errors.QuoteAlreadyUsed):
        return _renew(request, payment, session)
    except (
        errors.PayoutsFrozen,
        errors.DestinationBlocked,
        errors.LimitReached,
        errors.RouteUnavailable,
    ) as refusal:
        again = _address(request, "review", payment, code=session.code)
        return _stopped(request, payment, closed.stop_of(payment, refusal), again=again)
    if paid.payout_id is None:
        return _to(request, "checkin", payment)
    return _see_other(_after(request, payment, paid.payout_id))


def _show_review(request: HttpRequest, payment: Payment, session: FormSession) -> HttpResponse:
    back = {"from": session.code}
    shown = {
        "review": reviews.review_page(payment, session, timezone.now()),
        "here": _address(request, "review", payment, code=session.code),
        "change_url": _address(request, "details", payment, query=back, method=session.method),
        "others": _others(request, payment),
        "is_renewed": "renewed" in request.GET,
    }
    response = _page(request, payment, "review", shown)
    host = _return_host(payment)
    return access.may_send_to(response, host) if host else response


def _return_host(payment: Payment) -> str:
    """The host that a recipient goes back to; "" where there is none, or none any more."""
    if not payment.redirect_url:
        return ""
    try:
        return check_redirect(payment.redirect_url, hosts=payment.partner.redirect_hosts)
    except RedirectInvalid:
        return ""


def _after(request: HttpRequest, payment: Payment, payout_id: UUID) -> str:
    """Back to the payer's site, if its host is still registered; else where it arrives."""
    if _return_host(payment):
        return redirect_with(payment.redirect_url, payment_id=payment.public_id)
    return _with_language(request, f"/t/{tracking_token(payout_id)}")


def _closed(request: HttpRequest, payment: Payment) -> HttpResponse:
    """What has become of it, with the way to where it can be watched."""
    said = closed.state_of(payment)
    token = "" if said.payout_id is None else tracking_token(said.payout_id)
    watch_url = _with_language(request, f"/t/{token}") if token else ""
    return _page(request, payment, "closed", {"said": said, "watch_url": watch_url})


def _stopped(
    request: HttpRequest, payment: Payment, said: closed.Said, *, again: str = ""
) -> HttpResponse:
    """Nothing was sent, and this is why; the money stays where it is."""
    shown = {"said": said, "again": again, "others": _others(request, payment)}
    response = _page(request, payment, "closed", shown, status=said.status)
    if said.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = "60"
    return response


def _others(request: HttpRequest, payment: Payment) -> str:
    """Where another way can be chosen; "" where there is only one."""
    return _address(request, "checkin", payment) if len(methods_for(payment)) > 1 else ""


def _typed_before(request: HttpRequest, payment: Payment, method: str) -> dict[str, str]:
    """What was typed for the session named by ?from=, for whoever goes back to mend it.

    Only to the page that has just typed it: an address kept for longer shows nothing.
    """
    session = FormSession.objects.filter(
        payment=payment,
        code=request.GET.get("from", ""),
        method=method,
        used_at=None,
        created_at__gte=timezone.now() - PREFILL,
    ).first()
    return {} if session is None else details_of(session)


def _page(
    request: HttpRequest,
    payment: Payment,
    name: str,
    shown: dict[str, Any],
    *,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    language = translation.get_language()
    told = {
        "payer": visible_text(payment.partner.name),
        "owed": amount_of(payment.units, payment.currency),
        "currency": payment.currency,
        # Without a choice there is no first step.
        "steps": 3 if shown.get("others", "here") else 2,
        "description": visible_text(payment.description),
        "note": note_of(payment),
        "languages": [
            (code, label, code == language, _switch(request, code))
            for code, label in settings.LANGUAGES
        ],
    }
    return render(request, f"payments/{name}.html", told | shown, status=status)


def _switch(request: HttpRequest, language: str) -> str:
    query = request.GET.copy()
    query["lang"] = language
    return f"?{query.urlencode()}"


def _to(request: HttpRequest, name: str, payment: Payment, **named: Any) -> HttpResponse:
    return _see_other(_address(request, name, payment, **named))


def _see_other(url: str) -> HttpResponse:
    return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)


def _address(
    request: HttpRequest,
    name: str,
    payment: Payment,
    *,
    query: dict[str, str] | None = None,
    **named: str,
) -> str:
    """A page of this form's, in the language that was chosen here."""
    path = reverse(f"payments:{name}", kwargs={"payment_id": payment.public_id} | named)
    return _with_language(request, path, query or {})


def _with_language(request: HttpRequest, path: str, query: dict[str, str] | None = None) -> str:
    asked = access.asked_language(request)
    whole = (query or {}) | ({"lang": asked} if asked else {})
    return f"{path}?{urlencode(whole)}" if whole else path
