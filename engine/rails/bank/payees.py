"""Whom a bank transfer is to: names, kept sealed, and told to nobody but the bank.

A bank takes the letters of the EPC's basic set (EPC217-08): a name is turned into those
before it is promised, so that nothing is lost on the way that the person has not seen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import structlog

from engine.common.secrets import SealBroken, seal, unseal
from engine.rails.errors import DestinationInvalid
from engine.rails.models import BankPayee

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

logger = structlog.get_logger(__name__)

NAME_CHARS_MAX = 70
STRANGE = re.compile(r"[^A-Za-z0-9/?:().,'+ -]+")
LETTER = re.compile(r"[A-Za-z]")
# What reads better than a gap.
SPELLED = str.maketrans({"&": " + ", "@": "(at)", "_": "-", "\u2019": "'"})


def plain_text(text: str, *, chars_max: int) -> str:
    """As a bank prints it: `Élodie Müller` is `Elodie Muller`. May come out empty."""
    from text_unidecode import unidecode

    plain = STRANGE.sub(" ", unidecode(text.translate(SPELLED)))
    # The EPC lets no field begin or end with a slash, nor have two in a row.
    plain = re.sub(r"/{2,}", "/", " ".join(plain.split()))
    return plain[:chars_max].strip(" /")


def payable_name(name: str) -> str:
    """The name as the bank will see it. Raises DestinationInvalid when nothing is left."""
    plain = plain_text(name, chars_max=NAME_CHARS_MAX)
    if not LETTER.search(plain):
        raise DestinationInvalid(
            "A bank needs the account holder's name in Latin letters.", reason="name_invalid"
        )
    return plain


def name_payee(payout_id: UUID, name: str) -> None:
    """Keep who a payout is to, sealed, in the caller's database transaction.

    The same again changes nothing. Raises DestinationInvalid for a name that no bank takes,
    and ValueError when the payout is to somebody else already.
    """
    plain = payable_name(name)
    _, is_new = BankPayee.objects.get_or_create(
        payout_id=payout_id,
        defaults={"name_sealed": seal(_purpose(payout_id), plain.encode())},
    )
    if not is_new and names_of([payout_id]).get(payout_id) != plain:
        raise ValueError(f"Payout {payout_id} is to somebody else already.")


def names_of(payout_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The names that are kept and can be opened, by payout."""
    names = {}
    for row in BankPayee.objects.filter(payout_id__in=list(payout_ids)):
        try:
            sealed = bytes(row.name_sealed)
            names[row.payout_id] = unseal(_purpose(row.payout_id), sealed).decode()
        except SealBroken as error:
            logger.error("bank_name_sealed_for_good", payout=row.payout_id.hex, why=str(error))  # noqa: TRY400 - its text says all
    return names


def _purpose(payout_id: UUID) -> str:
    # Bound to its payout: a sealed name that is moved to another row opens there for nobody.
    return f"bank payee {payout_id.hex}"
