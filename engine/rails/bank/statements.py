"""Reading a bank's file in: what each of its lines changes, all of it or nothing.

One database transaction for a file. The transfers it speaks of are locked first, in the
order of their keys; so is the file itself, by its bytes, so that two who read the same one
wait for each other, and the second finds that it was read. What moves money is the engine,
at its next look.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction

from engine.rails.alarms import tell_operators
from engine.rails.bank.copies import hold_files_of
from engine.rails.bank.entries import DEBIT, Entry, read_entries
from engine.rails.bank.reading import kind_of
from engine.rails.bank.reports import Block, OrderStatus, StatusReport, Word, read_report
from engine.rails.bank.verdicts import (
    ALARMS,
    PARTLY,
    REJECTED,
    Said,
    contradict,
    judge_entry,
    judge_second,
    judge_word,
)
from engine.rails.models import BankLostFile, BankStatement, BankTransfer
from engine.rails.models.bank import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = structlog.get_logger(__name__)

OURS = re.compile(REFERENCE)
CHANGED = (
    "seen_at", "heard_at", "said", "why", "failure_code", "finished_at", "returned_at",
)  # fmt: skip
CHANGES = frozenset({"arrived", "failed", "seen", "for_person"}) | ALARMS
PAIN = "pain.002"


@dataclass(slots=True)
class Desk:
    """The transfers that a file speaks of, locked, and what it has done so far.

    `lost` are the names in the file that it is about, where a restore has lost that one.
    """

    transfers: dict[str, BankTransfer] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    lines: list[dict[str, Any]] = field(default_factory=list)
    changed: dict[int, BankTransfer] = field(default_factory=dict)
    heard: dict[int, BankTransfer] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def note(self, name: str, said: Said, did: str) -> None:
        """Keep a line for the page that shows what was done."""
        transfer = self.transfers.get(name)
        line = {"transfer": name, "said": said.as_json(), "did": did}
        if transfer is not None:
            line["payout"] = f"pay_{transfer.payout_id.hex}"
            line["why"] = transfer.why
            if did in CHANGES:
                self.changed[transfer.pk] = transfer
        self.lines.append(line)


def read_bank_file(content: bytes, *, file_name: str, by: str) -> tuple[BankStatement, bool]:
    """Read a pain.002, camt.053 or camt.054; the result, and whether it is news.

    `by` is who brought it. Reading the same bytes again returns what they did the first
    time and changes nothing. Raises FileUnreadable, with nothing changed.
    """
    kind = kind_of(content)
    digest = sha256(content).digest()
    if kind.startswith(PAIN):
        report = read_report(content)
        message_id = report.message_id
    else:
        told = read_entries(content, kind)
        message_id, names = told.message_id, {one.end_to_end_id for one in told.entries}
    with transaction.atomic():
        known = _known(digest)
        if known is not None:
            return known, False
        if kind.startswith(PAIN):
            lost = _lost_orders(report.file)
            desk = Desk(_locked({*_names_in(report), *lost}, file=report.file), lost=lost)
            _apply_report(desk, report, kind)
        else:
            desk = Desk(_locked(names))
            _apply_entries(desk, told.entries, kind, message_id)
        BankTransfer.objects.bulk_update((desk.heard | desk.changed).values(), CHANGED)
        statement = BankStatement.objects.create(
            digest=digest,
            kind=kind,
            message_id=message_id,
            file_name=file_name[:200],
            lines=desk.lines,
            changed=len(desk.changed),
            strangers=len(desk.strangers),
            read_by=by[:150],
        )
        _raise_alarms(desk, kind)
    logger.info(
        "bank_file_read",
        kind=kind,
        lines=dict(Counter(line["did"] for line in desk.lines)),
    )
    return statement, True


def _known(digest: bytes) -> BankStatement | None:
    """What these bytes have done before. Whoever reads the same at once waits here."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 6))", [digest.hex()])
    return BankStatement.objects.filter(digest=digest).first()


def _lost_orders(file: str) -> frozenset[str]:
    """What was in a file that a restore has lost, by its MsgId."""
    lost = BankLostFile.objects.filter(message_id=file).first()
    return frozenset() if lost is None else frozenset(str(one) for one in lost.orders)


def _locked(names: Iterable[str], *, file: str = "") -> dict[str, BankTransfer]:
    """Transfers of ours among these names, and all of that file, locked in order."""
    ours = [name for name in names if OURS.match(name)]
    found = BankTransfer.objects.filter(end_to_end_id__in=ours)
    if file:
        found = found | BankTransfer.objects.filter(file__message_id=file)
    keys = list(found.values_list("pk", flat=True))
    hold_files_of(keys)
    rows = (
        BankTransfer.objects.select_for_update(of=("self",))
        .select_related("account", "file")
        .defer("file__content_sealed")
        .filter(pk__in=keys)
        .order_by("pk")
    )
    return {row.end_to_end_id: row for row in rows}


def _apply_entries(desk: Desk, entries: list[Entry], kind: str, message_id: str) -> None:
    """Money that came back is read first: in one file, a payment and its return are none."""
    paid: set[str] = set()
    for entry in sorted(entries, key=lambda one: one.direction == DEBIT):
        said = Said(
            kind, message_id, entry.state, entry.reason, entry.money, entry.bank_reference
        )
        name = entry.end_to_end_id
        transfer = desk.transfers.get(name)
        if transfer is None:
            _note_stranger(desk, entry, said)
            continue
        before = transfer.said
        did = judge_entry(transfer, entry, said)
        if transfer.said is not before:
            desk.heard[transfer.pk] = transfer
        is_payment = did in {"arrived", "known"} and entry.direction == DEBIT
        if is_payment and entry.is_booked and name in paid:
            did = judge_second(transfer)
        elif is_payment and entry.is_booked:
            paid.add(name)
        desk.note(name, said, did)


