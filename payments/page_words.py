"""What the hosted form says of money, time and what went wrong, in the reader's language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.formats import get_format
from django.utils.translation import gettext, ngettext

from engine.common.units import format_units
from engine.partners.validation import visible_text
from engine.rails.bank.failures import CATALOGUE as BY_BANKS
from engine.rails.momo.failures import CATALOGUE as BY_OPERATORS
from engine.rails.scales import scale_of

if TYPE_CHECKING:
    from payments.models import Payment

MINUTE, HOUR, DAY = 60, 3600, 86400
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
# A coin of six decimals is read like money: two of them, more only where they count.
DECIMALS_MIN = 2


def amount_of(units: int, asset: str) -> str:
    """Units of an asset or a currency, to be read: francs have no decimals, euros two."""
    scale = scale_of(asset)
    return readable(format_units(units, scale=scale), decimals=min(scale, DECIMALS_MIN))


def readable(amount: str, *, decimals: int = 0) -> str:
    """Write an exact amount as the reader's language does; no digit is lost or rounded."""
    whole, _, fraction = amount.partition(".")
    gap = str(get_format("THOUSAND_SEPARATOR", use_l10n=True))
    mark = str(get_format("DECIMAL_SEPARATOR", use_l10n=True))
    fraction = fraction.ljust(decimals, "0")
    return f"{int(whole):,}".replace(",", gap) + (f"{mark}{fraction}" if fraction else "")


def rate_words(text: str) -> str:
    """``1 EUR = 1.0745 USDT`` with its numbers as the reader's language writes them."""
    return NUMBER.sub(lambda number: readable(number[0]), text)


def source_words(source: str) -> str:
    """Who says what the rate is: whoever is named there, and for a person of ours so."""
    parts = dict.fromkeys(part.strip() for part in visible_text(source).split(","))
    return ", ".join(gettext("our staff") if part == "operator" else part for part in parts)


def soon(seconds: int) -> str:
    """How long it takes from the moment of agreeing, in words that promise no seconds."""
    if seconds <= MINUTE:
        return gettext("in about a minute")
    if seconds < HOUR:
        minutes = -(-seconds // MINUTE)
        words = ngettext("in about %(n)d minute", "in about %(n)d minutes", minutes)
        return words % {"n": minutes}
    if seconds < DAY:
        hours = -(-seconds // HOUR)
        words = ngettext("within %(n)d hour", "within %(n)d hours", hours)
        return words % {"n": hours}
    days = -(-seconds // DAY)
    words = ngettext("within %(n)d working day", "within %(n)d working days", days)
    return words % {"n": days}


def masked_name(name: str) -> str:
    """Enough of a name to know one's own again: ``Ada Lovelace`` is ``A… L…``."""
    return " ".join(f"{word[0]}…" for word in name.split())


def note_of(payment: Payment) -> str:
    """What everybody should know who might take it for real money."""
    if not payment.livemode:
        return gettext("Test payout: no real money moves.")
    if settings.ZOPAY_DEMO:
        return gettext("Demonstration: no real money moves.")
    return ""


def failure_words(code: str) -> str:
    """Why a payout did not arrive, in words for whoever should have got it."""
    said = BY_OPERATORS.get(code) or BY_BANKS.get(code)
    if said is not None:
        return gettext(said.recipient)
    reasons = {
        "destination_rejected": gettext("The network did not accept this address."),
        "destination_blocked": gettext("Nobody may be paid there."),
        "transfer_reverted": gettext("The network could not complete the transfer."),
        "asset_not_on_network": gettext("This asset cannot be received on that network."),
        "cancelled": gettext("The payout was stopped before it was sent."),
    }
    return reasons.get(code, gettext("The transfer could not be completed."))
