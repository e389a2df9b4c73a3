"""Money is an int of smallest units inside and a decimal string outside."""

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import AmountInvalid
from engine.common.units import UnitsField, divide_up, format_units, format_usd, parse_amount


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1", 1_000_000),
        ("0.000001", 1),
        ("12.50", 12_500_000),
        ("999999999999999999", 999_999_999_999_999_999_000_000),
    ],
)
def test_an_amount_is_read_exactly(text, units):
    assert parse_amount(text, scale=6) == units


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "0.0", "-0", "-1", "+5", " 5 ", "5\n", "5.", ".5", "01", "1e3", "1E3", "1_000",
        "1,000", "0x10", "NaN", "Infinity", "１２", "١٢", "1.0000001", "1000000000000000000",
        "1.2.3", "5\x00", "−5", "½", "1.0000000000000000000",
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_nothing_is_rounded(text):
    with pytest.raises(AmountInvalid):
        parse_amount(text, scale=6)


@given(st.integers(min_value=1, max_value=10**24 - 1), st.integers(min_value=0, max_value=18))
def test_what_is_written_reads_back(units, scale):
    text = format_units(units, scale=scale)

    if len(text.partition(".")[0]) <= 18:
        assert parse_amount(text, scale=scale) == units


@pytest.mark.parametrize(
    ("units", "scale", "text"),
    [(0, 6, "0"), (1, 6, "0.000001"), (12_500_000, 6, "12.5"), (-5, 1, "-0.5"), (7, 0, "7")],
)
def test_units_are_written_without_trailing_zeros(units, scale, text):
    assert format_units(units, scale=scale) == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.00"),
        (1, "0.000001"),
        (1_500_000, "1.50"),
        (24_100_000, "24.10"),
        (123_400, "0.1234"),
    ],
)
def test_dollars_have_two_to_six_decimals(micros, text):
    assert format_usd(micros) == text


@given(st.integers(min_value=0), st.integers(min_value=1))
def test_division_rounds_up(numerator, denominator):
    quotient = divide_up(numerator, denominator)

    assert (quotient - 1) * denominator < numerator <= quotient * denominator


@pytest.mark.parametrize("value", ["1.5", "NaN", "Infinity", "1e39", "-1e39"])
def test_the_domain_refuses_what_is_no_whole_number(db, value):
    with (
        pytest.raises((IntegrityError, DataError)),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT %s::numeric::units", [value])


@pytest.mark.parametrize("value", [0, 1, 10**18, 10**39 - 1, -(10**39) + 1])
def test_the_domain_keeps_every_digit(db, value):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::units", [UnitsField().get_prep_value(value)])
        assert UnitsField().from_db_value(cursor.fetchone()[0]) == value


def test_a_float_is_no_amount_of_money():
    for take in (UnitsField().to_python, UnitsField().get_prep_value):
        with pytest.raises(TypeError):
            take(0.1)
