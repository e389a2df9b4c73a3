"""What a bank's word makes of a transfer: one place for each such decision.

| the bank says | of one that is open | that arrived | that failed |
|---|---|---|---|
| a booked debit that shows it | arrived | known; twice: alarm | alarm, but for a return |
| a debit of another amount, or to another payee | a person | alarm | alarm |
| a debit that is pending | seen | nothing | nothing |
| money back, with a reason | failed | failed; once the engine was told: alarm | nothing |
| RJCT of what it was given once, for a known reason | failed | alarm | nothing |
| RJCT of what it may have twice, or for no known reason | a person | alarm | nothing |
| RJCT as a duplicate | a person | nothing | nothing |
| ACSC, ACCC | seen; arrived where the account's policy says so | nothing | alarm |
| ACTC, ACCP, ACSP, … | seen | nothing | nothing |
| anything else | a person | nothing | nothing |

Once a person was asked because the bank's words differ from what was promised, no later
word settles the transfer: she finds out at the bank what has happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from engine.common.units import format_units
from engine.rails.bank.copies import may_be_twice
from engine.rails.bank.entries import CREDIT, DEBIT
from engine.rails.bank.failures import DUPLICATE, REASONS, failure_of_reason
from engine.rails.bank.references import SCALE

if TYPE_CHECKING:
    from engine.rails.bank.entries import Entry
    from engine.rails.bank.reading import Money
    from engine.rails.bank.reports import OrderStatus, Word
    from engine.rails.models import BankTransfer

REJECTED = "RJCT"
PARTLY = "PART"
SETTLED = frozenset({"ACSC", "ACCC"})
ACCEPTED = frozenset(
    {"RCVD", "ACTC", "ACCP", "ACSP", "ACWC", "ACWP", "ACFC", "ACIS", "PDNG", "PATC", "ACPD"}
)
# How much of a message's kind, such as camt.053.001.08, says what message it is.
KIND = len("camt.053")
PENDING = frozenset({"PDNG", "INFO", "FUTR"})
# Why a person decides. The first three stay whatever the bank says next.
AMOUNT_DIFFERS = "the bank's amount is another"
PAYEE_DIFFERS = "the bank paid another account"
CONTRADICTION = "the bank contradicts itself"
OF_ANOTHER_FILE = "the bank's word is about another file"
IS_DUPLICATE = "the bank has had it before, and refused it the second time"
GIVEN_TWICE = "the bank refused a file that it may have twice"
WORD_UNKNOWN = "the bank's word is not known"
REASON_UNKNOWN = "the bank's reason is not known"
BACK_WITHOUT_REASON = "money came back, and the bank does not say why"
RETURNED_LATE = "it came back after it had arrived"
REJECTED_LATE = "it was rejected after it had arrived"
BOOKED_TWICE = "it was booked twice"
PAID_AFTER_ALL = "it was paid although it had failed"
STAY = frozenset({AMOUNT_DIFFERS, PAYEE_DIFFERS, CONTRADICTION})
# A refusal of one copy says nothing of the other. Only its money ends these, either way.
OF_COPIES = frozenset({IS_DUPLICATE, GIVEN_TWICE})
ALARMS = frozenset(
    {"returned_late", "rejected_late", "booked_twice", "paid_after_all", "differs"}
)


@dataclass(frozen=True, slots=True)
class Said:
    """What is kept of a bank's word: codes and numbers, nobody's name."""

    kind: str
    message_id: str
    status: str
    reason: str = ""
    money: Money | None = None
    bank_reference: str = ""

    def as_json(self) -> dict[str, Any]:
        amount = ""
        if self.money is not None and self.money.units is not None:
            amount = f"{format_units(self.money.units, scale=SCALE)} {self.money.currency}"
        told = {
            "message": self.kind,
            "message_id": self.message_id,
            "status": self.status,
            "reason": self.reason,
            "amount": amount,
            "bank_reference": self.bank_reference,
        }
        return {key: value for key, value in told.items() if value}


def judge_entry(transfer: BankTransfer, entry: Entry, said: Said) -> str:
    """Note what an entry makes of the transfer; returns what it did, in a word.

    Changes the row in memory; whoever has it locked saves it.
    """
    if entry.account != transfer.account.iban:
        return "of_another_account"
    if entry.is_booked:
        return _judge_booked(transfer, entry, said)
    is_coming = entry.direction == DEBIT and not entry.is_return and entry.state in PENDING
    return _see(transfer, said) if is_coming else "not_booked"


def _judge_booked(transfer: BankTransfer, entry: Entry, said: Said) -> str:
    if _differs(transfer, entry.money):
        return _ask(transfer, AMOUNT_DIFFERS, said)
    if entry.direction == CREDIT:
        return _come_back(transfer, entry, said)
    if entry.direction != DEBIT or entry.is_return:
        return _ask(transfer, CONTRADICTION, said)
    # Its name is ours alone, and the payee optional: only another payee contradicts.
    if entry.payee and entry.payee != transfer.iban:
        return _ask(transfer, PAYEE_DIFFERS, said)
    return _arrive(transfer, said)


def judge_word(
    transfer: BankTransfer, word: Word, said: Said, *, order: OrderStatus | None, file: str
) -> str:
    """Note what a status makes of the transfer; returns what it did, in a word.

    `order` is what the bank repeats of it, None where it speaks of the whole file, and
    `file` the MsgId that it speaks of.
    """
    if why := _objection(transfer, order, file):
        return _ask(transfer, why, said)
    if word.status == REJECTED:
        return _reject(transfer, word, said)
    if word.status in SETTLED and (transfer.account.settles_on_acsc or transfer.failure_code):
        return _arrive(transfer, said)
    if word.status in ACCEPTED | SETTLED:
        return _see(transfer, said)
    return _ask(transfer, WORD_UNKNOWN, said)


def _objection(transfer: BankTransfer, order: OrderStatus | None, file: str) -> str:
    """Why a status cannot be about this transfer as we sent it, if so."""
    if transfer.file is not None and transfer.file.message_id != file:
        return OF_ANOTHER_FILE
    if order is not None and order.money is not None and _differs(transfer, order.money):
        return AMOUNT_DIFFERS
    if order is not None and order.payee and order.payee != transfer.iban:
        return PAYEE_DIFFERS
    return ""


def judge_second(transfer: BankTransfer) -> str:
    """One statement shows the same payment twice."""
    return _alarm(transfer, BOOKED_TWICE, "booked_twice")


def contradict(transfer: BankTransfer, said: Said) -> str:
    """The bank refuses a whole file and not this transfer of it."""
    return _ask(transfer, CONTRADICTION, said)


def _differs(transfer: BankTransfer, money: Money | None) -> bool:
    return money is None or (money.units, money.currency) != (transfer.units, transfer.currency)


def _arrive(transfer: BankTransfer, said: Said) -> str:
    if transfer.failure_code:
        came_back = (transfer.said or {}).get("came_back", False)
        return "known" if came_back else _alarm(transfer, PAID_AFTER_ALL, "paid_after_all")
    if transfer.finished_at:
        return _hear_again(transfer, said)
    if transfer.why in STAY:
        return "waits_for_person"
    _hear(transfer, said)
    transfer.finished_at, transfer.why = timezone.now(), ""
    return "arrived"


def _hear_again(transfer: BankTransfer, said: Said) -> str:
    """A payment that is known. Notices and statements call it differently, each for good."""
    kind, before = said.kind[:KIND], transfer.said or {}
    others = before.get("others", {})
    names = {before.get("message", "")[:KIND]: before.get("bank_reference", "")} | others
    known = names.get(kind)
    if known and said.bank_reference and known != said.bank_reference:
        return _alarm(transfer, BOOKED_TWICE, "booked_twice")
    if said.bank_reference and not known:
        transfer.said = before | {"others": others | {kind: said.bank_reference}}
    return "known"


def _come_back(transfer: BankTransfer, entry: Entry, said: Said) -> str:
    if transfer.failure_code:
        return "known"
    if transfer.finished_at and not _may_still_fail(transfer, entry):
        if transfer.returned_at is not None:
            return "known"
        transfer.returned_at = timezone.now()
        return _alarm(transfer, RETURNED_LATE, "returned_late")
    if not entry.is_return:
        return _ask(transfer, BACK_WITHOUT_REASON, said)
    return _fail(transfer, entry.reason, said, came_back=True)


def _may_still_fail(transfer: BankTransfer, entry: Entry) -> bool:
    """Whether it arrived, came back, and nobody was told of either yet."""
    is_clear = entry.is_return and entry.reason not in DUPLICATE
    return is_clear and transfer.told_at is None and not transfer.why


def _reject(transfer: BankTransfer, word: Word, said: Said) -> str:
    if transfer.failure_code:
        return "known"
    if transfer.finished_at:
        # Had the bank only refused the second copy of a file, nothing would be amiss.
        if word.reason in DUPLICATE:
            return "known"
        return _alarm(transfer, REJECTED_LATE, "rejected_late")
    if transfer.why in STAY | OF_COPIES:
        return "waits_for_person"
    if why := _doubt(transfer, word.reason):
        return _ask(transfer, why, said)
    return _fail(transfer, word.reason, said, came_back=False)


def _doubt(transfer: BankTransfer, reason: str) -> str:
    """Why a refusal does not prove that the bank pays nothing, if so."""
    if reason in DUPLICATE:
        return IS_DUPLICATE
    if may_be_twice(transfer):
        return GIVEN_TWICE
    return "" if reason in REASONS else REASON_UNKNOWN


def _fail(transfer: BankTransfer, reason: str, said: Said, *, came_back: bool) -> str:
    if reason in DUPLICATE:
        return _ask(transfer, IS_DUPLICATE, said)
    if transfer.why in STAY:
        return "waits_for_person"
    _hear(transfer, said)
    transfer.said = {**said.as_json(), "came_back": came_back}
    transfer.finished_at = timezone.now()
    transfer.failure_code = failure_of_reason(reason).code
    transfer.why = "" if reason in REASONS else REASON_UNKNOWN
    return "failed"


def _see(transfer: BankTransfer, said: Said) -> str:
    if transfer.finished_at:
        return "known"
    is_news = (transfer.said or {}).get("status") != said.status or transfer.seen_at is None
    if not is_news:
        return "known"
    _hear(transfer, said)
    return "seen"


def _ask(transfer: BankTransfer, why: str, said: Said) -> str:
    """Leave it to a person, once. Whatever has ended has ended."""
    outranked = STAY if why in STAY else STAY | OF_COPIES
    if transfer.why == why or transfer.why in outranked:
        return "known"
    if transfer.finished_at:
        if transfer.why or why not in STAY:
            return "known"
        return _alarm(transfer, why, "differs")
    transfer.why = why
    _hear(transfer, said)
    return "for_person"


def _alarm(transfer: BankTransfer, why: str, did: str) -> str:
    if transfer.why == why:
        return "known"
    transfer.why = why
    return did


def _hear(transfer: BankTransfer, said: Said) -> None:
    now = timezone.now()
    transfer.seen_at = transfer.seen_at or now
    transfer.heard_at = now
    transfer.said = said.as_json()
