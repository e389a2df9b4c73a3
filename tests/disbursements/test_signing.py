"""The published vectors, and what else a signature must and must not cover."""

import pytest

from disbursements.signing import Signed, is_signature, sign_request

SECRET = "test_secret_key"
COMMON = {
    "timestamp": "1705564800",
    "nonce": "550e8400-e29b-41d4-a716-446655440000",
    "origin": "https://example.com",
}
BODY = b'{"quote_id":"q-1","idempotency_key":"k-1","recipient":{"msisdn":"+237612345678"}}'
EXECUTE = {
    "method": "POST",
    "path": "/api/v1/disbursements/execute",
    "query": "",
    "body": BODY,
} | COMMON
LIST = {
    "method": "GET",
    "path": "/api/v1/disbursements",
    "query": "status=SUCCESS&limit=20&offset=20",
    "body": b"",
} | COMMON
VECTORS = [
    (EXECUTE, "bd1677fed670a2816be99ef293696557dc08ff2b679133b8e185ef60c879f34f"),
    (LIST, "040bb9d0a3b8d503075e004def3e532bc8bf7756ec55f9420dae581ddd0a969c"),
]


@pytest.mark.parametrize(("parts", "signature"), VECTORS)
def test_the_published_vectors_come_out(parts, signature):
    assert sign_request(Signed(**parts), secret=SECRET) == signature
    assert is_signature(Signed(**parts), signature, secret=SECRET)


def flips(text):
    """Every text that differs from this one in one bit."""
    for place, sign in enumerate(text):
        for bit in range(8):
            other = ord(sign) ^ 1 << bit if isinstance(text, str) else sign ^ 1 << bit
            one = chr(other) if isinstance(text, str) else bytes([other])
            yield text[:place] + one + text[place + 1 :]


@pytest.mark.parametrize(("parts", "signature"), VECTORS)
@pytest.mark.parametrize(
    "name", ["method", "path", "query", "body", "timestamp", "nonce", "origin"]
)
def test_every_bit_of_every_part_counts(parts, signature, name):
    for changed in flips(parts[name]):
        assert not is_signature(Signed(**parts | {name: changed}), signature, secret=SECRET)


def test_another_secret_or_another_spelling_is_no_signature():
    for parts, signature in VECTORS:
        assert not is_signature(Signed(**parts), signature, secret=SECRET + "x")
        assert not is_signature(Signed(**parts), signature.upper(), secret=SECRET)


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("b=2&a=1", "a=1&b=2"),
        ("startDate=2026-01-01T00%3A00%3A00Z", "startDate=2026-01-01T00:00:00Z"),
        ("startDate=2026-01-01T00:00:00Z", "startDate=2026-01-01T00%3A00%3A00Z"),
        ("msisdn=%2B237670000000", "msisdn=+237670000000"),
    ],
)
def test_a_query_may_be_signed_encoded_or_not_and_in_any_order(sent, signed):
    def request(query):
        return Signed(**LIST | {"query": query})

    signature = sign_request(request(signed), secret=SECRET)
    assert is_signature(request(sent), signature, secret=SECRET)
    assert not is_signature(request(sent + "x"), signature, secret=SECRET)
