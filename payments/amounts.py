"""Amounts as this API writes them: with as many decimals as the currency has."""

from __future__ import annotations

from engine.common.units import AMOUNT_GRAMMAR, format_units, parse_amount
from engine.rails.scales import CURRENCIES


def read_amount(text: str, *, currency: str) -> int:
    """Smallest units of `currency`; 5000.00 is a whole number of francs, 5000.50 is none.

    Raises AmountInvalid. KeyError where `currency` is none of CURRENCIES.
    """
    if AMOUNT_GRAMMAR.match(text) and "." in text:
        text = text.rstrip("0").rstrip(".")
    return parse_amount(text, scale=CURRENCIES[currency])


def write_amount(units: int, *, currency: str) -> str:
    """`units` as a decimal string: 1000 of EUR is 10.00, of XAF it is 1000."""
    scale = CURRENCIES[currency]
    whole, _, rest = format_units(units, scale=scale).partition(".")
    return f"{whole}.{rest.ljust(scale, '0')}" if scale else whole
