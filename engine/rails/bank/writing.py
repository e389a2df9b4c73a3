"""A pain.001 file: SEPA credit transfers as ISO 20022 and the EPC's guidelines have them.

sepaxml lays it out; what it draws at random (MsgId, PmtInfId, the time) is put to what was
chosen and kept before, so that the same rows give the same bytes for ever. The result is
held to the published schema, and read back and held to the rows, before anybody keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.rails.bank.references import CURRENCY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from xml.etree.ElementTree import Element

SCHEMA = "pain.001.001.09"
NAMESPACE = f"urn:iso:std:iso:20022:tech:xsd:{SCHEMA}"
NAMES = {"": NAMESPACE}
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


class FileRefused(Exception):
    """What was written is not what was asked for, or not what the schema allows."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose account pays. `books_singly` asks for an entry for each transfer."""

    holder: str
    iban: str
    bic: str
    books_singly: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One transfer. `units` are cents; texts are in the letters that banks take."""

    end_to_end_id: str
    units: int
    iban: str
    name: str
    remittance: str


def write_file(
    *,
    message_id: str,
    made_at: datetime,
    executes_on: date,
    payer: Payer,
    lines: Sequence[Line],
) -> bytes:
    """The file's bytes, the same for the same arguments. Raises FileRefused."""
    content = _fix(
        _lay_out(executes_on, payer, lines),
        {
            "CstmrCdtTrfInitn/GrpHdr/MsgId": message_id,
            "CstmrCdtTrfInitn/GrpHdr/CreDtTm": f"{made_at:%Y-%m-%dT%H:%M:%SZ}",
            "CstmrCdtTrfInitn/PmtInf/PmtInfId": message_id,
            "CstmrCdtTrfInitn/PmtInf/BtchBookg": str(not payer.books_singly).lower(),
        },
    )
    refuse_invalid(content)
    _refuse_other_lines(content, message_id, lines)
    return content


def _lay_out(executes_on: date, payer: Payer, lines: Sequence[Line]) -> bytes:
    # Here: only workers that write files need it.
    from sepaxml import SepaTransfer

    made = SepaTransfer(
        {
            "name": payer.holder,
            "IBAN": payer.iban,
            "BIC": payer.bic,
            "batch": True,
            "currency": CURRENCY,
        },
        schema=SCHEMA,
        clean=False,
    )
    for line in lines:
        made.add_payment(
            {
                "name": line.name,
                "IBAN": line.iban,
                "amount": line.units,
                "execution_date": executes_on,
                "description": line.remittance,
                "endtoend_id": line.end_to_end_id,
            }
        )
    content: bytes = made.export(validate=False)
    return content


def _fix(content: bytes, texts: dict[str, str]) -> bytes:
    """Put what was chosen where the library has drawn something of its own."""
    from xml.etree import ElementTree as ET

    from defusedxml.ElementTree import fromstring

    root = fromstring(content, forbid_dtd=True)
    for path, text in texts.items():
        found = root.findall(path, NAMES)
        if len(found) != 1:
            raise FileRefused(f"{path} is there {len(found)} times.")
        found[0].text = text
    ET.register_namespace("", NAMESPACE)
    # Quoted as most banks' own examples are; not every reader of theirs takes both.
    body: bytes = ET.tostring(root, encoding="utf-8")
    return DECLARATION + body


def get_ready() -> None:
    """Load what takes a second the first time, before anything is locked."""
    _schema()


@cache
def _schema() -> Any:
    import sepaxml
    from xmlschema import XMLSchema

    return XMLSchema(str(Path(sepaxml.__file__).parent / "schemas" / f"{SCHEMA}.xsd"))


def refuse_invalid(content: bytes) -> None:
    """Hold bytes to the published schema. Raises FileRefused, naming no name."""
    wrong = next(_schema().iter_errors(content.decode()), None)
    if wrong is not None:
        raise FileRefused(f"The schema refuses {wrong.path}: {type(wrong.validator).__name__}.")


def _refuse_other_lines(content: bytes, message_id: str, lines: Sequence[Line]) -> None:
    """What is in the bytes is what was promised: read by other code than wrote it."""
    from defusedxml.ElementTree import fromstring

    root = fromstring(content, forbid_dtd=True)
    said = [
        (
            _text(order, "PmtId/EndToEndId"),
            _text(order, "Amt/InstdAmt"),
            _text(order, "CdtrAcct/Id/IBAN"),
            _text(order, "Cdtr/Nm"),
        )
        for order in root.iterfind(".//CdtTrfTxInf", NAMES)
    ]
    wanted = [(line.end_to_end_id, _euros(line.units), line.iban, line.name) for line in lines]
    total = _euros(sum(line.units for line in lines))
    head = root.find("CstmrCdtTrfInitn/GrpHdr", NAMES)
    heads = [_text(head, name) for name in ("MsgId", "NbOfTxs", "CtrlSum")]
    if said != wanted or heads != [message_id, str(len(lines)), total]:
        raise FileRefused("The file does not say what was promised.")


def _text(element: Element | None, path: str) -> str:
    found = None if element is None else element.find(path, NAMES)
    return "" if found is None or found.text is None else found.text


def _euros(units: int) -> str:
    return f"{units // 100}.{units % 100:02d}"
