"""How much gas a slot's next signature allows, as the nodes count it now.

A slot's own limit was counted before its nonce was taken, by a node that may have lied or
lagged. A chain fixes a nonce, and no gas limit: so a cancel, and whatever was refused or has
waited, is counted anew, and one wrong count leaves no nonce that can neither be used nor
burned.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.conf import settings
from eth_utils.conversions import to_hex

from engine.rails.errors import RailUnavailable
from engine.rails.evm.rpc import Call
from engine.rails.evm.rpc_batch import quantity
from engine.rails.evm.signatures import CANCEL_GAS, Counted
from engine.rails.evm.slots import with_spare
from engine.rails.models import SignedKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.evm.rpc import Chain
    from engine.rails.evm.views import SlotView

# What roll-ups take for Ethereum's part of the fee may double until it is mined.
CANCEL_TIMES = 2
# A limit costs nothing, but the wallet must hold the fee for all of it.
LIMIT_MAX = 1_000_000
# The words of geth, Nethermind, Erigon, Besu and Arbitrum.
SHORT_OF_GAS = re.compile(
    r"intrinsic ?gas|gas ?limit (is )?too low|gas too low|not enough gas|out of gas"
)


def is_short_of_gas(accepted: bool | None, said: str) -> bool:
    """Whether every node that answered has refused a send, and one for its gas limit."""
    return accepted is False and SHORT_OF_GAS.search(said.lower().replace("_", " ")) is not None


def count_gas(
    chain: Chain, slots: Sequence[SlotView], *, is_refused: bool = False
) -> dict[int, Counted]:
    """The gas of what is signed next, by slot id, where it is worth asking for.

    `is_refused`: nodes do not take the limit that was signed last. Without an answer a slot
    is left out, since its old limit may do.
    """
    asked = [slot for slot in slots if is_refused or _is_worth_asking(slot)]
    if not asked:
        return {}
    try:
        told = chain.ask_each([_estimate(slot) for slot in asked])
    except RailUnavailable:
        return {}
    counted: dict[int, Counted] = {}
    for slot, *answers in zip(asked, *told, strict=True):
        gas = sorted(n for answer in answers if (n := quantity(answer)) is not None)
        if gas:
            is_cancel = slot.next_kind == SignedKind.CANCEL
            # The highest burns a nonce for sure; for a send, as many as the quorum say so.
            most = gas[-1] if is_cancel else gas[-min(chain.quorum, len(gas))]
            counted[slot.id] = _counted(slot, most, is_refused=is_refused)
    return counted


def _counted(slot: SlotView, gas: int, *, is_refused: bool) -> Counted:
    is_cancel = slot.next_kind == SignedKind.CANCEL
    wanted = max(gas * CANCEL_TIMES, CANCEL_GAS) if is_cancel else with_spare(gas)
    limit = max(slot.gas_limit, min(wanted, LIMIT_MAX))
    # Refused is refused, whatever the nodes count: then all that we would sign is needed.
    return Counted(needed=limit if is_refused else min(gas, LIMIT_MAX), limit=limit)


def _is_worth_asking(slot: SlotView) -> bool:
    latest = slot.latest
    if slot.is_closed or slot.is_frozen or slot.mined_block is not None:
        return False
    if latest is None:
        return slot.is_to_cancel
    is_old = latest.age_seconds >= settings.EVM_BUMP_SECONDS
    return is_old or slot.next_kind != latest.kind


def _estimate(slot: SlotView) -> Call:
    sent = {"from": slot.wallet, "to": slot.wallet, "value": "0x0"}
    if slot.next_kind == SignedKind.TRANSFER:
        sent |= {
            "to": slot.to_address,
            "value": hex(slot.value_wei),
            "data": to_hex(slot.calldata),
        }
    return Call("eth_estimateGas", [sent])
