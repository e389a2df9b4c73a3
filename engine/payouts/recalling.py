"""Bringing a send that the books have forgotten back into them, from its journal lines.

One database transaction for each payout. Whatever is there already is left as it is, so
that doing it again changes nothing. The payout goes the way it went the first time, with
the same movements under the same references, as far as the journal can prove: a leg that
has a successor has arrived. What became of the last send is left for a look-up to say.

A journal is a file on a disk, and whoever can write there must not be paid by us. So a
quote comes back only with our own signature, a payout only with its quote's terms, and a
send only when it says what its payout asks for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from engine.ledger.errors import InsufficientFunds
from engine.ledger.services import move
from engine.partners.models import Partner
from engine.partners.services import see_end_user
from engine.payouts import sending, services
from engine.payouts.doors import door_named
from engine.payouts.float_reserves import give_back_for
from engine.payouts.floats import open_float
from engine.payouts.funds import open_holding
from engine.payouts.models import BreakKind, Payout, PayoutEvent, Quote
from engine.payouts.models.payouts import Terms
from engine.payouts.quotes import SIGNED_TERMS, is_signed_quote
from engine.payouts.states import FINAL, Status
from engine.rails.attempts import close_attempts, open_attempts
from engine.rails.base import Prepared
from engine.rails.models import Attempt, AttemptState
from engine.rails.statements import CannotRecall, statement_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.payouts.doors import Memory
    from engine.rails.base import Order

# The columns that the journal and the table both know: one that has come since keeps its
# default.
COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)
FROM information_schema.columns
WHERE table_schema = current_schema AND table_name = %s AND column_name = ANY(%s::text[])
"""
INSERT = """
INSERT INTO {table} ({columns})
SELECT {columns} FROM jsonb_populate_record(NULL::{table}, %s::jsonb)
ON CONFLICT (id) DO NOTHING
"""
USE = "UPDATE payouts_quote SET used_at = %s WHERE id = %s AND used_at IS NULL"
# Terms that must be the same in the books and in the journal, or it is another payout.
TERMS = (
    "livemode", "asset", "from_network", "to_network", "destination", "units_sent",
    "units_received",
)  # fmt: skip
FOLLOWED = {"said": "the journal shows that it was followed by another send"}


@dataclass(frozen=True, slots=True)
class Line:
    """One send as the journal has it."""

    quote: dict[str, Any]
    payout: dict[str, Any]
    external_ref: str | None
    attempt: dict[str, Any]
    terms: dict[str, Any]
    # What the payout's door keeps of its own, where it keeps anything.
    kept: str | None = None

    @property
    def payout_id(self) -> UUID:
        return UUID(self.payout["id"])

    @property
    def place(self) -> tuple[int, int]:
        """Its leg, and which attempt it was."""
        return self.attempt["leg"], self.attempt["number"]


class Broken(Exception):
    """A send that cannot be brought back. It becomes a break, and the rest goes on."""

    def __init__(self, kind: BreakKind, detail: dict[str, Any]) -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


def recall(lines: Sequence[Line]) -> bool:
    """Bring one payout and the sends of these lines back; whether anything was missing.

    Raises Broken, with nothing written.
    """
    sends = sorted({line.place: line for line in lines}.values(), key=lambda line: line.place)
    last = sends[-1]
    with transaction.atomic():
        services.lock([last.payout_id])
        payout = Payout.objects.filter(pk=last.payout_id).first()
        is_new = payout is None
        if payout is None:
            payout = _insert(last)
        _refuse_other_terms(payout, last)
        known = set(Attempt.objects.filter(payout_id=payout.pk).values_list("leg", "number"))
        missing = [line for line in sends if line.place not in known]
        if missing and payout.status in FINAL:
            raise Broken(BreakKind.ENDED_OTHERWISE, {"status": payout.status})
        for line in missing:
            _send_again(payout, line)
    return is_new or bool(missing)


