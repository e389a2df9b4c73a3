"""Ways of being paid: offered while they could pay, and answers read as people write them."""

from datetime import timedelta

import phonenumbers
import pytest
from django.utils import timezone, translation

from engine.payouts.models import AssetPrice, GatewayFee, NetworkFee
from engine.rails.operators import COUNTRY_CURRENCIES
from payments.methods import DetailsInvalid, methods_for, read_details, written
from payments.mobile_money import COUNTRY_NAMES, CURRENCIES
from payments.models import Payment
from payments.payees import Payee
from tests.cast import BITCOIN, EVM, SOLANA, TRON
from tests.payments.form_cast import rates_of_today

pytestmark = pytest.mark.django_db
IBAN = "DE89370400440532013000"


@pytest.fixture(autouse=True)
def _rates():
    rates_of_today()


def owed(currency, **more):
    return Payment(currency=currency, units=10_000, **{"livemode": False} | more)


def offered(currency, **more):
    return [method.code for method in methods_for(owed(currency, **more))]


def field(currency, code, name):
    method = next(one for one in methods_for(owed(currency)) if one.code == code)
    return next(one for one in method.fields if one.name == name)


def refused(currency, method, **raw):
    with pytest.raises(DetailsInvalid) as refusal:
        read_details(owed(currency), method, raw)
    return refusal.value.errors


# --- What is offered ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "codes"),
    [
        ("XAF", ["mobile_money", "stablecoin"]),
        ("XOF", ["mobile_money", "stablecoin"]),
        ("EUR", ["bank_transfer", "stablecoin"]),
        ("GHS", []),
    ],
)
def test_a_currency_is_paid_the_ways_that_pay_it(currency, codes):
    assert offered(currency) == codes


def test_a_price_of_yesterday_offers_no_stablecoin(settings):
    AssetPrice.objects.filter(asset="XAF").update(
        as_of=timezone.now() - timedelta(hours=settings.RATE_HOURS_MAX, seconds=1)
    )
    assert offered("XAF") == ["mobile_money"]
    AssetPrice.objects.filter(asset="USDT").update(as_of=timezone.now() - timedelta(days=2))
    assert offered("EUR") == ["bank_transfer"]


def test_what_is_switched_off_is_not_offered():
    GatewayFee.objects.filter(currency="XAF", gateway="mtn_momo").update(is_enabled=False)
    assert [one.value for one in field("XAF", "mobile_money", "gateway").choices] == [
        "",
        "orange_money",
    ]
    GatewayFee.objects.update(is_enabled=False)
    NetworkFee.objects.exclude(network="tron").update(is_enabled=False)
    assert offered("XAF") == offered("EUR") == ["stablecoin"]
    assert [one.value for one in field("EUR", "stablecoin", "network").choices] == ["tron"]
    NetworkFee.objects.update(is_enabled=False)
    assert offered("EUR") == []


def test_live_money_is_not_offered_over_rails_that_are_not_there(settings):
    settings.PAYOUT_RAIL = ""

    assert offered("XAF", livemode=True) == offered("EUR", livemode=True) == []


def test_networks_stand_cheapest_first_with_their_price():
    choices = field("EUR", "stablecoin", "network").choices

    assert [choice.value for choice in choices][-2:] == ["tron", "ethereum"]
    assert choices[-1].note == "ERC-20, about 1.20 USD"
    assert choices[0].note == "about 0.01 USD"
    assert choices[-1].label == "Ethereum"


def test_every_country_of_the_currencies_has_a_name_in_both_languages():
    paid = {
        country
        for country, currencies in COUNTRY_CURRENCIES.items()
        if CURRENCIES.intersection(currencies)
    }
    assert paid == set(COUNTRY_NAMES)
    with translation.override("fr"):
        assert str(COUNTRY_NAMES["CM"]) == "Cameroun"
        assert [one.label for one in field("XAF", "mobile_money", "country").choices] == sorted(
            str(COUNTRY_NAMES[one]) for one in ("CM", "CF", "CG", "GA", "GQ", "TD")
        )


