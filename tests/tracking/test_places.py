"""What a stranger may know of a destination, and what people call where it is."""

import re

import phonenumbers
import pytest
from django.utils import translation

from engine.rails.networks import NETWORKS
from engine.rails.operators import GATEWAYS
from engine.rails.places import HIDDEN, PLACES, Kind, mask, place_of
from tests.cast import BITCOIN, EVM, SOLANA, TRON

NUMBERS = {
    "+237670006789": "+237 … 789",  # Cameroon
    "+2250701020304": "+225 … 304",  # Côte d'Ivoire, ten digits
    "+221771234567": "+221 … 567",  # Senegal
    "+231881234567": "+231 … 567",  # Liberia
    "+23177123456": "+231 … 56",  # and its shorter ones
    "+46733123454": "+46 … 454",  # MTN's sandbox
    "+27821234567": "+27 … 567",  # South Africa
    "+33612345678": "+33 … 678",
    "+12025550123": "+1 … 123",
    "+79161234567": "+7 … 567",
    "+6812345678": "+681 … 78",  # Wallis and Futuna
    "+29051234": "+290 … 4",  # St Helena: five digits of its own
    "+2904567": "+290 … 7",
    "+882161234567": "+882 … 567",  # satellites
}
# From the IBAN registry's own examples: Norway's are the shortest, Malta's the longest.
IBANS = {
    "NO9386011117947": "NO … 7947",
    "BE68539007547034": "BE … 7034",
    "DE89370400440532013000": "DE … 3000",
    "FR1420041010050500013M02606": "FR … 2606",
    "MT84MALT011000012345MTLCAST001S": "MT … 001S",
    "LC55HEMM000100010012001200023015": "LC … 3015",
    "DE89 3704 0044 0532 0130 00": "DE … 3000",
    "de89370400440532013000": "DE … 3000",
}
ADDRESSES = {
    EVM: ("ethereum", "0x5aAe…eAed"),
    TRON: ("tron", "TJRabP…RTv8"),
    SOLANA: ("solana", "FVen3X…S96Z"),
    BITCOIN: ("bitcoin", "bc1qw5…f3t4"),
}
SHAPELESS = [
    *("", "+", "++237670006789", "237670006789", "+0670006789", "+237", "+23767000678912345"),
    *("+237 670 006 789", "+237670006789\n", "+٢٣٧٦٧٠٠٠٦٧٨٩", "Jeanne Mbarga", EVM),
    *("DE89", "DE893704004405", "DE89-3704-0044-0532-0130-00", "D" * 34, "DE89" + "1" * 31),
]


@pytest.mark.parametrize(("number", "shown"), NUMBERS.items())
def test_a_number_shows_its_country_and_its_end(number, shown):
    assert mask(number, network="mtn_momo") == mask(number, network="orange_money") == shown


@pytest.mark.parametrize(("iban", "shown"), IBANS.items())
def test_an_iban_shows_its_country_and_last_four(iban, shown):
    assert mask(iban, network="sepa") == shown


@pytest.mark.parametrize(
    ("address", "network", "shown"), [(a, *b) for a, b in ADDRESSES.items()]
)
def test_an_address_shows_its_beginning_and_its_end(address, network, shown):
    assert mask(address, network=network) == shown


@pytest.mark.parametrize("text", SHAPELESS)
@pytest.mark.parametrize("network", ["mtn_momo", "orange_money", "sepa"])
def test_what_has_another_shape_is_hidden_whole(text, network):
    assert mask(text, network=network) == HIDDEN


@pytest.mark.parametrize("text", [*NUMBERS, *IBANS, EVM])
def test_of_a_network_that_nobody_knows_nothing_is_shown(text):
    assert mask(text, network="carrier_pigeon") == HIDDEN


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_of_every_country_s_numbers_the_country_and_at_most_a_third_is_shown(region):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    number = number or phonenumbers.example_number(region)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    country, shown = mask(e164, network="mtn_momo").split(f" {HIDDEN} ")
    own = e164.removeprefix(country)

    assert country == f"+{number.country_code}"
    assert 1 <= len(shown) <= min(3, len(own) / 3)
    assert own.endswith(shown)


def test_every_calling_code_is_read_as_the_tables_read_it():
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        assert mask(f"+{code}123456789", network="mtn_momo") == f"+{code} … 789"


def test_every_network_has_a_name_for_people():
    assert set(PLACES) == {*NETWORKS, *GATEWAYS.values(), "sepa"}
    names = {code: place.name for code, place in PLACES.items()}

    assert names["mtn_momo"] == "MTN Mobile Money"
    assert names["orange_money"] == "Orange Money"
    assert names["sepa"] == "Bank transfer (SEPA)"
    assert names["tron"] == "Tron"
    assert len(set(names.values())) == len(PLACES)
    assert not [name for name in names.values() if re.search(r"_|^[a-z]", name)]


def test_only_a_bank_transfer_has_another_name_in_french():
    with translation.override("fr"):
        names = {code: place.name for code, place in PLACES.items()}

    assert names["sepa"] == "Virement bancaire (SEPA)"
    assert {code for code, place in PLACES.items() if names[code] != place.english} == {"sepa"}


def test_only_what_everybody_may_look_at_has_an_explorer():
    assert {code for code, place in PLACES.items() if place.has_explorer} == set(NETWORKS)
    assert place_of("sepa").kind is Kind.BANK
    assert place_of("mtn_momo").kind is Kind.OPERATOR