def _refuse_other_terms(payout: Payout, line: Line) -> None:
    differing = [name for name in TERMS if str(getattr(payout, name)) != str(line.payout[name])]
    if differing or payout.partner_id != UUID(line.payout["partner_id"]):
        raise Broken(BreakKind.TERMS_DIFFER, {"terms": differing or ["partner"]})


def _insert(line: Line) -> Payout:
    """The payout as it was executed: its quote, its first event, its funds held."""
    if not Partner.objects.filter(pk=line.payout["partner_id"]).exists():
        raise Broken(BreakKind.PARTNER_UNKNOWN, {"partner": line.payout["partner_id"]})
    _refuse_unsigned(line)
    memory = door_named(line.payout["door"]).memory
    try:
        return _write_down(line, memory)
    except InsufficientFunds:
        raise Broken(
            BreakKind.BALANCE_SHORT,
            {
                "units": str(line.payout["units_sent"]),
                "asset": line.payout["asset"],
                "network": line.payout["from_network"],
                "partner": line.payout["partner_id"],
                "external_ref": line.external_ref,
            },
        ) from None
    except CannotRecall as error:
        raise Broken(BreakKind.CANNOT_RECALL, {"why": str(error)}) from None


def _write_down(line: Line, memory: Memory | None) -> Payout:
    """Raises InsufficientFunds and CannotRecall."""
    now = timezone.now().isoformat()
    kept = line.kept or ""
    terms = _terms_of_today(line) if memory is None else _terms_by_door(line, memory, kept)
    _write("payouts_quote", line.quote | terms)
    with connection.cursor() as cursor:
        cursor.execute(USE, [line.quote["used_at"], line.quote["id"]])
    begun = {
        "status": Status.PENDING.value, "leg": 1, "steps": 1, "failure_code": "",
        "finished_at": None, "due_at": now, "needs_review": False, "waiting_for": "",
        "confirmations": 0, "confirmations_needed": 0,
    }  # fmt: skip
    _write("payouts_payout", line.payout | terms | begun)
    payout = Payout.objects.select_for_update().get(pk=line.payout_id)
    PayoutEvent.objects.create(
        payout=payout, number=1, status=Status.PENDING, happened_at=payout.created_at
    )
    if memory is not None:
        memory.fund(payout, kept)
    elif payout.end_user_id is None:
        give_back_for(payout)
    move(
        reference=f"payout:{payout.pk.hex}:hold",
        debit=payout.available_account_id,
        credit=payout.held_account_id,
        units=payout.units_sent,
    )
    return payout


def _refuse_unsigned(line: Line) -> None:
    """Raises Broken unless we promised this very payout."""
    quote = Quote(**{name: line.quote[name] for name in (*SIGNED_TERMS, "signature")})
    if not is_signed_quote(quote):
        raise Broken(BreakKind.CANNOT_RECALL, {"why": "the quote bears no signature of ours"})
    names = [field.attname for field in Terms._meta.fields]
    differing = [name for name in names if line.payout[name] != line.quote[name]]
    if differing or (line.payout["id"], line.payout["quote_id"]) != (
        line.quote["payout_id"], line.quote["id"],
    ):  # fmt: skip
        raise Broken(
            BreakKind.CANNOT_RECALL,
            {"why": "the payout is not its quote's", "terms": differing},
        )


def _terms_by_door(line: Line, memory: Memory, kept: str) -> dict[str, Any]:
    """The accounts of what the payout was made for, which its door brings back."""
    available, held = memory.reopen(line.payout_id, kept)
    return {"end_user_id": None, "available_account_id": available, "held_account_id": held}


