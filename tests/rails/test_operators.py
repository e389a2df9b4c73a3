"""Whose a number is: possible numbers are taken, the country fits, the operator is guessed."""

import subprocess
import sys

import pytest

from engine.rails.errors import DestinationInvalid
from engine.rails.operators import COUNTRY_CURRENCIES, CURRENCIES, GATEWAYS, read_msisdn


@pytest.mark.parametrize(
    ("number", "currency", "country", "operator"),
    [
        ("+237650123456", "XAF", "CM", "mtn"),
        ("+237654123456", "XAF", "CM", "mtn"),
        ("+237655123456", "XAF", "CM", "orange"),
        ("+237671234567", "XAF", "CM", "mtn"),
        ("+237681234567", "XAF", "CM", "mtn"),
        ("+237691234567", "XAF", "CM", "orange"),
        ("+237640123456", "XAF", "CM", "orange"),
        ("+237661234567", "XAF", "CM", "nexttel"),
        # Possible, and nobody's.
        ("+237612345678", "XAF", "CM", ""),
        ("+2250512345678", "XOF", "CI", "mtn"),
        ("+2250712345678", "XOF", "CI", "orange"),
        ("+2290196123456", "XOF", "BJ", "mtn"),
        ("+242061234567", "XAF", "CG", "mtn"),
        ("+221771234567", "XOF", "SN", "orange"),
        ("+256771234567", "UGX", "UG", "mtn"),
        ("+233241234567", "GHS", "GH", "mtn"),
        ("+224661234567", "GNF", "GN", "mtn"),
        ("+231881234567", "LRD", "LR", "mtn"),
        ("+46733123450", "EUR", "SE", ""),
    ],
)
def test_a_number_is_predicted(number, currency, country, operator):
    found = read_msisdn(number, currency=currency)

    assert (found.e164, found.country) == (number, country)
    assert found.operator == operator or (country == "SE" and found.gateway == "")
    assert found.gateway == GATEWAYS.get(operator, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_e164"),
        ("+", "not_e164"),
        ("237650123456", "not_e164"),
        ("00237650123456", "not_e164"),
        ("+237 650 12 34 56", "not_e164"),
        ("+237٦٥٠١٢٣٤٥٦", "not_e164"),
        ("+237650123456\n", "not_e164"),
        ("+2376501", "not_possible"),
        ("+23765012345678", "not_possible"),
        ("+999650123456", "not_possible"),
        ("+0", "not_possible"),
        ("+1" + "2" * 400, "not_possible"),
        ("+33612345678", "currency_mismatch"),
        ("+2250512345678", "currency_mismatch"),
    ],
)
def test_what_cannot_be_paid_in_francs_of_central_africa_is_refused(text, reason):
    with pytest.raises(DestinationInvalid) as refusal:
        read_msisdn(text, currency="XAF")

    assert refusal.value.reason == reason


def test_every_country_is_paid_in_currencies_that_we_know():
    assert {code for codes in COUNTRY_CURRENCIES.values() for code in codes} == set(CURRENCIES)
    assert (CURRENCIES["XAF"], CURRENCIES["XOF"]) == (0, 0)


def test_the_tables_are_loaded_by_who_needs_them_alone():
    code = (
        "import sys, engine.rails.operators, engine.rails.models.momo, engine.rails.momo.hints;"
        "assert not {'phonenumbers', 'web3'} & set(sys.modules)"
    )

    subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {code}"], check=True, timeout=60
    )
