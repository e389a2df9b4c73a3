"""What networks took from the house: gas, booked once for each transaction on a chain.

Whatever a chain has mined has burned gas, also when it failed or was a cancellation. It is
paid in the chain's own coin, from what the house keeps there. What the partner was promised
does not change: the network fee of the quote was earned, this is what it cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from engine.ledger import accounts
from engine.ledger.errors import AlreadyMoved
from engine.ledger.models import Movement
from engine.ledger.services import Move, move_many
from engine.payouts.funds import open_system_account

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

logger = structlog.get_logger(__name__)

# Somebody else may book one of ours between our look and our insert; that ends soon.
ROUNDS_MAX = 5


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """`units` (wei) of the coin `asset` that `network` took for the transaction `hash`."""

    network: str
    asset: str
    units: int
    hash: str
    livemode: bool = True

    @property
    def reference(self) -> str:
        # In one spelling, so that one hash is one movement.
        return f"{gas_references(self.network)}{self.hash.lower()}"


def gas_references(network: str) -> str:
    """How the references of all that `network` took begin."""
    return f"gas:{network}:"


def book_network_costs(costs: Sequence[NetworkCost]) -> int:
    """Move what each took from custody to network_cost, once for each hash.

    Safe to repeat, also from two workers at once; belongs into the caller's database
    transaction, after its payouts are locked. Returns how many were new. What cost
    nothing is not booked.
    """
    wanted = {cost.reference: cost for cost in costs if cost.units}
    for _ in range(ROUNDS_MAX):
        new = _without_known(wanted)
        if not new:
            return 0
        try:
            # A savepoint: a refusal must not take the caller's work with it.
            with transaction.atomic():
                return move_many(_moves(new))
        except AlreadyMoved:
            continue
    raise AlreadyMoved


def _without_known(wanted: dict[str, NetworkCost]) -> list[NetworkCost]:
    known = dict(
        Movement.objects.filter(reference__in=list(wanted)).values_list("reference", "units")
    )
    for reference, units in known.items():
        if units != wanted[reference].units:
            # The first word stands; a person may correct it with a movement of its own.
            logger.error(
                "network_cost_differs",
                reference=reference,
                booked=units,
                told=wanted[reference].units,
            )
    # In one order for everybody: two workers with the same costs must not wait in a circle.
    return [wanted[reference] for reference in sorted(wanted.keys() - known)]


def _moves(costs: Iterable[NetworkCost]) -> list[Move]:
    # Asked once for each batch, not once for each transaction.
    system = cache(open_system_account)
    return [
        Move(
            reference=cost.reference,
            debit=system(accounts.network_cost(), cost.asset, cost.livemode),
            credit=system(accounts.custody(cost.network), cost.asset, cost.livemode),
            units=cost.units,
        )
        for cost in costs
    ]
