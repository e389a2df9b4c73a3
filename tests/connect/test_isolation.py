"""What is another's does not exist: the same 404, byte for byte but for the request id."""

import json

import pytest

from engine.common.ids import new_id
from tests.cast import BASE, QUOTE, USDT, footprint, fund, units_held


@pytest.fixture
def theirs(live_api, test_api, finish):
    """What Acme has, in both modes."""
    found = {}
    for mode, api in (("live", live_api), ("test", test_api)):
        payout = api.pay()
        address = api.post(
            "/addresses", {"asset": "USDT", "network": "tron", "external_ref": "user-1"}
        ).json()
        (deposit,) = api.get("/transactions", type="deposit").json()["data"]
        found[mode] = {
            "payout": payout["id"],
            "address": address["id"],
            "deposit": deposit["id"],
            "quote": api.quote(amount="50"),
        }
    return found


STRANGERS = ["other_live_api", "other_test_api", "live_api", "test_api"]
READS = [
    ("/payouts/{payout}", "/payouts/pay_{missing}", "payout_not_found"),
    ("/addresses/{address}", "/addresses/addr_{missing}", "address_not_found"),
    ("/transactions/{payout}", "/transactions/pay_{missing}", "transaction_not_found"),
    ("/transactions/{deposit}", "/transactions/dep_{missing}", "transaction_not_found"),
]


def body_of(answer):
    problem = json.loads(answer.content)
    problem.pop("request_id")
    return answer.status_code, problem


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(("path", "missing", "code"), READS)
def test_reading_what_is_another_s_is_reading_nothing(
    request, theirs, stranger, path, missing, code
):
    api = request.getfixturevalue(stranger)
    # To Acme's own keys it is the other mode's things that are not theirs.
    mode = {"live_api": "test", "test_api": "live"}.get(stranger)
    for owned in theirs.values() if mode is None else [theirs[mode]]:
        seen = body_of(api.get(path.format(**owned)))
        nothing = body_of(api.get(missing.format(missing=new_id().hex)))
        assert seen == nothing
        assert (seen[0], seen[1]["code"]) == (404, code)


@pytest.mark.parametrize("stranger", STRANGERS)
def test_executing_another_s_quote_is_404_and_moves_nothing(request, theirs, stranger):
    api = request.getfixturevalue(stranger)
    mode = {"live_api": "test", "test_api": "live"}.get(stranger)
    before = footprint()

    for owned in theirs.values() if mode is None else [theirs[mode]]:
        refused = api.post("/payouts", {"quote_id": owned["quote"]}, key=None)
        assert (refused.status_code, refused.json()["code"]) == (404, "quote_not_found")
        assert "payout_id" not in refused.json()
    assert footprint() == before


def test_advancing_another_s_payout_is_404(theirs, other_test_api):
    refused = other_test_api.post(f"/sandbox/payouts/{theirs['test']['payout']}/advance", {})
    missing = other_test_api.post(f"/sandbox/payouts/pay_{new_id().hex}/advance", {})

    assert body_of(refused) == body_of(missing)
    assert refused.json()["code"] == "payout_not_found"


@pytest.mark.parametrize("stranger", ["other_live_api", "other_test_api"])
def test_lists_and_sums_hold_nothing_of_another_s(request, theirs, stranger):
    api = request.getfixturevalue(stranger)

    for path in ("/payouts", "/transactions", "/addresses"):
        assert api.get(path).json() == {"data": [], "cursor": None}
        assert api.get(path, external_ref="user-1").json()["data"] == []
    assert api.get("/balances").json()["balances"] == []


def test_a_reference_another_partner_uses_is_another_user(
    funded, other, live_api, other_live_api
):
    fund(other, livemode=True, external_ref="user-1", units=7 * USDT)

    assert other_live_api.get("/balances/user-1").json()["balances"][0]["amount"] == "7"
    assert live_api.get("/balances/user-1").json()["balances"][0]["amount"] == "1000"


def test_a_user_of_one_mode_is_unknown_in_the_other(funded, live_api, test_api):
    fund(funded, livemode=False, external_ref="only-test", units=7 * USDT)
    body = QUOTE | {"external_ref": "only-test", "amount": "5"}

    assert test_api.post("/payouts/quote", body).status_code == 201
    refused = live_api.post("/payouts/quote", body)
    assert (refused.status_code, refused.json()["code"]) == (404, "external_ref_unknown")


def test_another_s_cursor_shows_the_caller_s_own_rows_alone(theirs, live_api, other_live_api):
    live_api.pay()
    cursor = live_api.get("/payouts", limit=1).json()["cursor"]

    assert other_live_api.get("/payouts", cursor=cursor).json()["data"] == []


