"""Addresses, balances, networks, destinations, and the sandbox."""

import re

import pytest

from engine.partners.models import EndUser
from engine.payouts.models import AssetPrice, BlockedDestination, NetworkFee, Payout
from engine.payouts.pricing import forget_prices
from engine.rails.addresses import read_address
from tests.cast import (
    BITCOIN,
    EVM,
    EVM_2,
    SOLANA,
    TRON,
    USDT,
    drain_once,
    footprint,
    fund,
    units_held,
)

ADDRESS = {"asset": "usdt", "network": "Tron", "external_ref": "newcomer", "label": "Till 4"}


# --- addresses -------------------------------------------------------------------


def test_an_address_has_these_members(api):
    answer = api.post("/addresses", ADDRESS)

    address = answer.json()
    assert answer.status_code == 201
    assert list(address) == [
        "id",
        "address",
        "asset",
        "network",
        "external_ref",
        "label",
        "created_at",
    ]
    assert re.fullmatch(r"addr_[0-9a-f]{32}", address["id"])
    assert (address["asset"], address["network"]) == ("USDT", "tron")
    assert read_address(address["address"]).networks == ("tron",)
    assert api.get(f"/addresses/{address['id']}").json() == address


def test_the_same_user_asset_and_network_give_the_same_address_key_or_no_key(test_api):
    first = test_api.post("/addresses", ADDRESS, key=None)
    second = test_api.post("/addresses", ADDRESS | {"label": "other"}, key="k")

    assert (second.status_code, second.json()) == (201, first.json())


def test_an_address_makes_its_user_known(test_api):
    test_api.post("/addresses", ADDRESS)
    body = {"external_ref": "newcomer", "destination": EVM, "asset": "USDT", "amount": "10"}

    assert test_api.post("/payouts/quote", body).status_code == 201


def test_without_a_user_it_is_the_treasury_s(api):
    address = api.post("/addresses", {"asset": "USDT", "network": "tron"}).json()

    assert list(address) == ["id", "address", "asset", "network", "created_at"]
    assert EndUser.objects.filter(external_ref="").count() == 0


