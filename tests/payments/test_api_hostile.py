"""Whatever is sent, the answer is a 4xx problem in our own words, never a 5xx."""

import json

import pytest

from tests.payments.api_cast import BODY, Shop, assert_is_problem, make_token, traces

pytestmark = pytest.mark.django_db

TEXT = json.dumps(BODY)
BODIES = {
    "NUL escaped": TEXT.replace("EUR", "E\\u0000R"),
    "NUL raw": TEXT.replace("EUR", "E\x00R"),
    "NUL in metadata": TEXT[:-1] + ',"metadata":{"a\\u0000":1}}',
    "lone surrogate": TEXT[:-1] + ',"description":"\\ud800"}',
    "lone surrogate in metadata": TEXT[:-1] + ',"metadata":{"a":{"b":"\\udfff"}}}',
    "surrogate as a name": '{"\\ud800": 1}',
    "surrogate bytes": TEXT.encode().replace(b"EUR", b"\xed\xa0\x80"),
    "deep arrays": "[" * 30_000 + "]" * 30_000,
    "deep metadata": TEXT[:-1] + ',"metadata":' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
    "33 levels of metadata": TEXT[:-1] + ',"metadata":' + '{"a":' * 33 + "1" + "}" * 33 + "}",
    "member twice": TEXT[:-1] + ',"amount":"1"}',
    "member twice in metadata": TEXT[:-1] + ',"metadata":{"a":1,"a":2}}',
    "not UTF-8": b'{"amount":"\xff\xfe"}',
    "UTF-16": TEXT.encode("utf-16"),
    "a mark before": b"\xef\xbb\xbf" + TEXT.encode(),
    "65 KB": json.dumps(BODY | {"description": "x" * 65 * 1024}),
    "1 MB": b" " * 1024 * 1024,
    "NaN": TEXT[:-1] + ',"metadata":{"a":NaN}}',
    "infinity": TEXT[:-1] + ',"metadata":{"a":-Infinity}}',
    "huge exponent": TEXT[:-1] + ',"metadata":{"a":1e999}}',
    "huge exponent deep": TEXT[:-1] + ',"metadata":{"a":{"b":[-1e999]}}}',
    "5,000 digits": TEXT[:-1] + ',"metadata":{"a":' + "9" * 5000 + "}}",
    "20 digits": TEXT[:-1] + ',"metadata":{"a":' + "9" * 20 + "}}",
    "two documents": TEXT + TEXT,
    "trailing comma": TEXT[:-1] + ",}",
    "comment": "// hi\n" + TEXT,
    "string": '"payout"',
    "number": "1",
    "null": "null",
    "list": "[]",
    "list of one": f"[{TEXT}]",
    "empty object": "{}",
    "spaces": "   ",
    "nothing": "",
    "HTML": "<html>",
}
TYPES = [
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
    *("application/xml", "application/merge-patch+json", "", "nonsense"),
]


@pytest.fixture
def shop(till):
    return Shop(make_token(till.partner, livemode=till.livemode))


@pytest.fixture
def paths(shop):
    return ["/api/payments", f"/api/payments/{shop.make(amount='3.00')['id']}"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_body_breaks_the_house(shop, paths, body):
    before = traces()
    for path in paths:
        if path != "/api/payments" and body in {"", "{}"}:
            # An empty state is a look at where the payment stands.
            continue
        answer = shop.post(path, raw=body)
        assert_is_problem(answer)
        assert 400 <= answer.status_code < 500
    assert traces() == before


@pytest.mark.parametrize("content_type", TYPES)
def test_only_json_is_read(shop, paths, content_type):
    before = traces()
    for path in paths:
        answer = shop.client.post(
            path,
            TEXT,
            content_type=content_type,
            headers={"authorization": f"Bearer {shop.token}"},
        )
        assert_is_problem(answer, 415, "unsupported_media_type")
    assert traces() == before


IDS = [
    "pay_", "pay", "x", "%20", "..", "%2e%2e", "pay_" + "0" * 32, "PAY_" + "0" * 26,
    "pay_" + "0" * 25, "pay_" + "0" * 27, "pay_" + "u" * 26, "pay_" + "O" * 26,
    "pay_" + "0" * 26 + "%0a", "pay_" + "%F0%9F%99%82" * 3, "pay_%EF%BC%90" + "0" * 25,
    "' OR 1=1 --", "pay_" + "0" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("payment_id", IDS)
def test_no_id_breaks_the_house(shop, payment_id):
    for answer in (shop.get(f"/api/payments/{payment_id}"), shop.step(payment_id)):
        assert_is_problem(answer)
        assert answer.status_code in {400, 404}


@pytest.mark.parametrize(
    "path",
    ["/api/payments/", "/api/payments/a/b", "/api/views/", "/api/views/x", "/api/payments//"],
)
def test_every_other_address_is_a_404_in_the_api_s_words(shop, path):
    for answer in (shop.get(path), shop.post(path)):
        assert_is_problem(answer, 404, "not_found")


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_no_other_method_is_known(shop, paths, method):
    for path in (*paths, "/api/views"):
        answer = getattr(shop.client, method)(
            path, headers={"authorization": f"Bearer {shop.token}"}
        )
        assert_is_problem(answer, 405, "method_not_allowed")


def test_a_stranger_learns_nothing_of_what_she_sent(shop, paths):
    stranger = Shop("tk_live_" + "0" * 42)
    for path in paths:
        for body in ("{}", "<html>", "[" * 30_000):
            assert_is_problem(stranger.post(path, raw=body), 401, "unauthorized")


QUERIES = [
    {"cursor": "x"}, {"cursor": "A" * 54}, {"cursor": "é" * 54}, {"cursor": ""},
    {"limit": "0"}, {"limit": "201"}, {"limit": "-1"}, {"limit": "1e2"}, {"limit": "１"},
    {"from": "yesterday"}, {"from": "2026-13-01"}, {"to": "0001-01-01T00:00:00+14:00"},
    {"status": "paid"}, {"externalId": ""}, {"externalId": "x" * 256}, {"unknown": "1"},
    {"limit": ["1", "2"]},
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_breaks_the_list(shop, query):
    assert_is_problem(shop.get(**query), 400, "invalid_input")


@pytest.mark.parametrize(
    "query",
    [
        {}, {"type": "payin"}, {"type": ""}, {"type": "payout", "currency": "eur"},
        {"type": "payout", "lang": "xx"}, {"type": "payout", "x": "1"}, {"type": ["payout"] * 2},
    ],
)  # fmt: skip
def test_no_query_breaks_the_views(shop, query):
    assert_is_problem(shop.get("/api/views", **query), 400, "invalid_input")


def test_a_post_takes_no_query(shop):
    before = traces()
    assert_is_problem(shop.post("/api/payments?type=payout"), 400, "invalid_input")
    assert traces() == before


def test_a_header_of_5000_characters_is_refused(shop):
    before = traces()
    assert_is_problem(shop.ask(key="x" * 5000), 400, "invalid_input")
    assert traces() == before
