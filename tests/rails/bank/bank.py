"""A bank: takes files from a folder, pays what is in them, and answers as ISO 20022 has it.

What it writes goes through pyiso20022's classes, made of the published schemas by somebody
else: what those do not know, or miss, no bank may write.
"""

from importlib import import_module
from itertools import count
from xml.etree import ElementTree as ET

from xsdata.formats.dataclass.parsers import DictDecoder
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.serializers import XmlSerializer

from engine.rails.bank.folders import OUT, folder_of
from engine.rails.bank.statements import read_bank_file
from engine.rails.models import BankTransfer
from tests.rails.bank.play import OURS

NUMBERS = count(1)
NOW = "2026-11-23T10:00:00Z"
NAMES = {"": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
STRICT = ParserConfig(fail_on_unknown_properties=True, fail_on_converter_warnings=True)
# Until version 7 the state of an entry was a bare word.
PLAIN_STATES_UNTIL = 7
# In version 4 a transfer repeats its entry's amount and direction.
SAYS_TWICE = "04"


def document(kind, body):
    """XML of that kind, such as camt.053.001.08; `body` is a dict by the names in XML."""
    module = import_module(f"pyiso20022.{kind.split('.')[0]}.{kind.replace('.', '_')}")
    made = DictDecoder(config=STRICT).decode(body, module.Document)
    return (
        XmlSerializer()
        .render(made, ns_map={None: f"urn:iso:std:iso:20022:tech:xsd:{kind}"})
        .encode()
    )


def euros(units):
    return {"value": f"{units // 100}.{units % 100:02d}", "Ccy": "EUR"}


def entry(transfer, **changes):
    """An entry that shows a transfer, as a dict by the names in XML."""
    terms = {
        "units": transfer.units,
        "currency": "EUR",
        "payee": transfer.iban,
        "direction": "DBIT",
        "state": "BOOK",
        "name": transfer.end_to_end_id,
        "reference": f"AS{next(NUMBERS)}",
        "reason": None,
        "reversal": None,
        "total": None,
    } | changes
    amount = euros(terms["units"]) | {"Ccy": terms["currency"]}
    detail = {"Refs": {"EndToEndId": terms["name"], "AcctSvcrRef": terms["reference"]}}
    if terms["payee"]:
        detail["RltdPties"] = {"CdtrAcct": {"Id": {"IBAN": terms["payee"]}}}
    if terms["reason"] is not None:
        detail["RtrInf"] = {"Rsn": {"Cd": terms["reason"]}} if terms["reason"] else {}
    made = {
        "Amt": euros(terms["total"]) if terms["total"] else amount,
        "CdtDbtInd": terms["direction"],
        "Sts": terms["state"],
        "BkTxCd": {"Prtry": {"Cd": "NTRF"}},
        "NtryDtls": [{"TxDtls": [detail]}],
    }
    return made if terms["reversal"] is None else made | {"RvslInd": terms["reversal"]}


def back(transfer, reason="AC04", **changes):
    """An entry in which the bank gives a transfer back."""
    return entry(transfer, direction="CRDT", reason=reason, **changes)


def together(*entries, units=None):
    """One sum for several transfers, with an amount of its own for each."""
    details = []
    for one in entries:
        detail = one["NtryDtls"][0]["TxDtls"][0]
        details.append(detail | {"Amt": one["Amt"], "CdtDbtInd": one["CdtDbtInd"]})
    total = sum(int(one["Amt"]["value"].replace(".", "")) for one in entries)
    return entries[0] | {"Amt": euros(units or total), "NtryDtls": [{"TxDtls": details}]}


def statement(*entries, kind="camt.053.001.08", account=OURS, message_id=None):
    """A camt.053 or a camt.054 with these entries."""
    root, report = {
        "053": ("BkToCstmrStmt", "Stmt"),
        "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }[kind.split(".")[1]]
    if int(kind[-2:]) > PLAIN_STATES_UNTIL:
        entries = [one | {"Sts": {"Cd": one["Sts"]}} for one in entries]
    if kind[-2:] == SAYS_TWICE:
        for one in entries:
            for detail in one["NtryDtls"][0]["TxDtls"]:
                detail |= {"Amt": one["Amt"], "CdtDbtInd": one["CdtDbtInd"]}
    part = {
        "Id": "1",
        "CreDtTm": NOW,
        "Acct": {"Id": {"IBAN": account}},
        "Ntry": list(entries),
    }
    if report == "Stmt":
        part["Bal"] = [
            {
                "Tp": {"CdOrPrtry": {"Cd": "CLBD"}},
                "Amt": euros(100),
                "CdtDbtInd": "CRDT",
                "Dt": {"Dt": "2026-11-23"},
            }
        ]
    head = {"MsgId": message_id or f"ST{next(NUMBERS)}", "CreDtTm": NOW}
    return document(kind, {root: {"GrpHdr": head, report: [part]}})


def order(transfer, status="RJCT", reason="AC04", **changes):
    """A transfer's line in a status report."""
    made = {"OrgnlEndToEndId": transfer.end_to_end_id, "TxSts": status}
    if reason:
        made["StsRsnInf"] = [{"Rsn": {"Cd": reason}}]
    return {key: value for key, value in (made | changes).items() if value is not None}


def report(file, *orders, status=None, reason=None, block=None, kind="pain.002.001.10", **more):
    """A pain.002 about a file of that MsgId."""
    group = {"OrgnlMsgId": file, "OrgnlMsgNmId": "pain.001.001.09"} | more
    if status:
        group["GrpSts"] = status
    if reason:
        group["StsRsnInf"] = [{"Rsn": {"Cd": reason}}]
    part = {"OrgnlPmtInfId": file, "TxInfAndSts": list(orders)}
    if block:
        part["PmtInfSts"] = block
    body = {
        "GrpHdr": {"MsgId": f"RP{next(NUMBERS)}", "CreDtTm": NOW},
        "OrgnlGrpInfAndSts": group,
    }
    if orders or block:
        body["OrgnlPmtInfAndSts"] = [part]
    return document(kind, {"CstmrPmtStsRpt": body})


def read(content, by="ada"):
    """What each line did, by the transfer's name."""
    told, _ = read_bank_file(content, file_name="from-the-bank.xml", by=by)
    return {line["transfer"]: line["did"] for line in told.lines}


class Bank:
    """Empties the folder, pays each order once, and refuses a file that it had before."""

    def __init__(self, account):
        self.account = account
        self.files = {}
        self.paid = []

    def take(self):
        """Take what lies in the folder; the MsgIds taken now."""
        folder = folder_of(self.account) / OUT
        taken = []
        for path in sorted(folder.glob("*.xml")) if folder.exists() else []:
            content = path.read_bytes()
            path.unlink()
            root = ET.fromstring(content)  # noqa: S314 - our own bytes
            message_id = root.findtext(".//GrpHdr/MsgId", namespaces=NAMES)
            assert path.name == f"{message_id}.xml"
            assert self.files.setdefault(message_id, content) == content
            taken.append(message_id)
            self.paid += [
                one.text for one in root.iterfind(".//CdtTrfTxInf/PmtId/EndToEndId", NAMES)
            ]
        return taken

    def work(self):
        """Take, pay, and let the house read what was booked."""
        before = len(self.paid)
        self.take()
        now = BankTransfer.objects.filter(end_to_end_id__in=self.paid[before:])
        if now:
            read(statement(*[entry(one) for one in now]))