def _note_stranger(desk: Desk, entry: Entry, said: Said) -> None:
    """What is not ours is nobody's business here, but what bears a name of our making."""
    name = entry.end_to_end_id
    if OURS.match(name):
        desk.strangers.append(name)
        desk.note(name, said, "stranger")
    elif OURS.match(entry.sum_of):
        desk.note(entry.sum_of, said, "sum_without_details")


def _apply_report(desk: Desk, report: StatusReport, kind: str) -> None:
    told: set[str] = set()
    for block in report.blocks:
        for order in block.orders:
            told.add(order.end_to_end_id)
            _apply_order(desk, report, block, order, kind)
    word = _word_for_all(report)
    is_at_odds = report.word.status == REJECTED and (word is None or word.status != REJECTED)
    if word is None and not is_at_odds:
        if report.word.status or any(block.status for block in report.blocks):
            desk.note(report.file, Said(kind, report.message_id, PARTLY), "said_in_part")
        return
    word = word or Word(PARTLY)
    said = Said(kind, report.message_id, word.status, word.reason)
    rest = [name for name in desk.transfers if name not in told and _is_in(desk, name, report)]
    if not rest and not told & desk.transfers.keys():
        _note_unknown_file(desk, report, said)
    if rest and not _is_whole(report, desk, rest[0]):
        desk.note(report.file, said, "other_count")
        return
    for name in rest:
        transfer = desk.transfers[name]
        if is_at_odds:
            desk.note(name, said, contradict(transfer, said))
        else:
            did = judge_word(transfer, word, said, order=None, file=report.file)
            desk.note(name, said, did)


def _is_in(desk: Desk, name: str, report: StatusReport) -> bool:
    """Whether a transfer of ours is in the file that the report is about."""
    file = desk.transfers[name].file
    return name in desk.lost if file is None else file.message_id == report.file


def _note_unknown_file(desk: Desk, report: StatusReport, said: Said) -> None:
    """A refusal of what bears a name of our making is for a person: what was in it?"""
    desk.note(report.file, said, "unknown_file")
    if said.status == REJECTED and OURS.match(report.file):
        desk.strangers.append(report.file)


def _apply_order(
    desk: Desk, report: StatusReport, block: Block, order: OrderStatus, kind: str
) -> None:
    """A transfer's own word, or else that of its part, or else that of the file."""
    name = order.end_to_end_id
    words = [order.word, Word(block.status, block.reason), report.word]
    word = next((one for one in words if one.status and one.status != PARTLY), Word())
    if word.status and not word.reason:
        same = (one.reason for one in words if one.status == word.status and one.reason)
        word = Word(word.status, next(same, ""))
    said = Said(kind, report.message_id, word.status, word.reason, order.money)
    transfer = desk.transfers.get(name)
    if transfer is None:
        if OURS.match(name):
            desk.strangers.append(name)
            desk.note(name, said, "stranger")
        return
    is_all_refused = REJECTED in {report.word.status, block.status}
    if is_all_refused and word.status != REJECTED:
        desk.note(name, said, contradict(transfer, said))
        return
    desk.note(name, said, judge_word(transfer, word, said, order=order, file=report.file))


def _word_for_all(report: StatusReport) -> Word | None:
    """What holds for every transfer that has no word of its own; None where nothing does.

    A file of ours is one part, whose name is its MsgId: what is said of the part is
    narrower than what is said of the file, and holds where they differ.
    """
    whole = report.word
    words = [
        Word(
            one.status, one.reason or (whole.reason if whole.status in {"", one.status} else "")
        )
        for one in report.blocks
        if one.name == report.file and one.status
    ] or [whole]
    statuses = {one.status for one in words}
    if len(statuses) > 1 or statuses & {"", PARTLY}:
        return None
    return max(words, key=lambda one: bool(one.reason))


def _is_whole(report: StatusReport, desk: Desk, name: str) -> bool:
    """Whether the bank counted as many transfers as we sent, if it says how many."""
    file = desk.transfers[name].file
    sent = len(desk.lost) if file is None else file.transfers
    return not report.count or report.count == str(sent)


def _names_in(report: StatusReport) -> set[str]:
    return {order.end_to_end_id for block in report.blocks for order in block.orders}


def _raise_alarms(desk: Desk, kind: str) -> None:
    """Call a person for what no rule of ours may decide. Payouts and codes, no names."""
    grave = [line for line in desk.lines if line["did"] in ALARMS]
    for line in grave:
        logger.error(
            "bank_alarm",
            transfer=line["transfer"],
            payout=line["payout"],
            did=line["did"],
            reason=line["said"].get("reason", ""),
        )
    if desk.strangers:
        logger.error("bank_strangers", transfers=desk.strangers[:20])
    if not grave and not desk.strangers:
        return
    told = [f"{line['payout']}: {line['why']}" for line in grave]
    told += [f"{name}: bears a name of ours, and we do not know it" for name in desk.strangers]
    tell_operators(
        subject=f"A bank's {kind} needs you: {len(told)} transfers",
        text="\n".join(told[:100]) + "\n\nThe books are as they were.",
    )
