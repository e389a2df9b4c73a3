"""Asking for a payment, once, and seeing what became of it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
from django.db.models import Q
from rest_framework.response import Response

from engine.partners.answers import read_key
from engine.payouts.cursors import page, read_cursor
from engine.payouts.reads import Position
from engine.webhooks.services import refuse_url
from payments.base import Endpoint
from payments.describing import describe
from payments.errors import PayinNotSupported
from payments.models import Payment
from payments.redirects import check_redirect
from payments.serializers import NoQuery, PaymentForm, PaymentsQuery
from payments.services import Creation, asked_before, create_payment

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

LIST = "payments"


class Payments(Endpoint):
    """All of a partner's payments in one mode, the newest first."""

    def post(self, request: Request) -> Response:
        self.query(NoQuery)
        body = request.data
        if isinstance(body, dict) and body.get("type", "payin") == "payin":
            raise PayinNotSupported
        wish = self._wish(self.read(PaymentForm))
        if asked_before(wish) is None:
            # Not of what was asked before: a host may have been taken off the list since,
            # and the payment is there all the same.
            self._check_urls(wish)
        payment, is_new = create_payment(wish)
        replayed = {} if is_new else {"Idempotent-Replayed": "true"}
        return Response(describe(payment), status=201 if is_new else 200, headers=replayed)

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        query = self.query(PaymentsQuery)
        rows = list(_wanted(self._mine(), query)[: query["limit"] + 1])
        return Response(
            page(rows, limit=query["limit"], list_name=LIST, place=_place, describe=describe)
        )

    def _mine(self) -> QuerySet[Payment]:
        return Payment.objects.filter(
            partner_id=self.bearer.partner_id, livemode=self.bearer.livemode
        )

    def _wish(self, form: dict[str, Any]) -> Creation:
        """Raises IdempotencyKeyInvalid."""
        customer = form.get("customer", {})
        canonical = orjson.dumps(self.request.data, option=orjson.OPT_SORT_KEYS)
        key = self.request._request.META.get("HTTP_IDEMPOTENCY_KEY")
        return Creation(
            partner_id=self.bearer.partner_id,
            livemode=self.bearer.livemode,
            token_id=self.bearer.token_id,
            amount=form["amount"],
            currency=form["currency"],
            fingerprint=sha256(canonical).digest(),
            key=read_key(key, required=False),
            description=form.get("description", ""),
            external_id=form.get("externalId", ""),
            metadata=form.get("metadata", {}),
            redirect_url=form.get("redirectUrl", ""),
            webhook_url=form.get("webhookUrl", ""),
            customer_id=customer.get("id", ""),
            customer_name=customer.get("name", ""),
        )

    def _check_urls(self, wish: Creation) -> None:
        """Raises RedirectInvalid, EndpointUrlRefused."""
        if wish.redirect_url:
            check_redirect(wish.redirect_url, hosts=self.bearer.redirect_hosts)
        if wish.webhook_url:
            refuse_url(wish.webhook_url)


def _wanted(payments: QuerySet[Payment], query: dict[str, Any]) -> QuerySet[Payment]:
    """Those that a query asks for, behind its cursor. Raises InvalidInput."""
    exact = {"status": "status", "externalId": "external_id"}
    payments = payments.filter(
        **{column: query[name] for name, column in exact.items() if name in query}
    )
    if "from" in query:
        payments = payments.filter(created_at__gte=query["from"])
    if "to" in query:
        payments = payments.filter(created_at__lt=query["to"])
    after = read_cursor(query.get("cursor"), list_name=LIST)
    if after is not None:
        # Said this way round, the first half is a range of the index.
        payments = payments.filter(
            Q(created_at__lt=after.created_at) | Q(id__lt=after.id),
            created_at__lte=after.created_at,
        )
    return payments.order_by("-created_at", "-id")


def _place(payment: Payment) -> Position:
    return Position(payment.created_at, payment.id)
