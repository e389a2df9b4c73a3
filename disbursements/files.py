"""Reading a file of payouts: every row is checked before any money moves."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from disbursements.amounts import read_amount
from engine.common.errors import InvalidInput, RequestRefused
from engine.rails.operators import GATEWAYS, read_number

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = ["phone", "amount", "gateway", "reference"]
FILE_BYTES_MAX = 10 * 1024 * 1024
ROWS_MAX = 10_000
# Beyond this many bad rows the rest of them say nothing new.
ERRORS_SHOWN_MAX = 100
REFERENCE_LENGTH_MAX = 100
NETWORKS = {network.upper(): network for network in GATEWAYS.values()}


@dataclass(frozen=True, slots=True)
class Row:
    """One good row: `units` of `currency` to a number of `country`, by a network's name."""

    line: int
    phone: str
    country: str
    currency: str
    units: int
    gateway: str
    reference: str


def read_rows(text: str) -> list[dict[str, Any]]:
    """The rows of a file, all of them good; empty lines are none.

    Raises InvalidInput with `errors`: each bad row's line and what is wrong with it.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    errors: list[dict[str, Any]] = []
    try:
        if next(reader, None) != HEADER:
            raise InvalidInput(f"The first line must be {','.join(HEADER)}.")
        for cells in filter(None, reader):
            if len(rows) + len(errors) >= ROWS_MAX:
                raise InvalidInput(f"A file may have at most {ROWS_MAX:,} rows.")
            _read_row(reader.line_num, cells, rows, errors)
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} is not CSV: {error}.") from None
    errors += _twice(rows)
    if errors:
        errors.sort(key=lambda error: error["line"])
        bad = "1 row is" if len(errors) == 1 else f"{len(errors)} rows are"
        raise InvalidInput(
            f"{bad} not valid; nothing was kept.", errors=errors[:ERRORS_SHOWN_MAX]
        )
    if not rows:
        raise InvalidInput("The file has no rows.")
    return [asdict(row) for row in rows]


def _read_row(
    line: int, cells: list[str], rows: list[Row], errors: list[dict[str, Any]]
) -> None:
    if len(cells) != len(HEADER):
        errors.append(
            {"line": line, "message": f"There are {len(cells)} cells, not {len(HEADER)}."}
        )
        return
    try:
        rows.append(_good_row(line, *cells))
    except RequestRefused as refusal:
        errors.append({"line": line, "message": refusal.message})


def _good_row(line: int, phone: str, amount: str, gateway: str, reference: str) -> Row:
    if gateway not in NETWORKS:
        raise InvalidInput(f"The gateways are {', '.join(sorted(NETWORKS))}.")
    if len(reference) > REFERENCE_LENGTH_MAX or not reference.isprintable():
        raise InvalidInput(
            f"A reference has at most {REFERENCE_LENGTH_MAX} characters, all printable."
        )
    number = read_number(phone)
    if not number.currencies:
        raise InvalidInput("Numbers of that country are not paid.")
    # Mobile money pays in the currency of the number's country.
    currency = number.currencies[0]
    return Row(
        line=line,
        phone=number.e164,
        country=number.country,
        currency=currency,
        units=read_amount(amount, currency=currency),
        gateway=NETWORKS[gateway],
        reference=reference,
    )


def _twice(rows: list[Row]) -> Iterator[dict[str, Any]]:
    """One number under one reference in two rows is somebody who would be paid twice."""
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        name = (row.phone, row.reference)
        if row.reference and name in first:
            yield {
                "line": row.line,
                "message": f"Line {first[name]} pays this number under this reference.",
            }
        first.setdefault(name, row.line)
