"""Who gets in: whoever signed exactly this, lately, for the first time, from there."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from django.db import connection

from disbursements.authentication import forget_nonces
from disbursements.keys import revoke_signing_key
from disbursements.models import SeenNonce, SigningKey
from engine.payouts.models import Payout
from tests.cast import footprint
from tests.disbursements.merchant import BASE, NUMBER, ORIGIN, QUOTE, Merchant

EXECUTE = f"{BASE}/execute"


def refused(answer, message, status=401):
    assert answer.status_code == status, answer.content
    assert answer.json()["message"] == message
    assert answer["Content-Type"] == "application/json"
    return answer.json()


@pytest.fixture
def execute(merchant):
    """A signed execute that would pay: its body and its headers."""
    body = json.dumps(
        {
            "quote_id": merchant.quote()["quote_id"],
            "idempotency_key": "k-1",
            "recipient": {"msisdn": NUMBER},
        }
    ).encode()
    return body, merchant.signed("POST", EXECUTE, "", body)


def flips(text):
    """Every text that differs from this one in one bit."""
    for place, byte in enumerate(text):
        for bit in range(8):
            yield text[:place] + bytes([byte ^ 1 << bit]) + text[place + 1 :]


@pytest.mark.parametrize(
    "name", ["x-zo-timestamp", "x-zo-nonce", "x-zo-origin", "x-zo-signature", "x-zo-key",
             "x-zo-version"]
)  # fmt: skip
def test_one_bit_of_a_header_is_enough(merchant, execute, name):
    body, headers = execute
    before = footprint()

    for flipped in flips(headers[name].encode()):
        if max(flipped) > 126 or min(flipped) < 32:
            continue
        altered = headers | {name: flipped.decode()}
        answer = merchant.send("POST", EXECUTE, "", body, headers=altered)
        assert answer.status_code == 401, flipped
        assert answer.json()["error"] == "Unauthorized"
        assert answer.json()["code"] == "AUTH_ERROR"
    assert footprint() == before
    assert SeenNonce.objects.count() == 1
    assert merchant.send("POST", EXECUTE, "", body, headers=headers).status_code == 200


def test_one_bit_of_the_body_is_enough(merchant, execute):
    body, headers = execute
    before = footprint()

    for flipped in flips(body):
        answer = merchant.send("POST", EXECUTE, "", flipped, headers=headers)
        assert refused(answer, "Invalid signature") == {
            "error": "Unauthorized",
            "message": "Invalid signature",
            "code": "AUTH_ERROR",
        }
    assert footprint() == before


def test_one_bit_of_the_query_is_enough(merchant):
    query = "limit=20&offset=0"
    headers = merchant.signed("GET", BASE, query)

    for flipped in flips(query.encode()):
        if max(flipped) > 126 or min(flipped) < 33 or b"#" in flipped:
            continue
        answer = merchant.send("GET", BASE, flipped.decode(), headers=headers)
        refused(answer, "Invalid signature")
    assert SeenNonce.objects.count() == 0


def test_the_method_the_path_and_the_query_count(merchant):
    query = "limit=20&offset=0"
    headers = merchant.signed("GET", BASE, query)

    for method, path, asked in [
        ("HEAD", BASE, query),
        ("GET", f"{BASE}/", query),
        ("GET", BASE, "limit=21&offset=0"),
        ("GET", BASE, "limit=20&offset=0&status=FAILED"),
        ("GET", BASE, ""),
    ]:
        assert merchant.send(method, path, asked, headers=headers).status_code == 401
    assert merchant.send("GET", BASE, query, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "name", ["key", "timestamp", "nonce", "origin", "signature", "version"]
)
@pytest.mark.parametrize("how", ["missing", "empty", "twice", "spaced"])
def test_each_header_is_there_once(merchant, execute, name, how):
    body, headers = execute
    before, text = footprint(), headers[f"x-zo-{name}"]
    given = {"missing": None, "empty": "", "twice": f"{text},{text}", "spaced": f"{text} "}[how]
    altered = {key: value for key, value in headers.items() if key != f"x-zo-{name}"}
    if given is not None:
        altered[f"x-zo-{name}"] = given

    answer = merchant.send("POST", EXECUTE, "", body, headers=altered)

    refused(answer, f"Missing or malformed header x-zo-{name}")
    assert footprint() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "name", ["key", "timestamp", "nonce", "origin", "signature", "version"]
)
def test_a_header_that_really_comes_twice_is_refused(merchant, live_server, name):
    headers = merchant.signed("GET", BASE)
    line = http.client.HTTPConnection(urlsplit(live_server.url).netloc, timeout=20)
    line.putrequest("GET", BASE)
    for key, text in headers.items():
        line.putheader(key, text)
    line.putheader(f"X-Zo-{name.title()}", headers[f"x-zo-{name}"])
    line.endheaders()
    answer = line.getresponse()

    assert answer.status == 401
    assert b"Missing or malformed" in answer.read()


def test_an_unknown_key_is_no_merchant(merchant, execute):
    body, _ = execute
    nobody = Merchant("zk_live_nobody", merchant.secret)

    answer = nobody.send(
        "POST", EXECUTE, "", body, headers=nobody.signed("POST", EXECUTE, "", body)
    )

    refused(answer, "Merchant not found")


def test_a_revoked_key_is_no_merchant_at_once(merchant):
    assert merchant.get().status_code == 200
    assert revoke_signing_key(SigningKey.objects.get()) is True
    assert revoke_signing_key(SigningKey.objects.get()) is False

    refused(merchant.get(), "Merchant not found")


@pytest.mark.parametrize("age", [301, 302, 86_400, -303, -86_400])
def test_a_request_of_another_time_is_refused(merchant, age):
    before = footprint()
    body = json.dumps(QUOTE).encode()
    headers = merchant.signed("POST", f"{BASE}/quote", "", body, age=age)

    refused(
        merchant.send("POST", f"{BASE}/quote", "", body, headers=headers), "Request too old"
    )
    assert footprint() == before
    assert SeenNonce.objects.count() == 0


def test_a_digit_does_not_move_from_the_query_into_the_timestamp(merchant):
    """What is signed has no separators; where its parts begin must be told otherwise."""
    headers = merchant.signed("GET", BASE, "limit=20&offset=20")
    headers["x-zo-timestamp"] = "0" + headers["x-zo-timestamp"]

    answer = merchant.send("GET", BASE, "limit=20&offset=2", headers=headers)

    refused(answer, "Missing or malformed header x-zo-timestamp")


@pytest.mark.parametrize("age", [290, -290])
def test_a_request_of_nearly_now_is_taken(merchant, age):
    headers = merchant.signed("GET", BASE, age=age)

    assert merchant.send("GET", BASE, headers=headers).status_code == 200


def test_a_nonce_counts_once_whatever_it_signs(merchant):
    headers = merchant.signed("GET", BASE)
    assert merchant.send("GET", BASE, headers=headers).status_code == 200

    refused(merchant.send("GET", BASE, headers=headers), "Nonce already used")
    again = merchant.signed("GET", f"{BASE}/pay_x", nonce=headers["x-zo-nonce"])
    refused(merchant.send("GET", f"{BASE}/pay_x", headers=again), "Nonce already used")


def test_a_refused_request_has_used_its_nonce(merchant):
    headers = merchant.signed("GET", BASE, "limit=0")

    assert merchant.send("GET", BASE, "limit=0", headers=headers).status_code == 400
    refused(merchant.send("GET", BASE, "limit=0", headers=headers), "Nonce already used")


def test_two_merchants_may_choose_the_same_nonce(merchant, stranger):
    for one in (merchant, stranger):
        headers = one.signed("GET", BASE, nonce="the-same-nonce")
        assert one.send("GET", BASE, headers=headers).status_code == 200


def age_nonces(seconds):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE disbursements_seennonce SET seen_at = seen_at - make_interval(secs => %s)",
            [seconds],
        )


def test_a_nonce_is_remembered_for_ten_minutes(merchant):
    def ask():
        return merchant.send("GET", BASE, headers=merchant.signed("GET", BASE, nonce="n" * 8))

    assert ask().status_code == 200
    age_nonces(590)
    refused(ask(), "Nonce already used")
    age_nonces(601)
    assert ask().status_code == 200


def test_old_nonces_are_forgotten_and_young_ones_are_not(merchant):
    merchant.get()
    age_nonces(1201)
    merchant.get()

    assert forget_nonces() == 1
    assert SeenNonce.objects.count() == 1


def test_another_origin_is_forbidden_even_when_signed(acme, merchant):
    away = Merchant(merchant.key, merchant.secret, origin="https://evil.example")

    body = refused(away.get(), "This origin is not one of the key's", status=403)
    assert body["error"] == "Forbidden"
    # It was signed, so its nonce is used: origins come after.
    assert SeenNonce.objects.count() == 1


@pytest.mark.parametrize(
    ("cidrs", "status"),
    [([], 200), (["127.0.0.1/32"], 200), (["203.0.113.0/24"], 403), (["2001:db8::/32"], 403)],
)
def test_a_key_with_networks_works_from_there_alone(acme, mint_signing, cidrs, status):
    assert mint_signing(acme, cidrs=cidrs).get().status_code == status


def test_an_address_that_nobody_knows_is_in_no_network(acme, mint_signing):
    one = mint_signing(acme, cidrs=["127.0.0.1/32"])
    unknown = Merchant(one.key, one.secret, REMOTE_ADDR="")

    assert unknown.get().status_code == 403


def test_a_merchant_who_is_not_approved_is_told_so(acme, merchant):
    acme.is_approved = False
    acme.save()

    refused(merchant.get(), "This merchant is not approved yet", status=403)


def test_the_secret_is_sealed_and_the_key_knows_when_it_was_used(merchant):
    key = SigningKey.objects.get()
    assert merchant.secret.encode() not in bytes(key.sealed_secret)
    assert key.last_used_at is None

    merchant.get()
    key.refresh_from_db()
    assert key.last_used_at is not None


def test_too_many_requests_say_when_to_come_back(merchant, settings):
    settings.RATE_LIMIT_PER_MINUTE = 2
    assert [merchant.get().status_code for _ in range(3)] == [200, 200, 429]
    answer = merchant.get()

    assert answer.json()["error"] == "Too Many Requests"
    assert answer.json()["retry_after"] == int(answer["Retry-After"])
    assert 1 <= answer.json()["retry_after"] <= 60


def test_connect_s_keys_do_not_open_this_door(acme, mint):
    from django.test import Client

    key = mint(acme, livemode=True)
    answer = Client().get(BASE, headers={"authorization": f"Bearer {key}"})

    assert answer.status_code == 401
    assert answer.json()["code"] == "AUTH_ERROR"
    assert Payout.objects.count() == 0


def test_the_first_thing_that_is_wrong_is_told(merchant):
    """Headers, key, time, signature, nonce, origin, body: the contract's order."""
    path = f"{BASE}/quote"

    def ask(wrong):
        one = Merchant(
            "zk_live_nobody" if "key" in wrong else merchant.key,
            "wrong" if "signature" in wrong else merchant.secret,
            origin="https://evil.example" if "origin" in wrong else ORIGIN,
        )
        headers = one.signed(
            "POST", path, "", b"{", age=302 if "time" in wrong else 0, nonce="n" * 8
        )
        if "header" in wrong:
            headers["x-zo-version"] = "2.0"
        answer = merchant.send("POST", path, "", b"{", headers=headers)
        return answer.status_code, answer.json()["message"]

    wrong = ["header", "key", "time", "signature", "nonce", "origin", "body"]
    assert ask([]) == (400, "The body is not JSON: see line 1, column 2.")
    told = [ask(wrong[place:]) for place in range(5)]
    SeenNonce.objects.all().delete()
    told.append(ask(wrong[5:]))

    assert told == [
        (401, "Missing or malformed header x-zo-version"),
        (401, "Merchant not found"),
        (401, "Request too old"),
        (401, "Invalid signature"),
        (401, "Nonce already used"),
        (403, "This origin is not one of the key's"),
    ]
