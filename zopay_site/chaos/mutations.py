"""Wrong ways of paying, as they are commonly built. Each must be found out by counting.

Nothing of them is in the product: they are put over its functions in the workers that
bin/chaos starts, and only when it is asked to with --mutation.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction as database

from engine.payouts import services
from engine.payouts.states import Status
from engine.rails.attempts import close_attempts
from engine.rails.base import Prepared, Receipt
from engine.rails.evm import looks
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.fees import Fees
from engine.rails.evm.rail import EvmRail
from engine.rails.evm.rpc import Call
from engine.rails.evm.signatures import Draft, store
from engine.rails.evm.views import SlotView, read_slots
from engine.rails.models import Attempt, AttemptState, SignedKind, SignedTransaction
from engine.rails.signing import signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.rails.base import Order
    from engine.rails.errors import RailRejected, RailUnavailable
    from engine.rails.signing import Signed

FEES = Fees(max_fee_wei=100 * 10**9, tip_wei=30 * 10**9)
TRIES = 3


def install(name: str) -> None:
    """Make this program pay in the wrong way called `name`. Raises KeyError."""
    {
        "send-before-commit": send_before_commit,
        "nonce-from-node": nonce_from_node,
        "timeout-means-failed": timeout_means_failed,
        "depth-1": depth_1,
        "latest-hash-only": latest_hash_only,
    }[name]()


def send_before_commit() -> None:
    """Hand over inside the transaction that takes the nonce, and keep what was sent with it."""
    prepare = EvmRail.prepare

    def hasty(
        self: EvmRail, orders: Sequence[Order]
    ) -> list[Prepared | RailRejected | RailUnavailable]:
        answers = prepare(self, orders)
        ready = [int(one.payload) for one in answers if isinstance(one, Prepared)]
        for network, slots in _by(read_slots(ready).values(), "network").items():
            signed = _sign((slot, slot.nonce) for slot in slots)
            told = connected_chain(network).send([one.raw for _, one in signed])
            if any(accepted is None for accepted, _ in told):
                raise SoftTimeLimitExceeded
            SignedTransaction.objects.bulk_create(_row(draft, one) for draft, one in signed)
        return answers

    _put(EvmRail, "prepare", hasty)


def nonce_from_node() -> None:
    """Ask the node for the next nonce at every send, and send again when it does not work."""

    def asking(self: EvmRail, batch: Sequence[Prepared]) -> list[Receipt]:
        del self
        slots = read_slots([int(one.payload) for one in batch])
        said: dict[int, bool | None] = {}
        for wallet, lane in _by(slots.values(), "wallet").items():
            chain = connected_chain(lane[0].network)
            for one in lane:
                if one.latest is not None:
                    said[one.id] = chain.send([one.latest.raw])[0][0]
            waiting = [one for one in lane if one.latest is None]
            for number in range(1, TRIES + 1):
                if not waiting:
                    break
                (count,) = chain.ask([Call("eth_getTransactionCount", [wallet, "pending"])])
                first = int(str(count), 16)
                signed = _sign((one, first + place) for place, one in enumerate(waiting))
                store([(replace(draft, number=number), one) for draft, one in signed])
                told = chain.send([one.raw for _, one in signed])
                said |= {
                    slot.id: accepted for slot, (accepted, _) in zip(waiting, told, strict=True)
                }
                waiting = [slot for slot in waiting if not said[slot.id]]
        return [Receipt(one.reference, said[int(one.payload)]) for one in batch]

    _put(EvmRail, "submit", asking)


def timeout_means_failed() -> None:
    """Give the money back when a send was not answered in time."""
    submit = EvmRail.submit

    def deciding(self: EvmRail, batch: Sequence[Prepared]) -> list[Receipt]:
        receipts = submit(self, batch)
        silent = [one.reference for one in receipts if one.accepted is None]
        with database.atomic():
            attempts = list(Attempt.objects.filter(reference__in=silent, state="live"))
            dead = close_attempts(
                state=AttemptState.DEAD,
                proofs={one.pk: {"said": "time out"} for one in attempts},
            )
            services.advance(
                Status.FAILED,
                [
                    services.Step(one.payout_id, failure_code="timeout")
                    for one in attempts
                    if one.pk in dead
                ],
            )
        return receipts

    _put(EvmRail, "submit", deciding)


def depth_1() -> None:
    """Believe a block as soon as it is there."""

    def shallow(**_: Any) -> int:
        return 1

    _put(looks, "depth_needed", shallow)


def latest_hash_only() -> None:
    """Look for what was signed last, as if a fee bump undid what was sent before."""

    def forgetful(slot_ids: Sequence[int]) -> dict[int, SlotView]:
        return {
            key: replace(slot, signed=slot.signed[-1:])
            for key, slot in read_slots(slot_ids).items()
        }

    _put(looks, "read_slots", forgetful)


def _put(owner: object, name: str, wrong: Callable[..., Any]) -> None:
    if not hasattr(owner, name):
        raise AttributeError(name)
    setattr(owner, name, wrong)


def _sign(sends: Iterable[tuple[SlotView, int]]) -> list[tuple[Draft, Signed]]:
    """Sign each slot's transfer at a nonce that somebody has chosen for it."""
    drafts = [
        Draft(replace(slot, nonce=nonce), 1, SignedKind.TRANSFER, FEES) for slot, nonce in sends
    ]
    return list(zip(drafts, signer().sign([draft.request for draft in drafts]), strict=True))


def _row(draft: Draft, signed: Signed) -> SignedTransaction:
    return SignedTransaction(
        slot_id=draft.slot.id,
        number=draft.number,
        kind=draft.kind,
        hash=signed.hash,
        raw=signed.raw,
        max_fee_wei=draft.fees.max_fee_wei,
        tip_wei=draft.fees.tip_wei,
    )


def _by(slots: Iterable[SlotView], attribute: str) -> dict[str, list[SlotView]]:
    groups: dict[str, list[SlotView]] = defaultdict(list)
    for slot in slots:
        groups[getattr(slot, attribute)].append(slot)
    return groups
