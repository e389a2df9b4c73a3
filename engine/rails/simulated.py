"""The simulated rail: test mode's rail, and the demo's until chains are connected.

It keeps the promise of a real one. The reference is computed from the payout, the leg
and the attempt, so it is the same whatever was lost in between. The outside world is the
table `SimulatedTransfer`, keyed by reference: a second submit of the same one conflicts
with the first and inserts nothing, also when both come at once; so the same reference
twice pays once. Submit and look-up each are one statement with a commit of its own,
never part of the caller's: a chain does not roll back because we did.

A reference never accepted is unknown, not dead: it may still be on its way.

Time is the database's. In test mode the last two decimals of the asked amount choose
what happens: .01 fails before broadcast, .02 after it, .03 is held until `advance`, .04
is late; anything else is delivered in SIMULATED_FINAL_SECONDS. By a gateway or a bank it is
how the number or the IBAN ends, live or not: 6089 is refused, 6119 fails later, 6129 is
held.
"""

from __future__ import annotations

from hashlib import sha256, sha512
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from base58 import b58encode
from django.conf import settings
from django.db import connection, transaction

from engine.rails.bank.references import CURRENCY as EUROS
from engine.rails.bank.references import NETWORK as SEPA
from engine.rails.bank.references import reference_of as end_to_end_id_of
from engine.rails.base import Outcome, Prepared, Receipt, Sighting
from engine.rails.errors import RailRejected
from engine.rails.momo.references import reference_of
from engine.rails.networks import ASSETS, NETWORKS, Family
from engine.rails.operators import CURRENCIES, GATEWAYS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from engine.rails.base import Order
    from engine.rails.errors import RailUnavailable

SQL = Path(__file__).parent / "sql"
SUBMIT = (SQL / "simulated_submit.sql").read_text()
LOOK_UP = (SQL / "simulated_look_up.sql").read_text()
ADVANCE = """
    UPDATE rails_simulatedtransfer
    SET is_held = false, final_at = greatest(seen_at, clock_timestamp())
    WHERE payout_id = %(payout_id)s AND is_held
"""

# How much longer than it said a late transfer takes.
LATE_TIMES = 6
# What becomes of a send by a gateway: how the number ends, as at MTN's simulator. IBANs
# that end so are in docs/bank.md.
NUMBERS = {"6089": "refuse", "6119": "revert", "6129": "hold"}
# What operators say instead of the networks' words.
GATEWAY_FAILURES = {
    "destination_rejected": "payee_not_found",
    "transfer_reverted": "provider_failed",
}
# And banks.
BANK_FAILURES = {"destination_rejected": "iban_invalid", "transfer_reverted": "account_closed"}
STEERING = {1: "refuse", 2: "revert", 3: "hold", 4: "late"}
FAILURES = {
    "destination_rejected": "The network refused the transfer before taking it.",
    "transfer_reverted": "The network took the transfer, and it failed there.",
}


class _Answer(NamedTuple):
    """One row of simulated_look_up.sql, after its reference."""

    said: str
    progress: float
    seen_at: datetime | None
    expected_at: datetime | None
    happened_at: datetime | None
    failure_code: str


class SimulatedRail:
    """A rail whose outside world is a table. See base.Rail for the three verbs."""

    name = "simulated"

    def preflight(
        self, orders: Sequence[Order]
    ) -> list[Order | RailRejected | RailUnavailable]:
        """Nothing is in the way of a simulation."""
        return list(orders)

    def prepare(
        self, orders: Sequence[Order]
    ) -> list[Prepared | RailRejected | RailUnavailable]:
        """Name each order and write down what submit needs. Touches no rows."""
        return [self._prepare_one(order) for order in orders]

    def submit(self, batch: Sequence[Prepared]) -> list[Receipt]:
        """Hand each over to the table, unless a fault strikes it.

        Raises RuntimeError inside a database transaction.
        """
        if not batch:
            return []
        rows = _ask_outside(
            SUBMIT,
            sends=_json_list(batch),
            seen_seconds=settings.SIMULATED_SEEN_SECONDS,
            final_seconds=settings.SIMULATED_FINAL_SECONDS,
            late_times=LATE_TIMES,
        )
        answers = {reference: (accepted, said) for reference, accepted, said in rows}
        return [
            Receipt(prepared.reference, accepted, {"said": said})
            for prepared in batch
            for accepted, said in (answers[prepared.reference],)
        ]

    def look_up(self, batch: Sequence[Prepared]) -> list[Sighting]:
        """Ask the table what became of each, by the database's clock.

        Raises RuntimeError inside a database transaction.
        """
        if not batch:
            return []
        rows = _ask_outside(LOOK_UP, references=[prepared.reference for prepared in batch])
        answers = {reference: _Answer(*answer) for reference, *answer in rows}
        return [_sighting(prepared, answers[prepared.reference]) for prepared in batch]

    def _prepare_one(self, order: Order) -> Prepared | RailRejected:
        if not _is_carried(order):
            return RailRejected(
                f"{order.asset} does not live on {order.network}.",
                failure_code="asset_not_on_network",
            )
        reference = _reference(order)
        payload = {
            "reference": reference,
            "payout_id": order.payout_id.hex,
            "leg": order.leg,
            "livemode": order.livemode,
            "network": order.network,
            "asset": order.asset,
            # A string: orjson writes no integer beyond 64 bits.
            "units": str(order.units),
            "destination": order.destination,
            "fate": _fate(order),
        }
        return Prepared(self.name, order.network, reference, orjson.dumps(payload))


