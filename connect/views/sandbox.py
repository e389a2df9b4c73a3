"""Test keys only: money from nowhere, and a payout that waits for a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect import openapi
from connect.answers import SANDBOX_REFERENCE, transaction_answer
from connect.base import Endpoint
from connect.door import describe
from connect.serializers import NothingForm, SandboxDepositForm
from connect.views.balances import find_transaction
from connect.views.payouts import find_payout
from engine.common.errors import NotFound
from engine.common.ids import new_id
from engine.common.units import parse_amount
from engine.partners.models import Scope
from engine.partners.services import see_end_user
from engine.payouts.errors import NothingToAdvance
from engine.payouts.funds import credit_deposit
from engine.rails import simulated
from engine.rails.errors import AssetNotOnNetwork
from engine.rails.networks import asset_named, network_named, networks_of

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.response import Response


class Sandbox(Endpoint):
    """Does not exist for live keys."""

    scopes = {"POST": Scope.PAYOUTS_WRITE}
    keyed = frozenset({"POST"})

    def admit(self, method: str) -> None:
        """Answer a live key as any unknown address does. Raises NotFound."""
        if self.caller.livemode:
            raise NotFound("There is nothing at this address.")
        super().admit(method)


class SandboxDeposits(Sandbox):
    @openapi.sandbox_deposit
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        return self.answer_once(self._deposit)

    def _deposit(self) -> dict[str, Any]:
        form, caller = self.read(SandboxDepositForm), self.caller
        asset, network = asset_named(form["asset"]), network_named(form["network"])
        if network.code not in asset.networks:
            raise AssetNotOnNetwork(
                asset=asset.code,
                network=network.name,
                networks=[living.code for living in networks_of(asset)],
            )
        units = parse_amount(form["amount"], scale=asset.scale)
        user = see_end_user(
            partner_id=caller.partner_id, livemode=False, external_ref=form["external_ref"]
        )
        deposit, _ = credit_deposit(
            partner_id=caller.partner_id,
            livemode=False,
            end_user_id=user.pk,
            asset=asset.code,
            network=network.code,
            units=units,
            reference=f"{SANDBOX_REFERENCE}:{new_id().hex}",
        )
        return transaction_answer(find_transaction(caller, deposit.public_id))


class SandboxAdvance(Sandbox):
    @openapi.sandbox_advance
    def post(self, request: Request, payout_id: str) -> Response:  # noqa: ARG002 - as above
        return self.answer_once(lambda: self._advance(payout_id), status=200)

    def _advance(self, payout_id: str) -> dict[str, Any]:
        self.read(NothingForm)
        payout = find_payout(self.caller, payout_id)
        if simulated.advance(payout.id) == 0:
            raise NothingToAdvance
        return describe(payout)