def test_a_live_address_needs_an_idempotency_key(live_api):
    refused = live_api.post("/addresses", ADDRESS, key=None)

    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_required")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"asset": "DOGE"}, 422, "asset_unknown"),
        ({"network": "narnia"}, 422, "network_unknown"),
        ({"network": "bitcoin"}, 422, "asset_not_on_network"),
        ({"external_ref": None}, 400, "invalid_input"),
        ({"external_ref": ""}, 400, "invalid_input"),
        ({"label": "a\x07b"}, 400, "invalid_input"),
        ({"label": "x" * 256}, 400, "invalid_input"),
        ({"lable": "x"}, 400, "invalid_input"),
        ({"network": 1}, 400, "invalid_input"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_nobody_is_made(api, change, status, code):
    users = EndUser.objects.count()
    refused = api.post("/addresses", ADDRESS | change)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert EndUser.objects.count() == users


def test_addresses_are_listed_newest_first_and_filtered(test_api):
    ids = [
        test_api.post("/addresses", body).json()["id"]
        for body in (
            {"asset": "USDT", "network": "tron", "external_ref": "a"},
            {"asset": "XAUT", "network": "ethereum", "external_ref": "a"},
            {"asset": "USDT", "network": "tron", "external_ref": "b"},
            {"asset": "USDT", "network": "tron"},
        )
    ][::-1]

    def listed(**query):
        return [row["id"] for row in test_api.get("/addresses", **query).json()["data"]]

    assert listed() == ids
    assert listed(external_ref="a") == [ids[2], ids[3]]
    assert listed(external_ref="a", asset="xaut") == [ids[2]]
    assert listed(network="TRON") == [ids[0], ids[1], ids[3]]
    first = test_api.get("/addresses", limit=3).json()
    assert [row["id"] for row in first["data"]] == ids[:3]
    assert listed(cursor=first["cursor"]) == ids[3:]


# --- balances --------------------------------------------------------------------


def test_a_user_s_balance_in_its_three_forms(funded, live_api):
    fund(funded, livemode=True, external_ref="user-2", network="tron", units=5 * USDT)
    fund(funded, livemode=True, external_ref="user-2", units=7 * USDT)
    live_api.pay()

    by_query = live_api.get("/balances", external_ref="user-1").json()
    by_path = live_api.get("/balances/user-1").json()
    everybody = live_api.get("/balances").json()

    assert by_query["valued_at"].endswith("Z")
    assert by_query | {"valued_at": ""} == {
        "external_ref": "user-1",
        "valued_at": "",
        "balances": [
            {
                "asset": "USDT",
                "network": "ethereum",
                "amount": "900",
                "held": "100",
                "amount_usd": "900.00",
            }
        ],
        "totals": {"usd": "900.00"},
    }
    assert by_path["balances"] == by_query["balances"]
    assert list(everybody) == ["valued_at", "balances", "totals"]
    assert [
        (line["network"], line["amount"], line.get("held")) for line in everybody["balances"]
    ] == [("ethereum", "907", "100"), ("tron", "5", None)]
    assert everybody["totals"] == {"usd": "912.00"}


def test_a_reference_never_seen_is_made_and_holds_nothing(test_api):
    answer = test_api.get("/balances/somebody-new")

    assert (answer.status_code, answer.json()["balances"]) == (200, [])
    assert EndUser.objects.filter(external_ref="somebody-new", livemode=False).count() == 1


def test_a_line_without_a_price_has_no_worth_and_then_there_is_no_total(funded, live_api):
    fund(funded, livemode=True, asset="XAUT", units=1)
    AssetPrice.objects.filter(asset="XAUT").delete()
    forget_prices()
    answer = live_api.get("/balances/user-1").json()

    assert [line.get("amount_usd") for line in answer["balances"]] == ["1000.00", None]
    assert answer["totals"] == {}


def test_worth_is_rounded_down(funded, live_api):
    fund(funded, livemode=True, external_ref="gold", asset="XAUT", units=1)
    AssetPrice.objects.filter(asset="XAUT").update(usd_micros=4_000_999_999)
    forget_prices()

    (line,) = live_api.get("/balances/gold").json()["balances"]
    assert (line["amount"], line["amount_usd"]) == ("0.000001", "0.004")


# --- networks and destinations ---------------------------------------------------


def test_networks_tell_assets_scales_fees_and_what_is_switched_off(test_api):
    NetworkFee.objects.filter(network="tron").update(is_enabled=False)
    forget_prices()
    answer = test_api.get("/networks").json()

    assert answer["assets"][0] == {
        "asset": "USDT",
        "name": "Tether USD",
        "scale": 6,
        "natural_network": "ethereum",
        "networks": [
            *("ethereum", "polygon", "arbitrum", "base"),
            *("avalanche", "optimism", "solana", "tron"),
        ],
    }
    networks = {line["network"]: line for line in answer["networks"]}
    assert networks["polygon"] == {
        "network": "polygon",
        "name": "Polygon",
        "assets": ["USDT", "XAUT"],
        "enabled": True,
        "transfer_fee_usd": "0.01",
        "seconds": 15,
        "as_of": "2026-11-01T00:00:00.000Z",
    }
    assert networks["tron"] == {
        "network": "tron",
        "name": "Tron",
        "assets": ["USDT"],
        "enabled": False,
    }
    assert networks["bitcoin"]["assets"] == []


def check(api, **body):
    answer = api.post("/destinations/check", {"asset": "USDT", "destination": EVM} | body)
    assert answer.status_code == 200, answer.content
    found = answer.json()
    return found, {one["name"] for one in found["checks"] if not one["ok"]}


def test_a_good_destination_is_green_with_every_check_named(test_api):
    before = footprint()
    found, failed = check(test_api, network_hint="polygon", external_ref="user-1")

    assert (found["light"], failed) == ("green", set())
    assert (found["network"], found["address"]) == ("polygon", EVM)
    assert [one["name"] for one in found["checks"]] == [
        "shape",
        "checksum",
        "network",
        "contract",
        "look_alike",
        "blocked",
    ]
    assert footprint() == before


def test_an_address_is_shown_in_its_canonical_spelling(test_api):
    found, failed = check(test_api, destination=EVM.lower())

    assert (found["light"], found["address"], failed) == ("green", EVM, set())
    assert "no checksum" in found["checks"][1]["message"]


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        ({"destination": "hello"}, {"shape"}),
        ({"destination": "0x12"}, {"shape"}),
        ({"destination": EVM.replace("5aA", "5aa")}, {"checksum"}),
        ({"destination": TRON[:-1] + "9"}, {"checksum"}),
        ({"destination": "0xdAC17F958D2ee523a2206206994597C13D831ec7"}, {"contract"}),
        ({"destination": "0x" + "0" * 40}, {"contract"}),
        ({"network_hint": "tron"}, {"network"}),
        ({"asset": "XAUT", "network_hint": "base"}, {"network"}),
        ({"destination": BITCOIN}, {"network"}),
        ({"asset": "XAUT", "destination": SOLANA}, {"network"}),
    ],
)
def test_a_destination_that_would_lose_money_is_red(test_api, body, failed):
    found, why = check(test_api, **body)

    assert (found["light"], why) == ("red", failed)