def advance(payout_id: UUID) -> int:
    """Let the held transfers of a payout arrive; returns how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(ADVANCE, {"payout_id": payout_id.hex})
        return int(cursor.rowcount)


def _is_carried(order: Order) -> bool:
    """Whether the asset lives on that network, or the currency is paid by that gateway."""
    asset = ASSETS.get(order.asset)
    if order.network == SEPA:
        return order.asset == EUROS
    if asset is None:
        return order.asset in CURRENCIES and order.network in GATEWAYS.values()
    return order.network in asset.networks


def _fate(order: Order) -> str:
    """What shall happen to an order, by its last two decimals. Live ones always arrive.

    Of two legs only the last one is steered: the money must first get there. By a gateway
    the end of the number decides, since francs have no decimals.
    """
    if order.network in GATEWAYS.values() or order.network == SEPA:
        return NUMBERS.get(order.destination[-4:], "deliver")
    if order.livemode or not order.is_last_leg:
        return "deliver"
    hundredths, rest = divmod(order.asked_units, 10 ** (ASSETS[order.asset].scale - 2))
    return STEERING.get(hundredths % 100, "deliver") if rest == 0 else "deliver"


def _reference(order: Order) -> str:
    """The order's name in the shape of its network's hashes, signatures or references."""
    if order.network in GATEWAYS.values():
        return str(reference_of(order))
    if order.network == SEPA:
        return end_to_end_id_of(order)
    seed = f"simulated rail|{order.payout_id.hex}|{order.leg}|{order.attempt}".encode()
    match NETWORKS[order.network].family:
        case Family.EVM:
            return f"0x{sha256(seed).hexdigest()}"
        case Family.SOLANA:
            return b58encode(sha512(seed).digest()).decode("ascii")
        case _:
            return sha256(seed).hexdigest()


def _ask_outside(sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    # Durable: an outer transaction would roll the outside world back with itself, so
    # Django refuses to begin inside one.
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _json_list(batch: Sequence[Prepared]) -> str:
    return (b"[" + b",".join(prepared.payload for prepared in batch) + b"]").decode()


def _sighting(prepared: Prepared, answer: _Answer) -> Sighting:
    network = NETWORKS.get(prepared.network)
    # A gateway says yes once and means it.
    needed = 1 if network is None else network.final_confirmations
    evidence: dict[str, Any] = {"said": answer.said}
    if answer.happened_at is not None:
        evidence["at"] = answer.happened_at.isoformat()
    code = answer.failure_code
    if network is None:
        words = BANK_FAILURES if prepared.network == SEPA else GATEWAY_FAILURES
        code = words.get(code, code)
    if code:
        evidence["code"] = code
    outcome = Outcome.UNKNOWN if answer.said == "silent" else Outcome(answer.said)
    # The last confirmation is what makes it final, so it never shows before.
    grown = needed if outcome is Outcome.FINAL else int((needed - 1) * answer.progress)
    return Sighting(
        outcome=outcome,
        confirmations=grown,
        confirmations_needed=needed,
        evidence=evidence,
        seen_at=answer.seen_at,
        expected_at=answer.expected_at,
        failure_code=code,
        failure_message=FAILURES.get(code, ""),
    )