# --- Numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "+237677123456",
        "+237 6 77 12 34 56",
        "677123456",
        "677-12-34-56",
        "6 77.12.34.56",
        "00237 677 123 456",
        "237677123456",
        "(+237) 677123456",
        "\u202a+237 677\u00a0123\u2011456\u202c",
        "+２３７６７７１２３４５６",
    ],
)
def test_a_number_is_taken_as_people_write_it(text):
    assert read_details(
        owed("XAF"), "mobile_money", {"country": "CM", "number": text}
    ) == Payee("mtn_momo", "XAF", "+237677123456", "CM")


def test_an_international_number_needs_no_country_and_wins_over_one():
    assert read_details(owed("XAF"), "mobile_money", {"number": "+237 699 12 34 56"}) == Payee(
        "orange_money", "XAF", "+237699123456", "CM"
    )
    wrong = {"country": "TD", "number": "+237 699 12 34 56"}
    assert read_details(owed("XAF"), "mobile_money", wrong).country == "CM"


def test_the_operator_may_be_named_since_numbers_are_carried_over():
    raw = {"country": "CM", "number": "677123456", "gateway": "orange_money"}

    assert read_details(owed("XAF"), "mobile_money", raw).network == "orange_money"


@pytest.mark.parametrize("country", sorted(COUNTRY_NAMES))
def test_the_example_of_every_country_is_read_in_national_form(country):
    (currency,) = COUNTRY_CURRENCIES[country]
    mobile = phonenumbers.PhoneNumberType.MOBILE
    example = phonenumbers.example_number_for_type(country, mobile)
    national, e164 = (
        phonenumbers.format_number(example, style)
        for style in (
            phonenumbers.PhoneNumberFormat.NATIONAL,
            phonenumbers.PhoneNumberFormat.E164,
        )
    )
    raw = {"country": country, "number": national, "gateway": "orange_money"}

    assert read_details(owed(currency), "mobile_money", raw).destination == e164


@pytest.mark.parametrize(
    ("number", "field_name", "words"),
    [
        ("", "number", "Write the number"),
        ("67712345", "number", "too short"),
        ("+237 67712345", "number", "too short"),
        ("6771234567", "number", "too long"),
        ("+2376771234567", "number", "too long"),
        ("call me", "number", "digits alone"),
        ("677123456;", "number", "digits alone"),
        ("+" * 200, "number", "digits alone"),
        ("+999 677123456", "number", "No country"),
        ("+33 6 12 34 56 78", "number", "another country"),
        ("+233 24 123 4567", "number", "another country"),
        ("610123456", "gateway", "We cannot tell the operator"),
        ("622123456", "gateway", "seems to be with Camtel"),
    ],
)
def test_a_number_that_cannot_be_paid_is_told_how_to_mend(number, field_name, words):
    errors = refused("XAF", "mobile_money", country="CM", number=number)

    assert list(errors) == [field_name]
    assert words in errors[field_name]


def test_a_national_number_without_a_country_asks_for_it():
    assert refused("XAF", "mobile_money", number="677123456") == {
        "country": "Choose the country of the number."
    }


def test_an_operator_that_we_cannot_pay_is_named():
    GatewayFee.objects.filter(gateway="orange_money").update(is_enabled=False)
    errors = refused("XAF", "mobile_money", country="CM", number="699123456")

    assert "seems to be with Orange Money" in errors["gateway"]
    assert refused(
        "XAF", "mobile_money", country="CM", number="699123456", gateway="orange_money"
    ) == {"gateway": "Orange Money cannot be paid in Cameroon just now. Choose another."}
    assert refused("XAF", "mobile_money", country="CM", number="699123456", gateway="wave") == {
        "gateway": "Choose one of the operators."
    }


# --- IBANs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        IBAN,
        "DE89 3704 0044 0532 0130 00",
        "de89-3704-0044-0532-0130-00",
        "\u200bDE89\u00a03704\u20090044\u20110532 0130 00 ",
    ],
)
def test_an_iban_is_taken_as_people_write_it(text):
    raw = {"holder": "  Ada\u202e  Müller ", "iban": text}

    assert read_details(owed("EUR"), "bank_transfer", raw) == Payee(
        "sepa", "EUR", IBAN, "DE", "Ada Müller"
    )


