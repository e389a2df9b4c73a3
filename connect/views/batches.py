"""Many payouts in one request: a hundred quotes, one commit, a result for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from connect import openapi
from connect.base import Endpoint
from connect.door import CONNECT
from connect.serializers import BatchForm
from engine.common.api import problem
from engine.partners.models import Scope
from engine.payouts.batches import execute_quotes
from engine.payouts.services import Execution

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.response import Response

    from engine.common.errors import RequestRefused


class PayoutBatches(Endpoint):
    """Each result is what POST /payouts would have answered, had the quotes come in turn."""

    scopes = {"POST": Scope.PAYOUTS_WRITE}
    keyed = frozenset({"POST"})

    @openapi.execute_batch
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        quote_ids = self.read(BatchForm)["quote_ids"]
        return self.answer_once(lambda: self._execute(quote_ids), status=200)

    def _execute(self, quote_ids: list[str]) -> dict[str, Any]:
        results = execute_quotes(
            quote_ids=quote_ids,
            partner_id=self.caller.partner_id,
            livemode=self.caller.livemode,
            door=CONNECT.name,
        )
        return {"results": [self._told(result) for result in results]}

    def _told(self, result: Execution | RequestRefused) -> dict[str, Any]:
        if isinstance(result, Execution):
            return {"status": result.status, "body": orjson.Fragment(result.body)}
        return {
            "status": result.http_status,
            "body": problem(result, self.request._request),
        }
