"""Who would receive it, before anybody pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.response import Response

from disbursements.base import Endpoint
from disbursements.serializers import LookupQuery
from engine.common.errors import InvalidInput
from engine.rails.momo.recipients import look_up_recipient
from engine.rails.operators import read_number

if TYPE_CHECKING:
    from rest_framework.request import Request


class Lookup(Endpoint):
    """The operator by the number, and what the operator says where it says anything."""

    http_method_names = ("get", "head")

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        query = self.query(LookupQuery)
        number = read_number(query["msisdn"])
        if not number.currencies:
            raise InvalidInput("Numbers of that country are not paid.")
        found = look_up_recipient(
            msisdn=number.e164,
            network=query["gateway"].lower(),
            currency=number.currencies[0],
            livemode=self.merchant.livemode,
        )
        return Response(
            {
                "msisdn": found.msisdn,
                "gateway": query["gateway"],
                "country": found.country,
                "currency": number.currencies[0],
                "operator": found.operator or None,
                "predictedGateway": found.gateway.upper() or None,
                "active": found.is_active,
                "name": found.masked_name or None,
                "operatorStatus": "DOWN" if found.is_operator_down else "UP",
            }
        )
