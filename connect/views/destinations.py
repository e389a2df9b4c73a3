"""Before paying: which networks there are, and is this address the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.response import Response

from connect import openapi
from connect.answers import networks_answer
from connect.base import Endpoint
from connect.checks import check_destination
from connect.serializers import CheckForm, NoQuery
from engine.partners.models import Scope
from engine.payouts.pricing import price_book
from engine.payouts.reads import destinations_paid, is_blocked
from engine.rails.networks import asset_named

if TYPE_CHECKING:
    from rest_framework.request import Request


class Networks(Endpoint):
    """Any key may ask: this is the same for everybody."""

    @openapi.networks
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        self.query(NoQuery)
        return Response(networks_answer(price_book()))


class DestinationCheck(Endpoint):
    """A traffic light for an address. It writes nothing."""

    scopes = {"POST": Scope.PAYOUTS_READ}

    @openapi.check_destination
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        form, caller = self.read(CheckForm), self.caller
        asset = asset_named(form["asset"])
        paid_before: list[str] = []
        if "external_ref" in form:
            paid_before = destinations_paid(
                partner_id=caller.partner_id,
                livemode=caller.livemode,
                external_ref=form["external_ref"],
            )
        return Response(
            check_destination(
                destination=form["destination"],
                asset=asset,
                hint=form.get("network_hint"),
                open_networks=price_book().networks,
                paid_before=paid_before,
                is_blocked=is_blocked,
            )
        )
