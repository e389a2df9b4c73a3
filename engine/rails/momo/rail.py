"""The mobile-money rail: MTN MoMo Disbursement, one reference for each payout's leg.

Why the same reference twice pays once: the operator knows a transfer by the
X-Reference-Id that we chose, takes each at most once, and answers 409 to a second one
(momodeveloper.mtn.com/api-documentation/common-error). The reference is computed, kept
before anything is sent, and belongs to one platform and one API user, which the send
keeps for ever: what was asked of one is never asked of another.

    preflight   whether an account of ours can pay, the operator works, the payee exists
    prepare     keeps what is going to be sent, and which account sends it
    submit      one POST; again only when three looks over MOMO_LOST_SECONDS found nothing
    look_up     GET by reference, MOMO_STATUS_PER_SECOND at most for each account

A look that finds nothing is no proof that nothing was taken: it never ends a payout. A
callback is a hint to look now (sends.hint).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from engine.rails.base import Prepared, Receipt
from engine.rails.errors import RailRejected, RailUnavailable
from engine.rails.models import MomoSend
from engine.rails.momo import breaker, looks, preflights
from engine.rails.momo.accounts import Floats
from engine.rails.momo.posts import Told, post_all
from engine.rails.momo.references import NAME, reference_of
from engine.rails.momo.sends import sends_of, write_down
from engine.rails.momo.statement import MomoStatement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.base import Order, Sighting

NEVER_LEFT = "the operator could not be reached"


class MomoRail:
    """See base.Rail for the four verbs."""

    name = NAME
    statement = MomoStatement()

    def preflight(
        self, orders: Sequence[Order]
    ) -> list[Order | RailRejected | RailUnavailable]:
        """Ask our accounts, the operator's health, and the operator about the payee."""
        return preflights.preflight_orders(orders)

    def prepare(
        self, orders: Sequence[Order]
    ) -> list[Prepared | RailRejected | RailUnavailable]:
        """Keep what will be sent, in the caller's database transaction."""
        if not orders:
            return []
        if not transaction.get_connection().in_atomic_block:
            raise RuntimeError("A send is kept in the transaction that stores its attempt.")
        floats = Floats(lock=True)
        known = {
            str(one.reference)
            for one in MomoSend.objects.filter(
                reference__in=[reference_of(order) for order in orders]
            )
        }
        answers: list[Prepared | RailRejected | RailUnavailable] = []
        sends: list[MomoSend] = []
        for order in orders:
            reference = str(reference_of(order))
            send = preflights.send_for(order, floats, is_known=reference in known)
            if isinstance(send, MomoSend):
                sends.append(send)
                answers.append(Prepared(NAME, order.network, reference, reference.encode()))
            else:
                answers.append(send)
        write_down(sends)
        return answers

    def submit(self, batch: Sequence[Prepared]) -> list[Receipt]:
        """POST what never was, or was lost; leave alone what may be on its way."""
        if not batch:
            return []
        found = sends_of(batch)
        in_order = {one.reference: found.get(one.reference) for one in batch}.values()
        waiting = [
            send
            for send in in_order
            if send is not None and not send.finished_at and not send.seen_at
        ]
        told = post_all(_while_down(waiting))
        if told and len(told) == len(found) and all(one.never_left for one in told.values()):
            raise RailUnavailable(NEVER_LEFT)
        return [_receipt(one, found.get(one.reference), told) for one in batch]

    def look_up(self, batch: Sequence[Prepared]) -> list[Sighting]:
        """What the operators say of each, or what they said last."""
        if not batch:
            return []
        return looks.look_up_sends(batch)


def _while_down(waiting: list[MomoSend]) -> list[MomoSend]:
    """Of an operator that is down, only as many as are needed to find out."""
    left: dict[tuple[str, str], int] = {}
    kept = []
    for send in waiting:
        place = (send.account.network, send.account.country)
        if place not in left:
            is_down = breaker.is_down(network=place[0], country=place[1])
            left[place] = breaker.TRIES if is_down else len(waiting)
        if left[place] > 0:
            left[place] -= 1
            kept.append(send)
    return kept


def _receipt(one: Prepared, send: MomoSend | None, told: dict[int, Told]) -> Receipt:
    if send is None:
        return Receipt(one.reference, None, {"said": "no such send is kept here"})
    news = told.get(send.pk)
    if news is not None:
        return Receipt(one.reference, news.accepted, {"said": news.said})
    if send.seen_at:
        return Receipt(one.reference, True, {"said": "the operator has it"})
    if send.refused:
        return Receipt(one.reference, False, {"said": send.refused})
    said = "sent before, and asked about now" if send.is_out else "waits for its turn"
    return Receipt(one.reference, None, {"said": said})
