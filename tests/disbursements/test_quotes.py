"""POST /quote: fees on top, locked for a quarter of an hour."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from engine.payouts.models import GatewayFee, Quote
from engine.rails.models import MomoAccount
from engine.rails.momo.accounts import connect_account, set_credentials
from tests.cast import footprint
from tests.disbursements.merchant import QUOTE


@pytest.mark.parametrize("path", ["/api/v1/disbursements/quote", "/api/v1/wallets/quote"])
def test_the_published_example_comes_out_by_both_paths(merchant, path):
    asked_at = timezone.now()
    answer = merchant.post("", QUOTE, base=path)

    quote = answer.json()
    assert answer.status_code == 201
    assert list(quote) == [
        "quote_id", "gateway_fee", "platform_fee", "total_amount", "net_to_merchant",
        "expires_at",
    ]  # fmt: skip
    assert quote["gateway_fee"] == "15.00"
    assert quote["platform_fee"] == "10.00"
    assert quote["total_amount"] == "5000.00"
    assert quote["net_to_merchant"] == "-5025.00"
    lives = datetime.fromisoformat(quote["expires_at"]) - asked_at
    assert timedelta(minutes=14, seconds=50) < lives < timedelta(minutes=15, seconds=10)


def test_fees_are_rounded_towards_the_house(merchant):
    quote = merchant.quote(amount="1")

    assert (quote["gateway_fee"], quote["platform_fee"]) == ("1.00", "1.00")
    assert quote["net_to_merchant"] == "-3.00"


def test_the_fee_stays_what_was_quoted(merchant, left):
    quote = merchant.quote()
    GatewayFee.objects.update(gateway_basis_points=5000)
    payout = merchant.execute(quote["quote_id"]).json()

    seen = merchant.get(f"/{payout['payout_id']}").json()["payout"]
    assert seen["totalAmount"] == "5025.00"
    assert left() == 100_000 - 5025


@pytest.mark.parametrize("amount", ["5000", "5000.0", "5000.00"])
def test_a_whole_number_of_francs_may_have_decimals_that_are_none(merchant, amount):
    assert merchant.quote(amount=amount)["total_amount"] == "5000.00"


@pytest.mark.parametrize(
    "amount",
    ["5000.50", "0", "0.00", "-1", "+5", "1e3", "１２", "1_000", " 5 ", "5000.", ".5", "", "05",
     "9" * 19, "NaN", "5,000"],
)  # fmt: skip
def test_an_amount_of_another_form_is_refused(merchant, amount):
    before = footprint()
    answer = merchant.post("/quote", QUOTE | {"amount": amount})

    assert answer.status_code == 400, answer.content
    assert answer.json()["error"] == "Bad Request"
    assert set(answer.json()) <= {"error", "message", "code", "errors"}
    assert footprint() == before
    assert Quote.objects.count() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 5000},
        {"gateway": "mtn_momo"},
        {"gateway": "WAVE"},
        {"currency": "USD"},
        {"currency": "GHS"},
        {"transaction_type": "COLLECTION"},
        {"recipient": {"msisdn": "237670006789"}},
        {"recipient": {"msisdn": "+2376700"}},
        {"recipient": {"msisdn": "+999670006789"}},
        {"recipient": {"msisdn": "+233244000000"}},
        {"recipient": {"msisdn": 237670006789}},
        {"recipient": {}},
        {"recipient": "+237670006789"},
        {"recipient": {"msisdn": "+237670006789", "name": "x"}},
        {"extra": 1},
    ],
)
def test_a_quote_of_another_form_is_refused(merchant, change):
    answer = merchant.post("/quote", QUOTE | change)

    assert answer.status_code in {400, 422}, answer.content
    assert Quote.objects.count() == 0


def test_the_possible_number_of_the_published_page_is_taken(merchant):
    assert merchant.quote(recipient={"msisdn": "+237612345678"})["total_amount"] == "5000.00"


def test_a_float_that_is_too_small_is_quoted_all_the_same(merchant):
    assert merchant.quote(amount="1000000")["net_to_merchant"] == "-1005000.00"


def test_a_gateway_that_is_switched_off_is_no_route(merchant):
    GatewayFee.objects.filter(gateway="mtn_momo").update(is_enabled=False)
    answer = merchant.post("/quote", QUOTE)

    assert (answer.status_code, answer.json()["code"]) == (422, "ROUTE_UNAVAILABLE")
    assert answer.json()["error"] == "Unprocessable Content"
    assert merchant.quote(gateway="ORANGE_MONEY")


@pytest.fixture
def account(db):
    """An account with MTN that pays francs in Cameroon."""
    made = connect_account(name="cm", network="mtn_momo", country="CM", currency="XAF")
    set_credentials(
        account=made,
        base_url="http://127.0.0.1:1",
        target_environment="sandbox",
        api_user="u",
        api_key="k",
        subscription_key="s",
    )
    return made


def test_an_account_pays_its_own_country_and_no_other_is_pretended(merchant, account):
    from engine.payouts.models import Payout

    gabon = merchant.post("/quote", QUOTE | {"recipient": {"msisdn": "+24106030303"}})
    merchant.pay()

    assert (gabon.status_code, gabon.json()["code"]) == (422, "ROUTE_UNAVAILABLE")
    assert Payout.objects.get().rail == "momo"


def test_without_accounts_the_setting_pays_or_nobody(merchant, account, settings):
    from engine.payouts.models import Payout

    MomoAccount.objects.update(is_enabled=False)
    merchant.pay()
    assert Payout.objects.get().rail == "simulated"

    settings.PAYOUT_RAIL = ""
    answer = merchant.post("/quote", QUOTE)
    assert (answer.status_code, answer.json()["code"]) == (422, "ROUTE_UNAVAILABLE")