@pytest.mark.parametrize(
    ("iban", "words"),
    [
        ("", "Write the IBAN"),
        ("370400440532013000", "two letters"),
        ("DE89 3704 0044 0532 0130 0!", "two letters"),
        ("DE88370400440532013000", "typing error"),
        ("DE89370400440532031000", "typing error"),
        ("DE8937040044053201300", "DE has 22 characters, not 21"),
        ("XY89370400440532013000", "begin with XY"),
        ("CM2110003001000500000605306", "not reached"),
    ],
)
def test_an_iban_that_cannot_be_paid_is_told_how_to_mend(iban, words):
    errors = refused("EUR", "bank_transfer", holder="Ada", iban=iban)

    assert list(errors) == ["iban"]
    assert words in errors["iban"]


def test_every_wrong_answer_is_told_at_once():
    assert set(refused("EUR", "bank_transfer", holder=" ", iban="")) == {"holder", "iban"}
    assert set(refused("EUR", "bank_transfer", holder="A" * 71, iban=IBAN)) == {"holder"}
    assert set(refused("EUR", "bank_transfer", holder="12 34", iban=IBAN)) == {"holder"}


# --- Addresses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "network", "address"),
    [
        ({"network": "polygon", "address": EVM}, "polygon", EVM),
        ({"network": "base", "address": EVM.lower()}, "base", EVM),
        ({"network": "tron", "address": f" {TRON}\n"}, "tron", TRON),
        ({"address": TRON}, "tron", TRON),
        ({"network": "solana", "address": SOLANA}, "solana", SOLANA),
    ],
)
def test_an_address_is_read_for_its_network(raw, network, address):
    assert read_details(owed("EUR"), "stablecoin", raw) == Payee(network, "USDT", address)


@pytest.mark.parametrize(
    ("raw", "field_name", "words"),
    [
        ({"network": "tron", "address": ""}, "address", "Paste the address"),
        ({"network": "tron", "address": "hello"}, "address", "no address that we know"),
        ({"network": "base", "address": EVM[:-1] + "D"}, "address", "character"),
        ({"network": "base", "address": EVM[:-1]}, "address", "too short"),
        ({"network": "tron", "address": EVM}, "address", "of Ethereum, and you have chosen"),
        ({"network": "base", "address": TRON}, "address", "This is an address of Tron"),
        ({"address": EVM}, "network", "Choose the network"),
        ({"address": BITCOIN}, "network", "cannot be paid"),
        ({"network": "mars", "address": EVM}, "address", "Choose the network"),
        ({"network": "base", "address": "0x" + "0" * 40}, "address", "Nobody owns"),
        (
            {"network": "tron", "address": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"},
            "address",
            "belongs to a program",
        ),
    ],
)
def test_an_address_that_cannot_be_paid_is_told_how_to_mend(raw, field_name, words):
    errors = refused("EUR", "stablecoin", **raw)

    assert list(errors) == [field_name]
    assert words in errors[field_name]


# --- All of them -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bank_transfer", "cash", "", "../admin"])
def test_a_way_that_does_not_pay_the_currency_is_refused(method):
    assert list(refused("XAF", method, iban=IBAN, holder="Ada")) == ["method"]


@pytest.mark.parametrize(
    ("currency", "method", "raw", "fields"),
    [
        (
            "XAF",
            "mobile_money",
            {"country": "CM", "number": "677123456"},
            {"country": "CM", "number": "+237 6 77 12 34 56", "gateway": "mtn_momo"},
        ),
        (
            "EUR",
            "bank_transfer",
            {"holder": "Ada", "iban": IBAN.lower()},
            {"holder": "Ada", "iban": "DE89 3704 0044 0532 0130 00"},
        ),
        (
            "EUR",
            "stablecoin",
            {"address": TRON},
            {"network": "tron", "address": TRON},
        ),
    ],
)
def test_what_was_read_is_written_back_in_groups_and_reads_the_same(
    currency, method, raw, fields
):
    payee = read_details(owed(currency), method, raw)

    assert written(payee, method) == fields
    assert read_details(owed(currency), method, fields) == payee