def test_a_blocked_destination_is_red(test_api):
    BlockedDestination.objects.create(destination=EVM, reason="on a list")

    assert check(test_api, destination=EVM.lower())[1] == {"blocked"}


def test_a_network_that_is_switched_off_is_red(test_api):
    NetworkFee.objects.filter(network="tron").update(is_enabled=False)
    forget_prices()

    assert check(test_api, destination=TRON)[1] == {"network"}


def test_an_address_that_imitates_one_paid_before_is_amber(test_api, live_api):
    test_api.pay()
    imitation = EVM[:6].lower() + "0" * 32 + EVM[-4:].lower()

    found, failed = check(test_api, destination=imitation, external_ref="user-1")
    assert (found["light"], failed) == ("amber", {"look_alike"})
    assert EVM in found["checks"][4]["message"]
    # To another user, in the other mode, and to nobody at all it is one like any other.
    for api, body in (
        (test_api, {"external_ref": "user-2"}),
        (live_api, {"external_ref": "user-1"}),
        (test_api, {}),
    ):
        assert check(api, destination=imitation, **body)[0]["light"] == "green"
    assert check(test_api, destination=EVM_2, external_ref="user-1")[0]["light"] == "green"


def test_an_unknown_asset_is_a_refusal_not_a_light(test_api):
    refused = test_api.post("/destinations/check", {"asset": "DOGE", "destination": EVM})

    assert (refused.status_code, refused.json()["code"]) == (422, "asset_unknown")


# --- the sandbox -----------------------------------------------------------------

DEPOSIT = {"external_ref": "user-9", "asset": "usdt", "network": "tron", "amount": "12.5"}


def test_a_sandbox_deposit_is_credited_at_once(test_api, funded):
    answer = test_api.post("/sandbox/deposits", DEPOSIT)

    deposit = answer.json()
    assert answer.status_code == 201
    assert list(deposit) == [
        "id",
        "type",
        "status",
        "external_ref",
        "asset",
        "network",
        "amount",
        "created_at",
        "ended_at",
    ]
    assert (deposit["status"], deposit["amount"]) == ("confirmed", "12.5")
    assert test_api.get(f"/transactions/{deposit['id']}").json() == deposit
    held = units_held(funded, livemode=False, external_ref="user-9", network="tron")
    assert held == 12_500_000


def test_a_sandbox_deposit_with_a_key_is_credited_once(test_api, funded):
    first = test_api.post("/sandbox/deposits", DEPOSIT, key="k")
    again = test_api.post("/sandbox/deposits", DEPOSIT, key="k")

    assert again.content == first.content
    held = units_held(funded, livemode=False, external_ref="user-9", network="tron")
    assert held == 12_500_000


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": "1e3"}, 422, "amount_invalid"),
        ({"amount": 5}, 400, "invalid_input"),
        ({"network": "bitcoin"}, 422, "asset_not_on_network"),
        ({"asset": "DOGE"}, 422, "asset_unknown"),
        ({"external_ref": "a\x00"}, 400, "invalid_input"),
    ],
)
def test_a_sandbox_deposit_is_as_strict_as_a_payout(test_api, change, status, code):
    before = footprint()
    refused = test_api.post("/sandbox/deposits", DEPOSIT | change)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert footprint() == before


def test_a_payout_that_stays_in_broadcast_arrives_when_told_to(test_api, rail_at_once):
    accepted = test_api.pay(amount="100.03")
    for _ in range(4):
        drain_once()
    assert test_api.get(f"/payouts/{accepted['id']}").json()["status"] == "broadcast"

    advanced = test_api.post(f"/sandbox/payouts/{accepted['id']}/advance", {})
    assert (advanced.status_code, advanced.json()["id"]) == (200, accepted["id"])
    drain_once()
    assert test_api.get(f"/payouts/{accepted['id']}").json()["status"] == "delivered"


def test_a_payout_that_does_not_wait_cannot_be_advanced(test_api, finish):
    accepted = test_api.pay()
    finish()
    refused = test_api.post(f"/sandbox/payouts/{accepted['id']}/advance", {})

    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_advance")
    assert Payout.objects.get().status == "delivered"


def test_an_advance_needs_no_body(test_api, rail_at_once):
    accepted = test_api.pay(amount="100.03")
    drain_once()

    answer = test_api.client.generic(
        "POST",
        f"/connect/v1/sandbox/payouts/{accepted['id']}/advance",
        headers={"authorization": test_api.key},
    )
    assert answer.status_code == 200
