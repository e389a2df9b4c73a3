"""The EVM rail: tokens on Ethereum and its kin, one nonce for each payout's leg.

The outside names a send by its wallet and nonce, of which a chain takes one at most, for
ever. A leg's nonce is committed in a slot before anything is signed, and every signature
before it is sent, the fee bumps too: so the same reference twice pays once, whichever of
its hashes a block holds in the end, and `look_up` asks for all of them.

    preflight   simulates the transfer at the chain's head
    prepare     takes a nonce of a wallet that can pay, under its row lock (slots.py)
    submit      signs what is not signed or is stuck, keeps it, sends it (signatures.py)
    look_up     receipts by every hash, deep enough and agreed by enough nodes (looks.py)

Decision 0009 says why signing is not part of prepare.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db import transaction

from engine.rails.base import Receipt
from engine.rails.errors import RailUnavailable
from engine.rails.evm import looks, preflights, slots
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.gas_limits import count_gas, is_short_of_gas
from engine.rails.evm.heads import sane_tip
from engine.rails.evm.rpc import Call
from engine.rails.evm.signatures import Gas, sign_due
from engine.rails.evm.statements import EvmStatement
from engine.rails.evm.views import read_slots
from engine.rails.guards import is_stopped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.rails.base import Order, Prepared, Sighting
    from engine.rails.errors import RailRejected
    from engine.rails.evm.rpc import Chain
    from engine.rails.evm.signatures import Counted
    from engine.rails.evm.views import SlotView

    Told = dict[int, tuple[bool | None, str]]

HEAD = (Call("eth_getBlockByNumber", ["latest", False]), Call("eth_maxPriorityFeePerGas", []))


class EvmRail:
    """See base.Rail for the four verbs."""

    name = slots.NAME
    statement = EvmStatement()

    def preflight(
        self, orders: Sequence[Order]
    ) -> list[Order | RailRejected | RailUnavailable]:
        """Simulate each transfer, so that a refusal costs no nonce and no gas."""
        return preflights.preflight_orders(orders) if orders else []

    def prepare(
        self, orders: Sequence[Order]
    ) -> list[Prepared | RailRejected | RailUnavailable]:
        """Take a nonce for each order. Raises RuntimeError outside a database transaction."""
        if not transaction.get_connection().in_atomic_block:
            raise RuntimeError("A nonce is taken in the transaction that stores its attempt.")
        return slots.prepare_orders(orders) if orders else []

    def submit(self, batch: Sequence[Prepared]) -> list[Receipt]:
        """Sign, keep and send; what was sent before is sent again, the same bytes."""
        if not batch:
            return []
        # Durable: Django refuses to begin inside another database transaction.
        with transaction.atomic(durable=True):
            found = read_slots([int(one.payload) for one in batch])
        said: Told = {}
        away: list[RailUnavailable] = []
        by_network: dict[str, list[SlotView]] = defaultdict(list)
        for slot in found.values():
            by_network[slot.network].append(slot)
        for network, waiting in by_network.items():
            try:
                said |= submit_on(network, waiting)
            except RailUnavailable as error:
                away.append(error)
                said |= {slot.id: (None, error.message) for slot in waiting}
        if len(away) == len(by_network) and away:
            raise away[0]
        return [
            Receipt(one.reference, accepted, {"said": words})
            for one in batch
            for accepted, words in (said[int(one.payload)],)
        ]

    def look_up(self, batch: Sequence[Prepared]) -> list[Sighting]:
        """What the chains hold of each, by every hash that was ever signed for it."""
        return looks.look_up_slots([int(one.payload) for one in batch]) if batch else []


def submit_on(network: str, waiting: Sequence[SlotView]) -> Told:
    """Sign and send on one network. Raises RailUnavailable when nobody could be asked.

    Answers by slot id: whether a node has it, and what it said.
    """
    chain = connected_chain(network)
    gas = _parse_gas(network, *chain.ask(HEAD))
    answers = _sign_and_send(chain, gas, waiting, count_gas(chain, waiting))
    short = [slot.id for slot in waiting if is_short_of_gas(*answers[slot.id])]
    if short:
        # At once, since all that is behind it in its lane waits for it.
        refused = list(read_slots(short).values())
        counted = count_gas(chain, refused, is_refused=True)
        answers |= _sign_and_send(chain, gas, refused, counted)
    return answers


def _sign_and_send(
    chain: Chain, gas: Gas, waiting: Sequence[SlotView], counted: Mapping[int, Counted]
) -> Told:
    whys = sign_due(waiting, {chain.network: gas}, counted)
    # Whoever stored first wins, so what is sent is read again. What is signed already goes
    # out, whatever the signer says.
    ready = read_slots([slot.id for slot in waiting]).values()
    if is_stopped(chain.network):
        return {slot.id: _unsent(slot, "the network is frozen") for slot in ready}
    answers = {
        slot.id: _unsent(slot, whys.get(slot.id, "gas is above our ceiling")) for slot in ready
    }
    sends = [(slot, slot.latest.raw) for slot in ready if slot.latest and _is_to_send(slot)]
    told = chain.send([raw for _, raw in sends])
    return answers | {slot.id: one for (slot, _), one in zip(sends, told, strict=True)}


def _parse_gas(network: str, block: Any, tip: Any) -> Gas:
    try:
        return Gas(
            base_fee_wei=int(block["baseFeePerGas"], 16),
            tip_wei=sane_tip(network, int(tip, 16)),
            head_at=int(block["timestamp"], 16),
        )
    except (KeyError, TypeError, ValueError) as error:
        # A node that is starting, or that refuses the call, has no word for it.
        raise RailUnavailable(f"{network} does not tell its fees.") from error


def _is_to_send(slot: SlotView) -> bool:
    """A block that is reorganised away takes its mark with it, and then it is sent again."""
    return not slot.is_closed and not slot.is_frozen and slot.mined_block is None


def _unsent(slot: SlotView, why: str) -> tuple[bool | None, str]:
    if slot.is_closed or slot.mined_block is not None:
        return True, "a block holds it"
    return None, "the wallet is frozen" if slot.is_frozen else why
