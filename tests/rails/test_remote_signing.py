"""A signer on another host is believed only for exactly what it was asked."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import rlp
from eth_account import Account

from engine.rails.remote_signing import RemoteSigner
from engine.rails.signing import SigningRequest, SigningUnavailable
from tests.rails.signers import TOKEN, WRONG, RemoteDouble, account_of

ORDER_OF_THE_CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
TOKEN_CONTRACT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
OTHER = "0x68749665FF8D2d112Fa859AA293F07A622782F38"
FIELDS = {
    "chainId": 1,
    "nonce": 0,
    "to": TOKEN_CONTRACT,
    "value": 10**19,
    "data": bytes.fromhex("a9059cbb") + bytes(64),
    "gas": 65_000,
    "maxFeePerGas": 30 * 10**9,
    "maxPriorityFeePerGas": 10**9,
}


@pytest.fixture
def double(settings):
    with RemoteDouble() as one:
        settings.REMOTE_SIGNER_URL, settings.REMOTE_SIGNER_TOKEN = one.url, TOKEN
        settings.RPC_TIMEOUT_SECONDS = 5.0
        yield one


def request(key_name="hot-1", *, sender="", **changes):
    return SigningRequest(key_name, {**FIELDS, **changes}, sender=sender)


def refused(*requests):
    with pytest.raises(SigningUnavailable) as caught:
        RemoteSigner().sign(requests or [request(), request(nonce=1)])
    error = caught.value
    assert TOKEN not in repr([error, error.details, error.__context__, error.__cause__])
    return error.message


def test_what_it_signed_is_what_we_would_have_signed(double):
    signed = RemoteSigner().sign([request(nonce=nonce) for nonce in (0, 1, 200)])

    for nonce, one in zip((0, 1, 200), signed, strict=True):
        ours = account_of("hot-1").sign_transaction({**FIELDS, "nonce": nonce, "type": 2})
        assert one.raw == bytes(ours.raw_transaction)
        assert one.hash == "0x" + ours.hash.hex()


def test_numbers_cross_the_wire_as_hex(double):
    RemoteSigner().sign([request()])

    assert double.asked == [
        {
            "requests": [
                {
                    "key_name": "hot-1",
                    "fields": {
                        "chainId": "0x1",
                        "nonce": "0x0",
                        "to": TOKEN_CONTRACT,
                        "value": "0x8ac7230489e80000",
                        "data": "0xa9059cbb" + "00" * 64,
                        "gas": "0xfde8",
                        "maxFeePerGas": "0x6fc23ac00",
                        "maxPriorityFeePerGas": "0x3b9aca00",
                        "type": "0x2",
                    },
                }
            ]
        }
    ]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("chainId", 137),
        ("nonce", 1),
        ("to", OTHER),
        ("value", 10**19 + 1),
        ("value", 0),
        ("data", "0xa9059cbb" + "00" * 63 + "01"),
        ("data", "0x"),
        ("gas", 65_001),
        ("maxFeePerGas", 30 * 10**9 + 1),
        ("maxPriorityFeePerGas", 10**9 + 1),
        ("accessList", [{"address": OTHER, "storageKeys": []}]),
    ],
)
def test_one_field_that_differs_spoils_the_batch(double, name, other):
    double.changes = {name: other}

    assert f"({name} differs)" in refused(request(sender=account_of("hot-1").address))


def test_another_key_s_signature_is_no_signature(double):
    double.key_name = "somebody-else-s"

    assert "(signer differs)" in refused()


def test_the_sender_asked_for_must_have_signed(double):
    assert "(signer differs)" in refused(request(sender=OTHER))
    assert double.paths == ["/sign"]


def test_a_legacy_signature_for_the_same_terms_is_refused(double):
    double.changes = {
        "type": None,
        "maxFeePerGas": None,
        "maxPriorityFeePerGas": None,
        "gasPrice": 30 * 10**9,
    }

    assert "(type differs)" in refused() or "(encoding differs)" in refused()


def test_an_access_list_type_is_refused(double):
    double.changes = {
        "type": "0x1",
        "maxFeePerGas": None,
        "maxPriorityFeePerGas": None,
        "gasPrice": 30 * 10**9,
        "accessList": [],
    }

    assert "(type differs)" in refused()


def rewritten(change):
    def rewrite(raw):
        return raw[:1] + rlp.encode(change(rlp.decode(raw[1:])))

    return rewrite


def with_larger_s(items):
    """The same signature's twin: it recovers to the same address, under another hash."""
    s = ORDER_OF_THE_CURVE - int.from_bytes(items[11], "big")
    return [*items[:9], b"" if items[9] else b"\x01", items[10], s.to_bytes(32, "big")]