def _terms_of_today(line: Line) -> dict[str, Any]:
    """Whose money it is, and the accounts, by the numbers that this database gives them."""
    quote = Quote.objects.filter(pk=line.quote["id"]).first()
    if quote is not None:
        user_id, available, held = (
            quote.end_user_id, quote.available_account_id, quote.held_account_id
        )  # fmt: skip
    elif line.external_ref is None:
        known = open_float(
            partner_id=UUID(line.payout["partner_id"]),
            livemode=line.payout["livemode"],
            currency=line.payout["asset"],
        )
        user_id, available, held = None, known.available_account_id, known.held_account_id
    else:
        livemode = line.payout["livemode"]
        user_id = see_end_user(
            partner_id=UUID(line.payout["partner_id"]),
            livemode=livemode,
            external_ref=line.external_ref,
        ).pk
        available, held = open_holding(
            end_user_id=user_id,
            livemode=livemode,
            asset=line.payout["asset"],
            network=line.payout["from_network"],
        )
    return {
        "end_user_id": user_id, "available_account_id": available, "held_account_id": held
    }  # fmt: skip


def _write(table: str, row: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [table, list(row)])
        (columns,) = cursor.fetchone()
        # Names of our own tables and of their columns, quoted by PostgreSQL.
        cursor.execute(INSERT.format(table=table, columns=columns), [json.dumps(row)])


def _send_again(payout: Payout, line: Line) -> None:
    """Open the line's attempt again, and let the payout be where it must have been."""
    leg, number = line.place
    _reach(payout, leg)
    # A second attempt at a leg was made only when the first was proven dead.
    live = Attempt.objects.filter(payout_id=payout.pk, leg=leg, state=AttemptState.LIVE)
    _close(set(live.values_list("pk", flat=True)), AttemptState.DEAD)
    order = replace(sending.order_for(payout), attempt=number)
    open_attempts(sends=[(order, _prepared(line, order))])
    if payout.status == Status.PENDING:
        services.advance(Status.SENDING, [services.Step(payout.pk, due_seconds=0)])
        payout.refresh_from_db()


def _reach(payout: Payout, leg: int) -> None:
    """Take the payout to the leg of a send that was made: the legs before it arrived."""
    while payout.leg < leg:
        before = Attempt.objects.filter(payout_id=payout.pk, leg=payout.leg)
        latest = before.order_by("-number").first()
        if latest is None:
            raise Broken(BreakKind.CANNOT_RECALL, {"why": f"leg {payout.leg} was never sent"})
        _close({latest.pk}, AttemptState.DONE)
        step = services.Step(payout.pk, network=latest.network, reference=latest.reference)
        services.advance(Status.BROADCAST, [step])
        services.begin_next_leg([payout.pk])
        payout.refresh_from_db()


def _close(attempt_ids: set[int], state: AttemptState) -> None:
    close_attempts(state=state, proofs=dict.fromkeys(attempt_ids, FOLLOWED))


def _prepared(line: Line, order: Order) -> Prepared:
    sent = line.attempt
    if sent["rail"] not in settings.PAYOUT_RAILS:
        raise Broken(BreakKind.CANNOT_RECALL, {"why": f"there is no rail {sent['rail']}"})
    _refuse_another_send(line, order)
    statement = statement_of(sent["rail"])
    if statement is None:
        payload = bytes.fromhex(line.terms["payload"])
    else:
        try:
            payload = statement.recall(
                network=sent["network"], reference=sent["reference"], terms=line.terms
            )
        except CannotRecall as error:
            raise Broken(BreakKind.CANNOT_RECALL, {"why": str(error)}) from None
    return Prepared(sent["rail"], sent["network"], sent["reference"], payload)


def _refuse_another_send(line: Line, order: Order) -> None:
    """Raises Broken when the rail's own terms are not what the payout asks for at this leg."""
    asked = {
        "payout": order.payout_id.hex,
        "payout_id": order.payout_id.hex,
        "leg": str(order.leg),
        "asset": order.asset,
        "units": str(order.units),
        "destination": order.destination,
        "from_network": order.network,
        "to_network": order.to_network,
    }
    differing = [
        name
        for name, wanted in asked.items()
        if name in line.terms and str(line.terms[name]) != wanted
    ]
    if line.attempt["network"] != order.network:
        differing.append("network")
    if differing:
        raise Broken(
            BreakKind.CANNOT_RECALL,
            {"why": "the send is not what its payout asks for", "terms": differing},
        )
