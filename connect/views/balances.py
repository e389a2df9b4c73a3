"""What users hold, and what came in and went out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone
from rest_framework.response import Response

from connect import openapi
from connect.answers import balances_answer, transaction_answer
from connect.base import Endpoint
from connect.door import CONNECT
from connect.errors import TransactionNotFound
from connect.serializers import BalancesQuery, ExternalRef, NoQuery, TransactionsQuery
from connect.views.payouts import filters_of
from connect.words import TRANSACTION_TYPES, TRANSACTION_WORDS, activity_states
from engine.common.ids import parse_public_id
from engine.partners.models import Scope
from engine.partners.services import see_end_user
from engine.payouts.cursors import page
from engine.payouts.pricing import price_book
from engine.payouts.reads import (
    ActivityRow,
    Filters,
    Position,
    activity,
    balance_rows,
)

if TYPE_CHECKING:
    from rest_framework.request import Request

    from engine.partners.key_cache import Caller

LIST = "transactions"
PREFIXES = {"deposit": "dep", "payout": "pay"}


class Balances(Endpoint):
    """One user's funds by query, or all users' together."""

    scopes = {"GET": Scope.BALANCES_READ}

    @openapi.balances
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        return read_balances(self.caller, self.query(BalancesQuery).get("external_ref"))


class BalancesOfUser(Endpoint):
    """One user's funds by path."""

    scopes = {"GET": Scope.BALANCES_READ}

    @openapi.balances_of_user
    def get(self, request: Request, external_ref: str) -> Response:  # noqa: ARG002 - as above
        self.query(NoQuery)
        path = ExternalRef(data={"external_ref": external_ref})
        path.is_valid(raise_exception=True)
        return read_balances(self.caller, path.validated_data["external_ref"])


def read_balances(caller: Caller, external_ref: str | None) -> Response:
    """The answer for one user, who is made on first sight, or for all of them."""
    partner_id, livemode = caller.partner_id, caller.livemode
    user_id = None
    if external_ref is not None:
        user_id = see_end_user(
            partner_id=partner_id, livemode=livemode, external_ref=external_ref
        ).pk
    rows = balance_rows(partner_id=partner_id, livemode=livemode, end_user_id=user_id)
    return Response(
        balances_answer(rows, price_book(), at=timezone.now(), external_ref=external_ref)
    )


class Transactions(Endpoint):
    """Deposits and payouts in one list."""

    scopes = {"GET": Scope.TRANSACTIONS_READ}

    @openapi.list_transactions
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        query = self.query(TransactionsQuery)
        deposits, payouts = activity_states(
            types=query.get("type", TRANSACTION_TYPES),
            words=query.get("status", TRANSACTION_WORDS),
        )
        rows = activity(
            filters_of(query, self.caller, list_name=LIST),
            door=CONNECT.name,
            deposit_statuses=deposits,
            payout_statuses=payouts,
        )
        return Response(
            page(
                rows,
                limit=query["limit"],
                list_name=LIST,
                place=_place,
                describe=transaction_answer,
            )
        )


class OneTransaction(Endpoint):
    scopes = {"GET": Scope.TRANSACTIONS_READ}

    @openapi.get_transaction
    def get(self, request: Request, transaction_id: str) -> Response:  # noqa: ARG002 - as above
        self.query(NoQuery)
        return Response(transaction_answer(find_transaction(self.caller, transaction_id)))


def find_transaction(caller: Caller, public_id: str) -> ActivityRow:
    """The caller's deposit or payout of that id. Raises TransactionNotFound."""
    own = Filters(partner_id=caller.partner_id, livemode=caller.livemode, limit=1)
    for kind, prefix in PREFIXES.items():
        key = parse_public_id(prefix, public_id)
        if key is None:
            continue
        deposits, payouts = activity_states(types=(kind,), words=TRANSACTION_WORDS)
        for row in activity(
            own,
            door=CONNECT.name,
            deposit_statuses=deposits,
            payout_statuses=payouts,
            row_id=key,
        ):
            return row
    raise TransactionNotFound


def _place(row: ActivityRow) -> Position:
    return Position(row.created_at, row.id)
