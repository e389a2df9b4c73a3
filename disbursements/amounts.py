"""Amounts as this API writes them: always two decimals, whatever the currency has."""

from __future__ import annotations

from engine.common.errors import AmountInvalid
from engine.common.units import AMOUNT_GRAMMAR, format_units, parse_amount
from engine.rails.operators import CURRENCIES

SHOWN_DECIMALS = 2


def read_amount(text: str, *, currency: str) -> int:
    """Smallest units of `currency`; 5000.00 is a whole number of francs, 5000.50 is none.

    Raises AmountInvalid.
    """
    if AMOUNT_GRAMMAR.match(text) and "." in text:
        text = text.rstrip("0").rstrip(".")
    units = parse_amount(text, scale=CURRENCIES[currency])
    if units <= 0:
        raise AmountInvalid("The amount must be more than nothing.")
    return units


def write_amount(units: int, *, currency: str) -> str:
    """`units` as a decimal string with two decimals, such as 5000.00 or -5025.00."""
    sign = "-" if units < 0 else ""
    whole, _, rest = format_units(abs(units), scale=CURRENCIES[currency]).partition(".")
    return f"{sign}{whole}.{rest.ljust(SHOWN_DECIMALS, '0')}"
