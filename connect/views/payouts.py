"""Quotes and payouts: the part of Connect that moves money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.response import Response

from connect import openapi
from connect.answers import quote_answer
from connect.base import Endpoint, replay
from connect.door import CONNECT, describe
from connect.serializers import ExecuteForm, NoQuery, PayoutsQuery, QuoteForm
from connect.words import payout_states
from engine.common.errors import RequestRefused
from engine.common.ids import parse_public_id
from engine.common.units import parse_amount
from engine.partners.answers import fingerprint
from engine.partners.models import Scope
from engine.payouts.cursors import page, read_cursor
from engine.payouts.errors import PayoutNotFound
from engine.payouts.quotes import QuoteRequest, make_quote
from engine.payouts.reads import Filters, PayoutRow, Position, payout_rows
from engine.payouts.services import execute_quote
from engine.rails.addresses import pick_network, read_address
from engine.rails.networks import asset_named

if TYPE_CHECKING:
    from rest_framework.request import Request

    from engine.partners.key_cache import Caller

LIST = "payouts"


class Quotes(Endpoint):
    """A price, promised for a minute."""

    scopes = {"POST": Scope.PAYOUTS_WRITE}
    keyed = frozenset({"POST"})
    is_key_required = True

    @openapi.quote
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        return self.answer_once(self._quote)

    def _quote(self) -> dict[str, Any]:
        form, caller = self.read(QuoteForm), self.caller
        asset = asset_named(form["asset"])
        units = parse_amount(form["amount"], scale=asset.scale)
        address = read_address(form["destination"])
        network = pick_network(address=address, asset=asset, hint=form.get("network_hint"))
        quote, route = make_quote(
            QuoteRequest(
                partner_id=caller.partner_id,
                livemode=caller.livemode,
                fee_schedule_id=caller.fee_schedule_id,
                door=CONNECT.name,
                external_ref=form["external_ref"],
                asset=asset,
                units=units,
                destination=address.canonical,
                to_network=network.code,
                reachable=tuple(code for code in address.networks if code in asset.networks),
                # The meaning of the request, not its spelling: "usdt" asks for the same.
                digest=fingerprint(
                    "quote",
                    CONNECT.name,
                    [
                        form["external_ref"],
                        asset.code,
                        str(units),
                        address.canonical,
                        network.code,
                    ],
                ),
            )
        )
        return quote_answer(quote, route)


class Payouts(Endpoint):
    """Execute a quote, and list what came of those before it."""

    scopes = {"POST": Scope.PAYOUTS_WRITE, "GET": Scope.PAYOUTS_READ}
    keyed = frozenset({"POST"})

    @openapi.execute
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        form, caller = self.read(ExecuteForm), self.caller
        digest = b"" if self.key is None else self.fingerprint()
        try:
            execution = execute_quote(
                quote_id=form["quote_id"],
                partner_id=caller.partner_id,
                livemode=caller.livemode,
                idempotency_key=self.key,
                fingerprint=digest,
                door=CONNECT.name,
            )
        except RequestRefused as refusal:
            return self.refuse(refusal)
        if not execution.is_replay:
            return Response(execution.body, status=execution.status)
        if self.key is not None and not caller.livemode:
            # Test mode gives a used quote's first answer to any key; from now on it is
            # this key's answer too.
            self.keep(execution.status, execution.body)
        return replay(execution.status, execution.body)

    @openapi.list_payouts
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        query = self.query(PayoutsQuery)
        rows = payout_rows(
            filters_of(query, self.caller, list_name=LIST),
            door=CONNECT.name,
            statuses=payout_states(query["status"]) if "status" in query else None,
        )
        return Response(
            page(rows, limit=query["limit"], list_name=LIST, place=_place, describe=describe)
        )


class OnePayout(Endpoint):
    """Where a payout is, and every step it took."""

    scopes = {"GET": Scope.PAYOUTS_READ}

    @openapi.get_payout
    def get(self, request: Request, payout_id: str) -> Response:  # noqa: ARG002 - as above
        self.query(NoQuery)
        return Response(describe(find_payout(self.caller, payout_id)))


def find_payout(caller: Caller, public_id: str) -> PayoutRow:
    """The caller's payout of that id.

    Raises PayoutNotFound, the same for another's, the other mode's, and no id at all.
    """
    key = parse_public_id("pay", public_id)
    if key is not None:
        own = Filters(partner_id=caller.partner_id, livemode=caller.livemode, limit=1)
        for row in payout_rows(own, door=CONNECT.name, row_id=key):
            return row
    raise PayoutNotFound


def filters_of(query: dict[str, Any], caller: Caller, *, list_name: str) -> Filters:
    """What a list's query asks for, and one row more, which says whether there is one."""
    return Filters(
        partner_id=caller.partner_id,
        livemode=caller.livemode,
        external_ref=query.get("external_ref"),
        since=query.get("from"),
        until=query.get("to"),
        after=read_cursor(query.get("cursor"), list_name=list_name),
        limit=query["limit"] + 1,
    )


def _place(row: PayoutRow) -> Position:
    return Position(row.created_at, row.id)
