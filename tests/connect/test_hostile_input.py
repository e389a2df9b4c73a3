"""Whatever is sent, the answer is a 4xx problem in our own words, never a 5xx."""

import json

import pytest

from tests.cast import BASE, EVM, QUOTE, footprint

QUOTE_TEXT = json.dumps(QUOTE)
BODIES = {
    "NUL escaped": QUOTE_TEXT.replace("user-1", "user\\u0000"),
    "NUL raw": QUOTE_TEXT.replace("user-1", "user\x00"),
    "lone high surrogate": QUOTE_TEXT.replace("user-1", "user\\ud800"),
    "lone low surrogate": QUOTE_TEXT.replace("user-1", "user\\udfff"),
    "surrogate as a key": '{"\\ud800": 1}',
    "surrogate bytes": QUOTE_TEXT.encode().replace(b"user-1", b"\xed\xa0\x80"),
    "deep arrays": "[" * 30_000 + "]" * 30_000,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "33 levels": QUOTE_TEXT[:-1] + ',"x":' + "[" * 33 + "]" * 33 + "}",
    "only opening": "[" * 60_000,
    "duplicate member": QUOTE_TEXT[:-1] + ',"amount":"1"}',
    "duplicate deep": '{"a":[{"b":1,"b":2}]}',
    "not UTF-8": b'{"amount":"\xff\xfe"}',
    "UTF-16": QUOTE_TEXT.encode("utf-16"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + QUOTE_TEXT.encode(),
    "65 KB": json.dumps(QUOTE | {"external_ref": "x" * 65 * 1024}),
    "1 MB": b" " * 1024 * 1024,
    "NaN": '{"amount":NaN}',
    "infinity": '{"amount":-Infinity}',
    "huge number": '{"amount":' + "9" * 5000 + "}",
    "huge exponent": '{"amount":1e999999}',
    "20 digits": '{"amount":99999999999999999999}',
    "float": QUOTE_TEXT.replace('"100"', "100.0"),
    "two documents": QUOTE_TEXT + QUOTE_TEXT,
    "trailing comma": QUOTE_TEXT[:-1] + ",}",
    "single quotes": "{'amount':'1'}",
    "comment": "// hi\n" + QUOTE_TEXT,
    "string": '"quote"',
    "number": "1",
    "null": "null",
    "list": "[]",
    "empty object": "{}",
    "spaces": "   ",
    "HTML": "<html>",
}
PATHS = ("/payouts/quote", "/payouts", "/addresses", "/destinations/check", "/sandbox/deposits")


def assert_is_problem(answer):
    assert 400 <= answer.status_code < 500, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer["Request-Id"]
    assert problem["type"].endswith(f"/docs/errors#{problem['code']}")
    assert {"title", "detail", "retryable"} <= set(problem)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_body_breaks_the_house(test_api, path, body):
    before = footprint()
    assert_is_problem(test_api.post(path, raw=body))
    assert footprint() == before


def test_what_is_too_large_says_so(test_api):
    answer = test_api.post("/payouts/quote", raw=BODIES["65 KB"])

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_body_of_just_64_kb_is_read(test_api):
    padded = QUOTE_TEXT + " " * (64 * 1024 - len(QUOTE_TEXT))

    assert len(padded) == 64 * 1024
    assert test_api.post("/payouts/quote", raw=padded).status_code == 201
    assert test_api.post("/payouts/quote", raw=padded + " ").status_code == 413


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json-patch+json",
        "",
        "nonsense",
    ],
)
def test_only_json_is_read(test_api, content_type):
    answer = test_api.client.post(
        f"{BASE}/payouts/quote",
        QUOTE_TEXT,
        content_type=content_type,
        headers={"authorization": f"Bearer {test_api.key}"},
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_content_type_may_name_its_charset(test_api):
    answer = test_api.client.post(
        f"{BASE}/payouts/quote",
        QUOTE_TEXT,
        content_type="Application/JSON; charset=utf-8",
        headers={"authorization": f"Bearer {test_api.key}"},
    )

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "path",
    [
        "/payouts/%00",
        "/payouts/pay_%00",
        "/balances/%00",
        "/balances/user%001",
        "/balances/%0a",
        "/addresses/%00",
        "/transactions/%00",
        "/payouts?cursor=%00",
        "/balances?external_ref=%00",
        "/balances?external_ref=a%0ab",
        "/transactions?type=%00",
        "/payouts?external_ref=%01",
        "/balances/" + "x" * 256,
        "/payouts?limit=%EF%BC%91",
    ],
)
def test_no_address_breaks_the_house(test_api, path):
    answer = test_api.client.get(
        BASE + path, headers={"authorization": f"Bearer {test_api.key}"}
    )

    assert_is_problem(answer)


