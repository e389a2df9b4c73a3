"""Whatever is sent, and signed, the answer is a 4xx in this API's own shape."""

import json

import pytest

from tests.cast import footprint
from tests.connect.test_hostile_input import BODIES
from tests.disbursements.merchant import BASE, QUOTE, multipart

PATHS = ("/quote", "/execute", "/bulk")


def assert_is_refusal(answer, *statuses):
    assert 400 <= answer.status_code < 500, answer.content
    assert not statuses or answer.status_code in statuses, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert {"error", "message", "code"} <= set(body)
    assert body["code"] == body["code"].upper()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_body_breaks_the_house(merchant, path, body):
    before = footprint()
    raw = body if isinstance(body, bytes) else body.encode()

    assert_is_refusal(merchant.post(path, raw=raw))
    assert footprint() == before


def test_64_kb_are_read_and_a_byte_more_is_not(merchant):
    text = json.dumps(QUOTE).encode()
    padded = text + b" " * (64 * 1024 - len(text))

    assert merchant.post("/quote", raw=padded).status_code == 201
    assert_is_refusal(merchant.post("/quote", raw=padded + b" "), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "multipart/form-data"])
def test_only_json_is_read(merchant, kind):
    answer = merchant.post("/quote", QUOTE, kind=kind)

    assert_is_refusal(answer, 415)
    assert answer.json()["error"] == "Unsupported Media Type"


@pytest.mark.parametrize("key", ["", "k" * 256, None, 1, ["k"], {"k": 1}])
def test_an_idempotency_key_of_another_form_is_refused(merchant, key):
    quote = merchant.quote()["quote_id"]
    before = footprint()
    answer = merchant.post(
        "/execute", {"quote_id": quote, "idempotency_key": key, "recipient": QUOTE["recipient"]}
    )

    assert_is_refusal(answer, 400)
    assert footprint() == before


@pytest.mark.parametrize(
    "path",
    ["/%00", "/pay_%00", "/pay_x", "/pay_" + "0" * 31, "/pay_" + "G" * 32, "/a/b/c", "/execute",
     "/quote", "/%ED%A0%80", "/bulk/x", "/bulk/batch_%00", "/" + "x" * 3000],
)  # fmt: skip
def test_no_address_breaks_the_house(merchant, path):
    headers = merchant.signed("GET", BASE + path)

    assert_is_refusal(merchant.send("GET", BASE + path, headers=headers), 400, 401, 404, 405)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_is_not_there_is_405_for_who_signed(merchant, method):
    headers = merchant.signed(method, BASE)

    assert_is_refusal(merchant.send(method, BASE, headers=headers), 405)
    assert_is_refusal(merchant.send(method, BASE, headers={}), 401)


@pytest.mark.parametrize(
    "path", ["/api/v1/disbursements/a/b", "/api/v1/wallets/x", "/files/v1/x", "/files/x"]
)
def test_an_unknown_address_is_told_in_the_same_shape(client, db, path):
    assert_is_refusal(client.get(path), 404)
    assert_is_refusal(client.post(path), 404)


def test_a_header_that_is_too_long_is_refused_in_the_same_shape(merchant):
    headers = merchant.signed("GET", BASE) | {"x-anything": "x" * 5000}

    assert_is_refusal(merchant.send("GET", BASE, headers=headers), 400)


def test_a_post_with_a_query_is_refused(merchant):
    body = json.dumps(QUOTE).encode()
    headers = merchant.signed("POST", f"{BASE}/quote", "a=1", body)

    assert_is_refusal(merchant.send("POST", f"{BASE}/quote", "a=1", body, headers=headers), 400)


@pytest.mark.parametrize("name", ["a" * 5000 + ".csv", "../../etc/passwd", "x\u202ey.csv"])
def test_no_file_name_breaks_the_house(merchant, name):
    from tests.disbursements.merchant import csv_of

    answer = merchant.upload(csv_of(1), name=name)

    assert answer.status_code in {201, 400}, answer.content
    if answer.status_code == 201:
        assert "/" not in answer.json()["filename"]
        assert len(answer.json()["filename"]) <= 255


@pytest.mark.parametrize(
    "body",
    [b"", b"--frame", b"--frame--", b"\x00" * 500, b"--frame\r\n" * 3000],
    ids=["empty", "begun", "ended", "NUL", "many"],
)
def test_no_form_breaks_the_house(merchant, body):
    kind = multipart(b"", "x")[1]

    assert_is_refusal(merchant.post("", raw=body, base="/files/v1/payout-csv", kind=kind), 400)


def test_an_error_of_ours_is_told_in_the_same_shape_without_a_secret(merchant, monkeypatch):
    from disbursements.views import payouts

    def break_down(_request):
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(payouts, "make_float_quote", break_down)
    merchant.client.raise_request_exception = False
    answer = merchant.post("/quote", QUOTE)

    assert (answer.status_code, answer.json()["error"]) == (500, "Internal Server Error")
    assert answer.json()["code"] == "INTERNAL_ERROR"
    assert b"swordfish" not in answer.content
