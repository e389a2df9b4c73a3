"""Why a bank transfer fails: what banks call it, and what we tell whom.

Banks give reasons as four letters of ISO 20022's external code sets
(ExternalStatusReason1Code in pain.002, ExternalReturnReason1Code in camt); which of them
SEPA uses is in the EPC's guidance on reason codes (EPC135-18). Codes that are not in the
table fail as `bank_failed`, kept as they came, and are shown to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

FUNDS = "The funds are back."
NOT_YOU = "Nothing is wrong with your account."


@dataclass(frozen=True, slots=True)
class BankFailure:
    """One code that a payout may carry.

    `partner` and `recipient` are sentences for either. `is_retryable`: a new payout may
    well succeed. `is_mendable`: the recipient can give other details that would work.
    """

    code: str
    partner: str
    recipient: str
    is_retryable: bool
    is_mendable: bool


UNKNOWN = BankFailure(
    "bank_failed",
    f"The bank returned the transfer for a reason that we do not know. {FUNDS}",
    "The bank could not complete the transfer.",
    is_retryable=False,
    is_mendable=False,
)
_FAILURES = (
    UNKNOWN,
    BankFailure(
        "iban_invalid",
        f"The bank knows no account of that number. {FUNDS}",
        "The bank knows no account with this IBAN. Check it, or give another one.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "iban_not_paid",
        f"The account number cannot be paid by SEPA transfer. {FUNDS}",
        "This account cannot be paid by SEPA transfer. Give another one.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "account_closed",
        f"The recipient's account is closed. {FUNDS}",
        "This account is closed. Give another one.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "account_blocked",
        f"The recipient's account is blocked. {FUNDS}",
        "This account is blocked. Ask your bank why, or give another one.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "account_cannot_receive",
        f"The recipient's account does not take transfers of this kind. {FUNDS}",
        "This account, perhaps a savings account, does not take transfers. Give another one.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "payee_bank_unknown",
        f"The recipient's bank cannot be reached by SEPA transfer. {FUNDS}",
        "This bank cannot be reached. Give an account at another one.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "payee_name_differs",
        f"The name is not that of the account's holder. {FUNDS}",
        "The name is not the account holder's. Give it as your bank has it.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "payee_name_missing",
        f"The name of the account's holder was not given. {FUNDS}",
        "The account holder's name is missing. Give it as your bank has it.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "payee_deceased",
        f"The bank says that the account's holder has died. {FUNDS}",
        "The bank could not pay this account.",
        is_retryable=False,
        is_mendable=False,
    ),
    BankFailure(
        "payee_refused",
        f"The recipient refused the transfer. {FUNDS}",
        "The transfer was sent back by the account's holder.",
        is_retryable=True,
        is_mendable=True,
    ),
    BankFailure(
        "payee_bank_refused",
        f"The recipient's bank sent the transfer back and did not say why. {FUNDS}",
        "Your bank sent the transfer back. Ask it why, or give another account.",
        is_retryable=True,
        is_mendable=True,
    ),
    BankFailure(
        "amount_not_allowed",
        f"The amount is more than a bank allows. {FUNDS}",
        "The amount is more than the bank allows. Give an account at another one.",
        is_retryable=False,
        is_mendable=True,
    ),
    BankFailure(
        "bank_account_short",
        f"The house's account at its bank was too low. {FUNDS}",
        f"The transfer could not be made just now. {NOT_YOU}",
        is_retryable=True,
        is_mendable=True,
    ),
    BankFailure(
        "bank_refused_order",
        f"The house's bank did not take the order. {FUNDS}",
        f"The transfer could not be made. {NOT_YOU}",
        is_retryable=False,
        is_mendable=False,
    ),
    BankFailure(
        "bank_forbidden",
        f"A law or a rule of the bank forbids the transfer. {FUNDS}",
        "The bank may not make this transfer.",
        is_retryable=False,
        is_mendable=False,
    ),
    BankFailure(
        "bank_recalled",
        f"The transfer was called back and has been returned. {FUNDS}",
        "The transfer was called back by the sender's bank.",
        is_retryable=False,
        is_mendable=False,
    ),
    BankFailure(
        "bank_unavailable",
        f"A bank could not complete the transfer in time. {FUNDS}",
        f"The transfer could not be made just now. {NOT_YOU}",
        is_retryable=True,
        is_mendable=True,
    ),
)
CATALOGUE = MappingProxyType({failure.code: failure for failure in _FAILURES})
# The same order twice: whatever became of the first one, this says nothing of it. A bank
# that refuses a file which was uploaded twice would otherwise have us pay once more.
DUPLICATE = frozenset({"AM05", "DUPL", "DU01", "DU02", "DU03", "DU04", "DU05"})
_BY_FAILURE = {
    "iban_invalid": "AC01 AC03 BE06",
    "iban_not_paid": "AC12 CNOR",
    "account_closed": "AC04 AC07",
    "account_blocked": "AC06",
    "account_cannot_receive": "AC14 AC16 AG01",
    "payee_bank_unknown": "RC01 RC03 RC04 RC07 AC11 AGNT",
    "payee_name_differs": "BE01 BE08 BE22 NMTC",
    "payee_deceased": "MD07",
    "payee_refused": "MS02 CUST NOOR",
    "payee_bank_refused": "MS03 NOAS",
    "amount_not_allowed": "AM02 AM14 AM21",
    "bank_account_short": "AM04",
    "bank_refused_order": (
        "AC02 AC05 AC08 AC13 AC15 AG02 AG03 AG09 AM01 AM03 AM06 AM09 AM10 AM12 AM13 BE05"
        " BE07 BE10 CH03 CH11 CH13 CH17 CURR DNOR DS01 DS02 DS03 DS04 DT01 DT06 FF01 FF02"
        " FF03 FF05 FF10 FF11 ID01 RC05 RC06 RC08 RC09 RC10 RC11 RF01"
    ),
    "bank_forbidden": "RR01 RR02 RR03 RR04 RR05 RR06 RR07 RR08 RR09 RR10 RR11 RR12 LEGL FRAD"
    " AG07",
    "bank_recalled": "FOCR DS28 TECH",
    "bank_unavailable": "AB01 AB02 AB03 AB04 AB05 AB06 AB07 AB08 AB09 AB10 AB11 AG10 AG11"
    " ED05 TM01",
}
REASONS = MappingProxyType(
    {reason: code for code, reasons in _BY_FAILURE.items() for reason in reasons.split()}
)


def failure_of_reason(reason: str) -> BankFailure:
    """What a bank's `reason` means to a payout; UNKNOWN for one that nobody has met."""
    return CATALOGUE[REASONS.get(reason, UNKNOWN.code)]