def test_money_of_the_two_modes_never_meets(live_api, test_api, funded):
    test_api.pay()

    assert units_held(funded, livemode=True) == 1000 * USDT
    assert units_held(funded, livemode=False) == 900 * USDT


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/payouts/nonsense", "payout_not_found"),
        ("/payouts/pay_123", "payout_not_found"),
        ("/payouts/PAY_" + "0" * 32, "payout_not_found"),
        ("/transactions/nonsense", "transaction_not_found"),
        ("/transactions/addr_" + "0" * 32, "transaction_not_found"),
    ],
)
def test_an_id_that_cannot_be_is_one_that_is_not(live_api, path, code):
    answer = live_api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)


@pytest.mark.parametrize("text", ["nonsense", "addr_1", "addr_" + "G" * 32, "pay_" + "0" * 32])
def test_the_malformed_id_of_an_address_is_told_apart(live_api, text):
    answer = live_api.get(f"/addresses/{text}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_address_id")


SCOPES = [
    ("post", "/payouts/quote", "payouts:write"),
    ("post", "/payouts", "payouts:write"),
    ("get", "/payouts", "payouts:read"),
    ("get", "/payouts/pay_0", "payouts:read"),
    ("post", "/destinations/check", "payouts:read"),
    ("post", "/addresses", "addresses:write"),
    ("get", "/addresses", "addresses:read"),
    ("get", "/addresses/addr_0", "addresses:read"),
    ("get", "/balances", "balances:read"),
    ("get", "/balances/user-1", "balances:read"),
    ("get", "/transactions", "transactions:read"),
    ("get", "/transactions/dep_0", "transactions:read"),
    ("post", "/sandbox/deposits", "payouts:write"),
    ("post", "/sandbox/payouts/pay_0/advance", "payouts:write"),
    ("post", "/webhook_endpoints", "webhooks:write"),
    ("get", "/webhook_endpoints", "webhooks:read"),
    ("get", "/webhook_endpoints/whe_0", "webhooks:read"),
    ("patch", "/webhook_endpoints/whe_0", "webhooks:write"),
    ("delete", "/webhook_endpoints/whe_0", "webhooks:write"),
    ("post", "/webhook_endpoints/whe_0/roll_secret", "webhooks:write"),
    ("post", "/webhook_endpoints/whe_0/test", "webhooks:write"),
    ("get", "/events", "webhooks:read"),
    ("get", "/events/evt_0", "webhooks:read"),
    ("post", "/events/resend", "webhooks:write"),
    ("post", "/events/evt_0/resend", "webhooks:write"),
]


@pytest.mark.parametrize(("method", "path", "scope"), SCOPES)
def test_a_key_does_what_its_scopes_say_and_no_more(acme, test_api, mint, method, path, scope):
    from engine.partners.models import ALL_SCOPES

    others = [one for one in ALL_SCOPES if one != scope]
    test_api.key = mint(acme, livemode=False, scopes=others)
    refused = getattr(test_api, method)(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert scope in refused.json()["detail"]

    test_api.key = mint(acme, livemode=False, scopes=[scope])
    assert getattr(test_api, method)(path).status_code != 403


@pytest.mark.parametrize("path", ["/payouts", "/webhook_endpoints", "/events"])
def test_asking_for_the_head_alone_needs_the_same_scope(acme, test_api, mint, path):
    test_api.key = mint(acme, livemode=False, scopes=["balances:read"])
    headers = {"authorization": f"Bearer {test_api.key}"}

    assert test_api.client.head(BASE + path, headers=headers).status_code == 403


def test_without_a_key_every_address_is_the_same_401(test_api):
    test_api.key = "sk_test_nobody"

    for method, path, _ in SCOPES:
        refused = getattr(test_api, method)(path)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        assert refused["WWW-Authenticate"] == 'Bearer realm="zopay"'


@pytest.mark.parametrize("path", ["/sandbox/deposits", "/sandbox/payouts/pay_0/advance"])
def test_the_sandbox_does_not_exist_for_live_keys(acme, live_api, mint, path):
    unknown = live_api.post("/nowhere/at/all", {})
    live_api_without_scopes = type(live_api)(
        mint(acme, livemode=True, scopes=["balances:read"]), livemode=True
    )

    for api in (live_api, live_api_without_scopes):
        assert body_of(api.post(path, {})) == body_of(unknown)
    assert unknown.json()["code"] == "not_found"


def test_a_partner_not_approved_yet_has_test_keys_only(acme, live_api, test_api):
    from engine.partners.key_cache import forget_keys

    acme.is_approved = False
    acme.save()
    forget_keys()

    refused = live_api.get("/networks")
    assert (refused.status_code, refused.json()["code"]) == (403, "partner_not_approved")
    assert test_api.get("/networks").status_code == 200