@pytest.mark.parametrize(
    "change",
    [
        with_larger_s,
        lambda items: [*items[:9], b"\x1b", *items[10:]],
        lambda items: [*items[:10], b"\x00" + items[10], items[11]],
        lambda items: [*items[:10], b"", items[11]],
        lambda items: [*items[:10], items[10], b""],
        lambda items: [*items[:10], items[10], [items[11]]],
        lambda items: items[:9],
        lambda items: [*items, b""],
        lambda items: [b"\x00" + items[0], *items[1:]],
        lambda items: [items[0], b"\x00", *items[2:]],
        lambda _: [],
        lambda _: b"",
    ],
    ids=["larger s", "v as in legacy", "padded r", "no r", "no s", "nested s", "unsigned",
         "more", "padded chain id", "zero nonce as a byte", "empty", "no list"],
)  # fmt: skip
def test_only_the_one_encoding_that_nodes_take_counts(double, change):
    double.rewrite = rewritten(change)

    assert "differs)" in refused()


@pytest.mark.parametrize("odd", [b"\x00", b"\x02", b"\x1b", b"\x1c"])
def test_the_parity_is_nothing_or_one(double, odd):
    double.rewrite = rewritten(lambda items: [*items[:9], odd, *items[10:]])

    # Among eight signatures there are some of either parity.
    for nonce in range(8):
        assert "(encoding differs)" in refused(request(nonce=nonce))


def test_the_twin_of_a_signature_would_have_passed_for_ours(double):
    """That the test above tries what it says: the larger s recovers to the same address."""
    raw = account_of("hot-1").sign_transaction({**FIELDS, "type": 2}).raw_transaction
    twin = rewritten(with_larger_s)(bytes(raw))

    assert Account.recover_transaction(twin) == account_of("hot-1").address


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("one short", "did not sign each request once"),
        ("one too many", "did not sign each request once"),
        ("nothing signed", "did not sign each request once"),
        ("backwards", "(nonce differs)"),
        ("not hex", "(encoding differs)"),
        ("not text", "(encoding differs)"),
        ("no bytes", "(encoding differs)"),
        ("no raw", "(encoding differs)"),
        ("half the bytes", "(encoding differs)"),
        ("more bytes", "(encoding differs)"),
        ("null", "not a JSON object"),
        ("<html>", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"signed": {}}', "did not sign each request once"),
        ('{"signed": [null, null]}', "(encoding differs)"),
        ('{"signed": "0x"}', "did not sign each request once"),
        (500, "answered HTTP 500"),
        (302, "answered HTTP 302"),
        (401, "answered HTTP 401"),
        (201, "answered HTTP 201"),
    ],
)
def test_a_bad_answer_signs_nothing(double, fault, said):
    one = RemoteSigner()
    one.address_of("hot-1")
    double.fault = fault

    with pytest.raises(SigningUnavailable) as caught:
        one.sign([request(), request(nonce=1)])

    assert said in caught.value.message
    assert caught.value.__context__ is None or TOKEN not in repr(caught.value.__context__)
    assert double.paths[1:] == ["/sign"], "a redirect was followed"


def test_every_way_to_answer_wrongly_was_tried():
    [_, tried] = test_a_bad_answer_signs_nothing.pytestmark[0].args

    assert set(WRONG) <= {fault for fault, _ in tried}


def test_a_signer_that_does_not_answer_is_given_up(double, settings):
    settings.RPC_TIMEOUT_SECONDS = 0.3
    double.fault = "hang"

    assert "did not answer within 0.3 seconds" in refused()


def test_a_signer_that_is_gone_is_unavailable(settings):
    with RemoteDouble() as double:
        settings.REMOTE_SIGNER_URL, settings.REMOTE_SIGNER_TOKEN = double.url, TOKEN

    assert "could not be reached" in refused()


def test_without_the_right_token_nothing_is_signed(double, settings):
    settings.REMOTE_SIGNER_TOKEN = "another"

    assert "answered HTTP 401" in refused()
    assert double.asked == []


@pytest.mark.parametrize("name", ["REMOTE_SIGNER_URL", "REMOTE_SIGNER_TOKEN"])
def test_a_signer_that_was_not_named_is_not_asked(double, settings, name):
    setattr(settings, name, "")

    assert "Set REMOTE_SIGNER_URL and REMOTE_SIGNER_TOKEN" in refused()


def test_an_address_is_asked_once(double):
    one = RemoteSigner()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(one.address_of, ["hot-1"] * 8)) == {account_of("hot-1").address}
    asked = len(double.paths)
    one.sign([request()])

    assert double.paths[asked:] == ["/sign"]


@pytest.mark.parametrize(
    "answer", ["{}", '{"address": null}', '{"address": "0x12"}',
               '{"address": "0xdac17f958d2ee523a2206206994597c13d831ec7"}'],
)  # fmt: skip
def test_an_address_without_its_checksum_is_none(double, answer):
    double.fault = answer

    assert "no EIP-55 address" in refused()


def test_a_key_s_name_cannot_leave_its_place_in_the_address(double):
    with pytest.raises(SigningUnavailable, match="A key's name"):
        RemoteSigner().address_of("a&key_name=b")
    assert "A key's name" in refused(request("../sign", sender=OTHER))
    assert double.paths == []


def test_a_proxy_of_the_environment_does_not_see_the_token(double, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    assert RemoteSigner().sign([request()])


def test_nothing_to_sign_is_nothing_signed(double):
    assert RemoteSigner().sign([]) == []
    assert double.paths == []
