"""What is in a camt.053 or camt.054: entries of an account, and the transfers behind each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.rails.bank.reading import Money, all_at, code_at, money_at, text_at, units_in

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# camt.053 is what was booked on a day, camt.054 is told as it happens.
ROOTS = {"053": ("BkToCstmrStmt", "Stmt"), "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}
BOOKED, DEBIT, CREDIT = "BOOK", "DBIT", "CRDT"
AMOUNTS = ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/InstdAmt/Amt")


@dataclass(frozen=True, slots=True)
class Entry:
    """One transfer behind an entry. Empty texts are what the bank did not say.

    `direction` is DBIT or CRDT, and whatever else is no direction. `is_return` where the
    bank says that it gives money back: a return, or a reversal.
    `sum_of` is the file whose sum it is, where the bank lists no transfers.
    """

    account: str
    end_to_end_id: str
    money: Money | None
    direction: str
    is_return: bool
    state: str
    reason: str
    payee: str
    bank_reference: str
    sum_of: str = ""

    @property
    def is_booked(self) -> bool:
        return self.state == BOOKED


@dataclass(frozen=True, slots=True)
class AccountReport:
    """A whole message: its MsgId, and its entries in their order."""

    message_id: str
    entries: list[Entry]


def read_entries(content: bytes, kind: str) -> AccountReport:
    """Every entry of every account in it. Raises FileUnreadable."""
    root, report = ROOTS[kind.split(".")[1]]
    head, account, entry = (
        (root, "GrpHdr"),
        (root, report, "Acct"),
        (root, report, "Ntry"),
    )
    message_id, iban = "", ""
    entries: list[Entry] = []
    for path, element in units_in(content, {head, account, entry}):
        if path == head:
            message_id = text_at(element, "MsgId")
        elif path == account:
            iban = text_at(element, "Id/IBAN").replace(" ", "").upper()
        else:
            entries += _entry(element, iban)
    return AccountReport(message_id[:35], entries)


def _entry(element: Element, account: str) -> list[Entry]:
    booked = money_at(element, "Amt")
    details = all_at(element, "NtryDtls/TxDtls")
    if not details:
        return [_transfer(element, element, account, booked)]
    amounts = [money_at(one, *AMOUNTS) for one in details]
    if len(details) == 1:
        # What was booked counts; a detail that says otherwise makes it nobody's amount.
        agreed = booked if amounts[0] in {None, booked} else None
        return [_transfer(element, details[0], account, agreed)]
    is_whole = booked is not None and _sum(amounts) == booked
    return [
        _transfer(element, one, account, amount if is_whole else None)
        for one, amount in zip(details, amounts, strict=True)
    ]


def _sum(amounts: list[Money | None]) -> Money | None:
    """What the details are together; None unless each is an amount, of one currency."""
    known = [one for one in amounts if one is not None and one.units is not None]
    if len(known) != len(amounts) or len({one.currency for one in known}) != 1:
        return None
    return Money(sum(one.units or 0 for one in known), known[0].currency)


def _transfer(entry: Element, detail: Element, account: str, money: Money | None) -> Entry:
    direction = text_at(detail, "CdtDbtInd") or text_at(entry, "CdtDbtInd")
    reversed_ = text_at(entry, "RvslInd") == "true" or text_at(detail, "RvslInd") == "true"
    reference = text_at(detail, "Refs/AcctSvcrRef") or text_at(entry, "AcctSvcrRef")
    end_to_end_id = text_at(detail, "Refs/EndToEndId")
    return Entry(
        account=account,
        end_to_end_id=end_to_end_id,
        money=money,
        direction=direction,
        is_return=reversed_ or bool(all_at(detail, "RtrInf")),
        state=text_at(entry, "Sts/Cd", "Sts"),
        reason=code_at(detail, "RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"),
        payee=_payee(detail),
        bank_reference=reference[:35],
        sum_of="" if end_to_end_id else _sum_of(entry, detail),
    )


def _payee(detail: Element) -> str:
    text = text_at(detail, "RltdPties/CdtrAcct/Id/IBAN")
    return text.replace(" ", "").upper()


def _sum_of(entry: Element, detail: Element) -> str:
    return text_at(detail, "Refs/PmtInfId", "Refs/MsgId") or text_at(
        entry, "NtryDtls/Btch/PmtInfId", "NtryDtls/Btch/MsgId"
    )
