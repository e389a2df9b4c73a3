"""POST /payouts/quote, as a client sees it."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.partners.key_cache import forget_keys
from engine.partners.models import FeeSchedule
from engine.payouts.models import BlockedDestination, Quote
from tests.cast import BITCOIN, EVM, QUOTE, SOLANA, TRON, USDT, count, footprint, fund


def test_a_quote_has_the_members_of_the_published_document_in_their_order(live_api):
    answer = live_api.post("/payouts/quote", QUOTE)

    quote = answer.json()
    assert answer.status_code == 201
    assert list(quote) == [
        "quote_id",
        "expires_at",
        "user_sends",
        "recipient_gets",
        "fee_total_usd",
        "route",
    ]
    assert quote | {"quote_id": "", "expires_at": ""} == {
        "quote_id": "",
        "expires_at": "",
        "user_sends": "100",
        "recipient_gets": "98.45",
        "fee_total_usd": "1.55",
        "route": {
            "from_network": "ethereum",
            "to_network": "ethereum",
            "estimated_seconds": 30,
        },
    }
    assert len(quote["quote_id"]) == 78


def test_a_quote_lives_for_a_minute(live_api):
    before = datetime.now(UTC)
    answer = live_api.post("/payouts/quote", QUOTE).json()

    expires_at = datetime.fromisoformat(answer["expires_at"])
    assert answer["expires_at"].endswith("Z")
    assert timedelta(seconds=59) < expires_at - before < timedelta(seconds=65)


def test_a_bridge_is_taken_where_the_funds_are_elsewhere(live_api):
    answer = live_api.post("/payouts/quote", QUOTE | {"network_hint": "polygon"}).json()

    assert answer["route"] == {
        "from_network": "ethereum",
        "to_network": "polygon",
        "estimated_seconds": 90,
    }
    # 1.20 + 0.01 network, 0.25 + 5 bp provider, 0.10 + 25 bp ours.
    assert answer["fee_total_usd"] == "1.86"
    assert answer["recipient_gets"] == "98.14"


def test_a_cheaper_source_is_recommended_with_what_it_saves(live_api):
    answer = live_api.post("/payouts/quote", QUOTE | {"network_hint": "polygon"}).json()

    assert answer["recommendation"] == {
        "message": "You could save $1.50 by funding from Polygon.",
        "alternative_route": {
            "network": "polygon",
            "fee_total_usd": "0.36",
            "savings_usd": "1.50",
        },
    }


def test_a_cheaper_place_to_receive_is_recommended_too(funded, live_api):
    fund(funded, livemode=True, network="polygon", units=1000 * USDT)

    answer = live_api.post("/payouts/quote", QUOTE | {"network_hint": "ethereum"}).json()

    assert answer["route"]["from_network"] == "ethereum"
    assert answer["recommendation"] == {
        "message": "You could save $1.19 by receiving on Polygon.",
        "alternative_route": {
            "network": "polygon",
            "fee_total_usd": "0.36",
            "savings_usd": "1.19",
        },
    }


def test_a_user_without_enough_gets_a_quote_that_says_what_is_missing(live_api):
    answer = live_api.post("/payouts/quote", QUOTE | {"amount": "2000.5"})

    assert answer.status_code == 201
    assert answer.json()["insufficient_funds"] == {
        "needed": "1000.5",
        "asset": "USDT",
        "network_with_lowest_top_up_fee": "polygon",
    }


@pytest.mark.parametrize("asset", ["USDT", "usdt", "uSdT"])
def test_the_asset_may_be_written_in_any_case(live_api, asset):
    assert live_api.post("/payouts/quote", QUOTE | {"asset": asset}).status_code == 201


def test_the_hint_may_be_null_or_absent(live_api):
    without = {name: value for name, value in QUOTE.items() if name != "network_hint"}

    for body in (without, QUOTE | {"network_hint": None}):
        answer = live_api.post("/payouts/quote", body)
        assert answer.json()["route"]["to_network"] == "ethereum"


@pytest.mark.parametrize(("destination", "network"), [(SOLANA, "solana"), (TRON, "tron")])
def test_an_unambiguous_address_ignores_the_hint(live_api, destination, network):
    body = QUOTE | {"destination": destination, "network_hint": "polygon"}

    assert live_api.post("/payouts/quote", body).json()["route"]["to_network"] == network


def test_test_mode_gives_the_same_id_for_the_same_request(test_api):
    first, second = (test_api.post("/payouts/quote", QUOTE).json() for _ in range(2))
    spelled_otherwise = test_api.post("/payouts/quote", QUOTE | {"asset": "usdt"}).json()
    another = test_api.post("/payouts/quote", QUOTE | {"amount": "101"}).json()

    assert first["quote_id"] == second["quote_id"] == spelled_otherwise["quote_id"]
    assert another["quote_id"] != first["quote_id"]


def test_live_mode_gives_a_new_id_every_time(live_api):
    assert live_api.quote() != live_api.quote()


def test_a_test_key_needs_no_idempotency_key_and_a_live_key_does(live_api, test_api):
    assert test_api.post("/payouts/quote", QUOTE, key=None).status_code == 201
    refused = live_api.post("/payouts/quote", QUOTE, key=None)

    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_required")


def test_the_missing_key_is_told_before_the_api_key_is_looked_at(live_api):
    live_api.key = "sk_live_" + "x" * 42
    without = live_api.post("/payouts/quote", QUOTE, key=None)
    malformed = live_api.post("/payouts/quote", QUOTE, key="two words")

    assert without.json()["code"] == "idempotency_key_required"
    assert malformed.json()["code"] == "idempotency_key_invalid"
    assert live_api.post("/payouts/quote", QUOTE).status_code == 401


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"external_ref": "nobody"}, 404, "external_ref_unknown"),
        ({"asset": "DOGE"}, 422, "asset_unknown"),
        ({"asset": "ＵＳＤＴ"}, 422, "asset_unknown"),
        (
            {"destination": "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},
            422,
            "destination_invalid",
        ),
        ({"destination": "hello"}, 422, "destination_invalid"),
        ({"destination": f" {EVM}"}, 422, "destination_invalid"),
        ({"network_hint": "tron"}, 422, "destination_invalid"),
        ({"network_hint": "narnia"}, 422, "destination_invalid"),
        ({"destination": BITCOIN}, 422, "asset_not_on_network"),
        ({"asset": "XAUT", "network_hint": "base"}, 422, "asset_not_on_network"),
        ({"amount": "1.30"}, 422, "amount_too_small"),
        ({"amount": "0.000001"}, 422, "amount_too_small"),
        ({"amount": "1" * 18}, 422, "amount_invalid"),
        ({"external_ref": ""}, 400, "invalid_input"),
        ({"external_ref": "x" * 256}, 400, "invalid_input"),
        ({"destination": "x" * 129}, 400, "invalid_input"),
        ({"asset": "U"}, 400, "invalid_input"),
        ({"asset": "U" * 17}, 400, "invalid_input"),
        ({"network_hint": "e"}, 400, "invalid_input"),
        ({"amount": "1" * 65}, 400, "invalid_input"),
        ({"amount": ""}, 400, "invalid_input"),
        ({"asset": None}, 400, "invalid_input"),
        ({"destination": ["x"]}, 400, "invalid_input"),
        ({"external_ref": 7}, 400, "invalid_input"),
        ({"external_ref": True}, 400, "invalid_input"),
    ],
)
def test_refuses_and_writes_nothing(live_api, change, status, code):
    before = footprint()
    answer = live_api.post("/payouts/quote", QUOTE | change)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert Quote.objects.count() == 0
    kept = 1 if status == 422 else 0
    assert footprint() == before | {"partners_storedanswer": kept}


def test_an_unknown_field_is_refused_by_name(live_api):
    answer = live_api.post("/payouts/quote", QUOTE | {"netwrok_hint": "polygon"})

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "pointer": "/netwrok_hint",
            "code": "unknown_field",
            "message": "There is no such field.",
        }
    ]


def test_every_mistake_is_told_at_once(live_api):
    answer = live_api.post("/payouts/quote", {"amount": 1, "asset": "USDT", "a/b~c": 1})

    found = {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
    assert found == {
        ("/external_ref", "required"),
        ("/destination", "required"),
        ("/amount", "invalid"),
        ("/a~1b~0c", "unknown_field"),
    }


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("１００", "amount_invalid"),
        ("١٠٠", "amount_invalid"),
        ("1e3", "amount_invalid"),
        ("1E3", "amount_invalid"),
        ("1_000", "amount_invalid"),
        ("1,000", "amount_invalid"),
        ("-0", "amount_invalid"),
        ("-5", "amount_invalid"),
        ("+5", "amount_invalid"),
        ("0", "amount_invalid"),
        ("0.0", "amount_invalid"),
        ("05", "amount_invalid"),
        (".5", "amount_invalid"),
        ("5.", "amount_invalid"),
        (" 5", "amount_invalid"),
        ("5 ", "amount_invalid"),
        ("5\n", "amount_invalid"),
        ("5\t", "amount_invalid"),
        ("NaN", "amount_invalid"),
        ("Infinity", "amount_invalid"),
        ("0x10", "amount_invalid"),
        ("1.2.3", "amount_invalid"),
        ("1.0000001", "amount_invalid"),
        ("1.0000000", "amount_invalid"),
        ("1" * 19, "amount_invalid"),
        ("½", "amount_invalid"),
        ("𝟏𝟎𝟎", "amount_invalid"),
        (100, "invalid_input"),
        (100.5, "invalid_input"),
        (True, "invalid_input"),
        (None, "invalid_input"),
        ({"value": "100"}, "invalid_input"),
    ],
)
def test_an_amount_is_what_the_grammar_says_and_nothing_like_it(api, amount, code):
    answer = api.post("/payouts/quote", QUOTE | {"amount": amount})

    assert answer.json()["code"] == code
    assert answer.status_code == (422 if code == "amount_invalid" else 400)
    assert Quote.objects.count() == 0


@pytest.mark.parametrize("amount", ["100", "100.0", "100.000000", "99.999999", "2"])
def test_every_amount_of_the_grammar_is_taken_to_the_last_unit(live_api, amount):
    answer = live_api.post("/payouts/quote", QUOTE | {"amount": amount})

    quote = Quote.objects.get()
    assert answer.status_code == 201
    assert quote.units_sent == quote.units_received + quote.units_fee
    assert quote.units_sent == round(float(amount) * USDT)


@pytest.mark.parametrize("character", ["\x00", "\x01", "\n", "\x7f", "\x9f"])
def test_a_reference_with_a_control_character_is_refused(live_api, character):
    answer = live_api.post("/payouts/quote", QUOTE | {"external_ref": f"user{character}1"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


def test_a_fee_schedule_made_a_moment_ago_prices_at_once(acme, live_api):
    live_api.quote()
    acme.fee_schedule = FeeSchedule.objects.create(
        name="new", fixed_usd_micros=0, basis_points=0
    )
    acme.save()
    forget_keys()

    quote = live_api.post("/payouts/quote", QUOTE).json()
    assert quote["fee_total_usd"] == "1.20"


def test_a_blocked_destination_gets_a_quote_and_no_payout(live_api):
    BlockedDestination.objects.create(destination=EVM, reason="on a list")
    quote_id = live_api.quote()

    answer = live_api.post("/payouts", {"quote_id": quote_id})

    assert (answer.status_code, answer.json()["code"]) == (422, "destination_blocked")
    assert count("payouts_payout") == 0
