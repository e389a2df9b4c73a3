"""Amounts of money as whole numbers of the asset's smallest unit.

Inside the house an amount is an `int` called units; outside it is a decimal string called
an amount. US dollars inside are micro-dollars, `usd_micros`. Nothing here ever rounds a
partner's number: what does not fit is refused.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models

from engine.common.errors import AmountInvalid

if TYPE_CHECKING:
    WholeNumberField = models.Field[int, int]
else:
    # The stubs make Field generic; Django's own class is not.
    WholeNumberField = models.Field

UNITS_DIGITS = 39
USD_SCALE = 6
# ASCII only: `\d` would also take full-width and Arabic digits. \Z, since `$` forgives a
# newline at the end.
AMOUNT_GRAMMAR = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?\Z", re.ASCII)

# A bare NUMERIC(39,0) silently rounds 1.5 to 2 before any CHECK sees it, so the type is a
# domain over an unconstrained NUMERIC. The upper bound also refuses NaN and infinity.
CREATE_UNITS_DOMAIN = """
CREATE DOMAIN units AS numeric
    CONSTRAINT units_are_whole CHECK (VALUE = trunc(VALUE))
    CONSTRAINT units_have_at_most_39_digits CHECK (abs(VALUE) < 1e39);
"""
DROP_UNITS_DOMAIN = "DROP DOMAIN units;"


class UnitsField(WholeNumberField):
    """A whole number of smallest units (wei, lamport, sun, franc): `int` in Python.

    The column's type is the domain `units`, made by the ledger's first migration. A
    bigint overflows at 9.2 tokens of 18 decimals, and Decimal arithmetic rounds silently
    past 28 digits; int does neither.
    """

    def db_type(self, connection: Any) -> str:  # noqa: ARG002 - Django's signature
        return "units"

    def from_db_value(self, value: Decimal | None, *_: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, int):
            return value
        if isinstance(value, float):
            raise TypeError("units are whole numbers; a float has already lost some")
        return int(value)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if isinstance(value, float):
            raise TypeError("units are whole numbers; a float has already lost some")
        # Decimal, not int: psycopg would choose int2, int4 or int8 by size, and each
        # would be one more prepared plan of the same statement.
        return Decimal(value) if isinstance(value, int) else value


def parse_amount(text: str, *, scale: int) -> int:
    """Read a partner's amount, such as ``"12.5"``, as units of an asset of `scale`.

    Raises AmountInvalid for anything outside the grammar, for zero, and for more decimals
    than the asset has. Trailing zeros past the scale are refused too: the number of
    digits is the partner's claim about precision, and we do not guess.
    """
    match = AMOUNT_GRAMMAR.match(text)
    if match is None:
        raise AmountInvalid('Write the amount as a decimal string such as "12.50".')
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > scale:
        raise AmountInvalid(f"This asset has {scale} decimals; the amount has more.")
    units = int(whole + fraction.ljust(scale, "0"))
    if units == 0:
        raise AmountInvalid("The amount must be more than zero.")
    return units


def format_units(units: int, *, scale: int) -> str:
    """Write units as an amount without trailing zeros: ``12500000, 6`` is ``"12.5"``."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :]
    fraction = fraction.rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def format_usd(usd_micros: int) -> str:
    """Write micro-dollars with two to six decimals: ``1500000`` is ``"1.50"``."""
    whole, _, fraction = format_units(usd_micros, scale=USD_SCALE).partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"


def divide_up(numerator: int, denominator: int) -> int:
    """Divide whole numbers and round towards the house: ``7, 2`` is ``4``."""
    return -(-numerator // denominator)
