"""Where users, and a partner's treasury, pay in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.response import Response

from connect import openapi
from connect.answers import address_answer
from connect.base import Endpoint
from connect.errors import AddressNotFound, InvalidAddressId
from connect.serializers import AddressesQuery, AddressForm, NoQuery
from engine.common.ids import parse_public_id
from engine.partners.models import Scope
from engine.partners.services import see_end_user
from engine.payouts.cursors import page, read_cursor
from engine.payouts.reads import Position
from engine.rails.deposits import addresses_told, deposit_address_for
from engine.rails.models import DepositAddress
from engine.rails.networks import asset_named, network_named

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

    from engine.partners.key_cache import Caller

LIST = "addresses"


class Addresses(Endpoint):
    """Make an address, or find the one that was made; list them."""

    scopes = {"POST": Scope.ADDRESSES_WRITE, "GET": Scope.ADDRESSES_READ}
    keyed = frozenset({"POST"})
    is_key_required = True

    @openapi.make_address
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        return self.answer_once(self._make)

    def _make(self) -> dict[str, Any]:
        form, caller = self.read(AddressForm), self.caller
        user = None
        if "external_ref" in form:
            user = see_end_user(
                partner_id=caller.partner_id,
                livemode=caller.livemode,
                external_ref=form["external_ref"],
            )
        address = deposit_address_for(
            partner_id=caller.partner_id,
            livemode=caller.livemode,
            end_user_id=None if user is None else user.pk,
            asset=form["asset"],
            network=form["network"],
            label=form.get("label", ""),
        )
        address.end_user = user
        return address_answer(address)

    @openapi.list_addresses
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        query = self.query(AddressesQuery)
        after = read_cursor(query.get("cursor"), list_name=LIST)
        rows = addresses_of(self.caller)
        if "external_ref" in query:
            rows = rows.filter(end_user__external_ref=query["external_ref"])
        if "asset" in query:
            rows = rows.filter(asset=asset_named(query["asset"]).code)
        if "network" in query:
            rows = rows.filter(network=network_named(query["network"]).code)
        if after is not None:
            rows = rows.filter(pk__lt=after.id)
        limit = query["limit"]
        return Response(
            page(
                list(rows.order_by("-pk")[: limit + 1]),
                limit=limit,
                list_name=LIST,
                place=_place,
                describe=address_answer,
            )
        )


class OneAddress(Endpoint):
    scopes = {"GET": Scope.ADDRESSES_READ}

    @openapi.get_address
    def get(self, request: Request, address_id: str) -> Response:  # noqa: ARG002 - as above
        self.query(NoQuery)
        key = parse_public_id(DepositAddress.prefix, address_id)
        if key is None:
            raise InvalidAddressId
        address = addresses_of(self.caller).filter(pk=key).first()
        if address is None:
            raise AddressNotFound
        return Response(address_answer(address))


def addresses_of(caller: Caller) -> QuerySet[DepositAddress]:
    """The caller's addresses in the caller's mode, with their users."""
    return addresses_told(
        partner_id=caller.partner_id, livemode=caller.livemode
    ).select_related("end_user")


def _place(address: DepositAddress) -> Position:
    # The keys are in the order of time, so the key alone is the place.
    return Position(address.created_at, address.pk)
