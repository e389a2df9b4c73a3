"""The curl lines of the documents this API was first published in, sent as printed.

Each is read as a shell would read it; `<token>` and the `<string>`s are filled in, the
host is ours, and nothing else is touched. The answers have the printed members in the
printed order.
"""

import json
import shlex
from urllib.parse import urlsplit

import pytest
from django.test import Client

from tests.cast import EVM, SOLANA

QUOTE_CURL = """
curl --request POST \\
  --url https://api.zopay.cash/connect/v1/payouts/quote \\
  --header 'Authorization: Bearer <token>' \\
  --header 'Content-Type: application/json' \\
  --data '
{
  "external_ref": "<string>",
  "destination": "<string>",
  "asset": "<string>",
  "amount": "<string>",
  "network_hint": "<string>"
}
'
"""
QUOTE_ANSWER = {
    "quote_id": "<string>",
    "expires_at": "2023-11-07T05:31:56Z",
    "user_sends": "<string>",
    "recipient_gets": "<string>",
    "fee_total_usd": "<string>",
    "route": {"from_network": "<string>", "to_network": "<string>", "estimated_seconds": 1},
    "recommendation": {
        "message": "<string>",
        "alternative_route": {
            "network": "<string>",
            "fee_total_usd": "<string>",
            "savings_usd": "<string>",
        },
    },
    "insufficient_funds": {
        "needed": "<string>",
        "asset": "<string>",
        "network_with_lowest_top_up_fee": "<string>",
    },
}
EXECUTE_CURL = """
curl --request POST \\
  --url https://api.zopay.cash/connect/v1/payouts \\
  --header 'Authorization: Bearer <token>' \\
  --header 'Content-Type: application/json' \\
  --data '
{
  "quote_id": "<string>"
}
'
"""
# As printed, but for `status`, which the same page's text requires and its example lacks.
EXECUTE_ANSWER = {
    "id": "<string>",
    "status": "pending",
    "quote": {
        "quote_id": "<string>",
        "user_sends": "<string>",
        "recipient_gets": "<string>",
        "fee_total_usd": "<string>",
        "route": {"from_network": "<string>", "to_network": "<string>", "estimated_seconds": 1},
    },
    "estimated_delivery_at": "2023-11-07T05:31:56Z",
    "tracking_url": "<string>",
}
WANTED = {
    "external_ref": "user-1",
    "destination": EVM,
    "asset": "usdt",
    "amount": "100.00",
    "network_hint": "polygon",
}


def send(curl, *, token, bare=False, **strings):
    """Read a curl command as a shell does, fill in what it leaves open, and send it."""
    words = shlex.split(curl.replace("\\\n", " "))
    options = {}
    for name, value in zip(words[1::2], words[2::2], strict=True):
        options.setdefault(name, []).append(value)
    headers = dict(line.split(": ", 1) for line in options["--header"])
    authorization = headers["Authorization"].replace("<token>", token)
    body = json.loads(options["--data"][0])
    assert set(body.values()) == {"<string>"}
    return Client().generic(
        options["--request"][0],
        urlsplit(options["--url"][0]).path,
        json.dumps({name: strings[name] for name in body}),
        content_type=headers["Content-Type"],
        headers={
            "authorization": authorization.removeprefix("Bearer ") if bare else authorization
        },
    )


def shape(value):
    """Members and their order, and the type of each leaf."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    return type(value).__name__


@pytest.mark.parametrize(
    "bare", [False, True], ids=["as the curl prints it", "as the text says"]
)
def test_the_printed_curls_work_with_a_test_key(test_api, bare):
    quote = send(QUOTE_CURL, token=test_api.key, bare=bare, **WANTED)
    assert quote.status_code == 201

    payout = send(
        EXECUTE_CURL, token=test_api.key, bare=bare, quote_id=quote.json()["quote_id"]
    )
    assert payout.status_code == 201
    assert shape(payout.json()) == shape(EXECUTE_ANSWER)


@pytest.mark.parametrize("bare", [False, True])
def test_an_answer_with_everything_has_the_printed_members_in_the_printed_order(test_api, bare):
    wanted = WANTED | {"amount": "5000", "network_hint": "ethereum"}
    quote = send(QUOTE_CURL, token=test_api.key, bare=bare, **wanted)

    assert quote.status_code == 201
    assert shape(quote.json()) == shape(QUOTE_ANSWER)


@pytest.mark.parametrize(
    ("missing", "change"),
    [
        ("recommendation", {"amount": "5000", "destination": SOLANA}),
        ("insufficient_funds", {}),
    ],
)
def test_what_does_not_apply_is_absent_and_not_null(test_api, funded, missing, change):
    quote = send(QUOTE_CURL, token=test_api.key, **WANTED | change).json()

    expected = {name: value for name, value in QUOTE_ANSWER.items() if name != missing}
    assert shape(quote) == shape(expected)


def test_the_printed_execute_repeated_gives_the_same_payout_in_test_mode(test_api):
    quote = send(QUOTE_CURL, token=test_api.key, **WANTED).json()
    answers = [
        send(EXECUTE_CURL, token=test_api.key, quote_id=quote["quote_id"]) for _ in range(3)
    ]

    assert len({answer.content for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {201}


def test_the_printed_execute_repeated_is_a_conflict_in_live_mode(live_api):
    quote_id = live_api.quote()
    first, second = (
        send(EXECUTE_CURL, token=live_api.key, quote_id=quote_id) for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["code"] == "quote_already_used"


def test_the_printed_quote_asks_a_live_key_for_its_idempotency_key(live_api):
    refused = send(QUOTE_CURL, token=live_api.key, **WANTED)

    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_required")


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}"])
def test_both_forms_of_the_authorization_header_work(test_api, form):
    answer = Client().get(
        "/connect/v1/networks", headers={"authorization": form.format(test_api.key)}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "form", ["Token {}", "Bearer  {}", "Bearer {} ", "Basic {}", "Bearer", ""]
)
def test_no_other_form_does(test_api, form):
    answer = Client().get(
        "/connect/v1/networks", headers={"authorization": form.format(test_api.key)}
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_the_published_lengths_are_the_document_s(client):
    """1 to 255, 128, 64; 2 to 16, the hint or null; quote_id 1 to 128."""
    schemas = client.get("/connect/v1/openapi.json").json()["components"]["schemas"]
    lengths = {
        name: (field.get("minLength"), field.get("maxLength"))
        for name, field in schemas["QuoteRequest"]["properties"].items()
    }

    assert lengths == {
        "external_ref": (1, 255),
        "destination": (1, 128),
        "asset": (2, 16),
        "amount": (1, 64),
        "network_hint": (2, 16),
    }
    assert schemas["QuoteRequest"]["required"] == [
        "amount",
        "asset",
        "destination",
        "external_ref",
    ]
    quote_id = schemas["ExecuteRequest"]["properties"]["quote_id"]
    assert (quote_id["minLength"], quote_id["maxLength"]) == (1, 128)
