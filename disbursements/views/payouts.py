"""Quotes and payouts: the part of this door that moves money."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from rest_framework.response import Response

from disbursements.amounts import read_amount, write_amount
from disbursements.base import Endpoint
from disbursements.batches import payouts_of_batch
from disbursements.door import DISBURSEMENTS, describe
from disbursements.errors import FloatTooSmall, NotCancellable, RecipientDiffers
from disbursements.serializers import (
    DisbursementExecuteForm,
    DisbursementQuoteForm,
    DisbursementsQuery,
    NoQuery,
)
from engine.common.ids import parse_public_id
from engine.common.times import format_time
from engine.ledger.errors import InsufficientFunds
from engine.partners.answers import fingerprint, stored
from engine.payouts.errors import PayoutNotFound
from engine.payouts.float_quotes import FloatQuoteRequest, make_float_quote
from engine.payouts.float_reads import FloatFilters, count_float_payouts, float_payout_rows
from engine.payouts.floats import read_float
from engine.payouts.models import Quote
from engine.payouts.quotes import parse_quote_id
from engine.payouts.services import Execution, cancel, execute_quote
from engine.rails.operators import read_msisdn

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class Quotes(Endpoint):
    """A price, promised for a quarter of an hour."""

    http_method_names = ("post",)

    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        form = self.read(DisbursementQuoteForm)
        currency = form["currency"]
        quote = make_float_quote(
            FloatQuoteRequest(
                partner_id=self.merchant.partner_id,
                livemode=self.merchant.livemode,
                door=DISBURSEMENTS.name,
                gateway=form["gateway"].lower(),
                currency=currency,
                units=read_amount(form["amount"], currency=currency),
                recipient=read_msisdn(form["recipient"]["msisdn"], currency=currency),
            )
        )
        return Response(_quote_answer(quote), status=201)


def _quote_answer(quote: Quote) -> dict[str, Any]:
    """Here `total_amount` is what the recipient receives, as published."""

    def amount(units: int) -> str:
        return write_amount(units, currency=quote.asset)

    return {
        "quote_id": quote.public_id,
        "gateway_fee": amount(quote.units_gateway_fee),
        "platform_fee": amount(quote.units_fee - quote.units_gateway_fee),
        "total_amount": amount(quote.units_received),
        "net_to_merchant": amount(-quote.units_sent),
        "expires_at": format_time(quote.expires_at),
    }


class Execute(Endpoint):
    """A quote becomes a payout, once."""

    http_method_names = ("post",)

    def post(self, request: Request) -> Response:
        form = self.read(DisbursementExecuteForm)
        # Keys of ours are shorter than hers may be, and Connect's live beside them.
        key = f"{DISBURSEMENTS.name}:{sha256(form['idempotency_key'].encode()).hexdigest()}"
        digest = fingerprint("execute", DISBURSEMENTS.name, request.data)
        quote = self._quoted(form["quote_id"])
        if quote is not None and quote.destination != form["recipient"]["msisdn"]:
            # A key that was used says so, whatever else is wrong.
            stored(
                partner_id=self.merchant.partner_id,
                livemode=self.merchant.livemode,
                key=key,
                fingerprint=digest,
            )
            raise RecipientDiffers("The recipient is not the one that was quoted.")
        try:
            done = self._execute(form["quote_id"], key, digest)
        except InsufficientFunds:
            if quote is None:
                raise
            raise self._too_small(quote) from None
        return Response(done.body, status=200)

    def _quoted(self, quote_id: str) -> Quote | None:
        """The merchant's quote; None for what is none of hers, which is told later."""
        parsed = parse_quote_id(quote_id)
        if parsed is None:
            return None
        return Quote.objects.filter(
            pk=parsed[0], partner_id=self.merchant.partner_id, door=DISBURSEMENTS.name
        ).first()

    def _execute(self, quote_id: str, key: str, digest: bytes) -> Execution:
        return execute_quote(
            quote_id=quote_id,
            partner_id=self.merchant.partner_id,
            livemode=self.merchant.livemode,
            door=DISBURSEMENTS.name,
            idempotency_key=key,
            fingerprint=digest,
            over_gateways=True,
        )

    def _too_small(self, quote: Quote) -> FloatTooSmall:
        held = read_float(
            partner_id=self.merchant.partner_id,
            livemode=self.merchant.livemode,
            currency=quote.asset,
        )
        return FloatTooSmall(currency=quote.asset, needed=quote.units_sent, held=held.units)


class Payouts(Endpoint):
    """All of the merchant's payouts through this door, the newest first."""

    http_method_names = ("get", "head")

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        query, merchant = self.query(DisbursementsQuery), self.merchant
        word = query.get("status")
        gateway, batch_id = query.get("gateway"), query.get("batch_id")
        filters = FloatFilters(
            partner_id=merchant.partner_id,
            livemode=merchant.livemode,
            door=DISBURSEMENTS.name,
            payout_ids=None
            if batch_id is None
            else payouts_of_batch(merchant.partner_id, batch_id),
            statuses=None
            if word is None
            else [status for status, told in DISBURSEMENTS.words.items() if told == word],
            gateway=None if gateway is None else gateway.lower(),
            since=query.get("startDate"),
            until=query.get("endDate"),
            limit=query["limit"],
            offset=query["offset"],
        )
        rows, has_more = float_payout_rows(filters)
        return Response(
            {
                "payouts": [describe(row) for row in rows],
                "total": count_float_payouts(filters),
                "limit": filters.limit,
                "offset": filters.offset,
                "hasMore": has_more,
            }
        )


class FoundPayout(Endpoint):
    """What is about one payout."""

    def find(self, payout_id: str) -> tuple[UUID, dict[str, Any]]:
        """The merchant's payout of that id, as GET shows it. Raises PayoutNotFound."""
        key, merchant = parse_public_id("pay", payout_id), self.merchant
        if key is not None:
            filters = FloatFilters(
                merchant.partner_id, merchant.livemode, DISBURSEMENTS.name, row_id=key
            )
            for row in float_payout_rows(filters)[0]:
                return key, describe(row)
        raise PayoutNotFound


class OnePayout(FoundPayout):
    """Where a payout is."""

    http_method_names = ("get", "head")

    def get(self, request: Request, payout_id: str) -> Response:  # noqa: ARG002 - as above
        self.query(NoQuery)
        return Response({"payout": self.find(payout_id)[1]})


class Cancel(FoundPayout):
    """Give up what no operator was asked for yet."""

    http_method_names = ("post",)

    def post(self, request: Request, payout_id: str) -> Response:  # noqa: ARG002 - as above
        key, _ = self.find(payout_id)
        if not cancel(key):
            raise NotCancellable("Only a payout that is PENDING can be cancelled.")
        return Response({"payout": self.find(payout_id)[1]})