@pytest.mark.parametrize("path", ["/balances/%ED%A0%80", "/balances/%FF", "/balances/a%2Fb"])
def test_any_other_reference_is_a_reference(test_api, path):
    answer = test_api.client.get(
        BASE + path, headers={"authorization": f"Bearer {test_api.key}"}
    )

    assert answer.status_code == 200
    assert answer.json()["balances"] == []


def test_a_reference_with_a_slash_is_one_reference(test_api):
    assert (
        test_api.get("/balances/team/a?b".replace("?", "%3F")).json()["external_ref"]
        == "team/a?b"
    )


@pytest.mark.parametrize(
    "name", ["idempotency-key", "authorization", "user-agent", "x-anything"]
)
def test_a_header_of_5000_characters_is_refused(test_api, name):
    answer = test_api.post("/payouts/quote", QUOTE, headers={name: "x" * 5000})

    assert_is_problem(answer)
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["idempotency-key", "authorization", "user-agent"])
@pytest.mark.parametrize("value", ["a\x00b", "a\x0bb", "a\x7fb"])
def test_a_header_with_a_control_character_is_refused(test_api, name, value):
    answer = test_api.post("/payouts/quote", QUOTE, headers={name: value})

    assert_is_problem(answer)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize("path", ["/payouts", "/payouts/quote", "/balances", "/networks"])
def test_a_method_that_is_not_there_is_405(test_api, method, path):
    answer = getattr(test_api.client, method)(
        BASE + path, headers={"authorization": f"Bearer {test_api.key}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "OPTIONS" not in answer["Allow"]


@pytest.mark.parametrize("path", ["/", "/nothing", "/payouts/", "/payouts/a/b", "/v2"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_address_is_a_problem_too(test_api, method, path):
    answer = getattr(test_api, method)(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1.0"}, "limit"),
        ({"limit": "1e1"}, "limit"),
        ({"limit": "１"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": " 5"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-13-01"}, "from"),
        ({"from": "2026-01-01T00:00:00"}, "from"),
        ({"from": "２０２６-01-01"}, "from"),
        ({"to": "0000-01-01"}, "to"),
        ({"to": "0001-01-01T00:00:00+14:00"}, "to"),
        ({"to": "20260101T000000Z"}, "to"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "A" * 54}, "cursor"),
        ({"cursor": "é" * 54}, "cursor"),
        ({"external_ref": ""}, "external_ref"),
        ({"external_ref": "x" * 256}, "external_ref"),
        ({"offset": "10"}, "offset"),
    ],
)
@pytest.mark.parametrize("path", ["/payouts", "/transactions"])
def test_a_query_that_is_not_valid_names_its_parameter(test_api, path, query, name):
    answer = test_api.get(path, **query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert [error["parameter"] for error in answer.json()["errors"]] == [name]


@pytest.mark.parametrize("path", ["/payouts", "/networks", f"/balances/{EVM}"])
def test_a_parameter_given_twice_or_to_the_wrong_address_is_refused(test_api, path):
    answer = test_api.client.get(
        f"{BASE}{path}?limit=1&limit=2", headers={"authorization": f"Bearer {test_api.key}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


def test_an_error_of_ours_is_a_problem_without_a_secret(test_api, monkeypatch):
    from connect.views import destinations

    def break_down():
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(destinations, "price_book", break_down)
    test_api.client.raise_request_exception = False
    answer = test_api.get("/networks")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer["Request-Id"]
    assert b"swordfish" not in answer.content


def test_a_database_that_is_away_is_503_and_worth_another_try(test_api, monkeypatch):
    from django.db import OperationalError

    from connect.views import destinations

    def go_away():
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(destinations, "price_book", go_away)
    answer = test_api.get("/networks")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (answer["Retry-After"], answer.json()["retryable"]) == ("1", True)
