"""What is in a pain.002: what became of a file of ours, of its parts, and of transfers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.rails.bank.reading import (
    FileUnreadable,
    Money,
    code_at,
    money_at,
    text_at,
    units_in,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOT = "CstmrPmtStsRpt"
HEAD, GROUP, BLOCK = (ROOT, "GrpHdr"), (ROOT, "OrgnlGrpInfAndSts"), "OrgnlPmtInfAndSts"
BLOCK_ID = (ROOT, BLOCK, "OrgnlPmtInfId")
BLOCK_STATUS = (ROOT, BLOCK, "PmtInfSts")
BLOCK_REASON = (ROOT, BLOCK, "StsRsnInf")
ORDER = (ROOT, BLOCK, "TxInfAndSts")
REASONS = ("Rsn/Cd", "Rsn/Prtry")
IN_IT = tuple(f"StsRsnInf/{path}" for path in REASONS)


@dataclass(frozen=True, slots=True)
class Word:
    """A status, and why, in codes. Empty where the bank said none."""

    status: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """What the bank says of one transfer, and what it repeats of it."""

    end_to_end_id: str
    word: Word
    money: Money | None
    payee: str


@dataclass(slots=True)
class Block:
    """A part of a file, of which ours have one: its PmtInfId, and its transfers."""

    name: str = ""
    status: str = ""
    reason: str = ""
    orders: list[OrderStatus] = field(default_factory=list)


@dataclass(slots=True)
class StatusReport:
    """A whole message. `file` is the MsgId it is about, `count` how many the bank found."""

    message_id: str = ""
    file: str = ""
    count: str = ""
    word: Word = field(default_factory=Word)
    blocks: list[Block] = field(default_factory=list)


def read_report(content: bytes) -> StatusReport:
    """The whole report. Raises FileUnreadable."""
    report = StatusReport()
    groups = 0
    wanted = {HEAD, GROUP, BLOCK_ID, BLOCK_STATUS, BLOCK_REASON, ORDER}
    for path, element in units_in(content, wanted):
        if path == HEAD:
            report.message_id = text_at(element, "MsgId")[:35]
        elif path == GROUP:
            groups += 1
            _read_group(report, element)
        elif path == BLOCK_ID:
            report.blocks.append(Block(text_of(element)))
        else:
            _read_in_block(report, path, element)
    if groups != 1:
        raise FileUnreadable("It does not say which file it is about.")
    return report


def _read_group(report: StatusReport, element: Element) -> None:
    report.file = text_at(element, "OrgnlMsgId")
    report.count = text_at(element, "OrgnlNbOfTxs")
    report.word = Word(text_at(element, "GrpSts"), code_at(element, *IN_IT))


def _read_in_block(report: StatusReport, path: tuple[str, ...], element: Element) -> None:
    if not report.blocks:
        raise FileUnreadable("It speaks of transfers before it says of which file.")
    block = report.blocks[-1]
    if path == BLOCK_STATUS:
        block.status = text_of(element)
    elif path == BLOCK_REASON:
        block.reason = block.reason or code_at(element, *REASONS)
    else:
        block.orders.append(
            OrderStatus(
                text_at(element, "OrgnlEndToEndId"),
                Word(text_at(element, "TxSts"), code_at(element, *IN_IT)),
                money_at(element, "OrgnlTxRef/Amt/InstdAmt"),
                text_at(element, "OrgnlTxRef/CdtrAcct/Id/IBAN").replace(" ", "").upper(),
            )
        )


def text_of(element: Element) -> str:
    """An element's own text."""
    return (element.text or "").strip()[:35]
