"""Addresses from an extended public key are those of the private keys, by BIP-32."""

import pytest
from base58 import b58decode_check, b58encode_check
from eth_account import Account
from eth_account.hdaccount.deterministic import HDPath
from eth_account.hdaccount.mnemonic import Mnemonic
from eth_keys import keys

from engine.rails import derivation
from engine.rails.derivation import (
    HARDENED,
    PLACES,
    NoSuchChild,
    XpubInvalid,
    read_account,
    read_xpub,
    receiving_address,
    steps_of,
)

# BIP-32, test vectors 1 and 2: every step of theirs that a public key can take.
PARENT_INDEX_CHILD = [
    (
        "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
        1,
        "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ",
    ),
    (
        "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
        2,
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
    ),
    (
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
        1_000_000_000,
        "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy",
    ),
    (
        "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
        0,
        "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH",
    ),
    (
        "xpub6ASAVgeehLbnwdqV6UKMHVzgqAG8Gr6riv3Fxxpj8ksbH9ebxaEyBLZ85ySDhKiLDBrQSARLq1uNRts8RuJiHjaDMBU4Zn9h8LZNnBC5y4a",
        1,
        "xpub6DF8uhdarytz3FWdA8TvFSvvAh8dP3283MY7p2V4SeE2wyWmG5mg5EwVvmdMVCQcoNJxGoWaU9DCWh89LojfZ537wTfunKau47EL2dhHKon",
    ),
    (
        "xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvRcEL",
        2,
        "xpub6FnCn6nSzZAw5Tw7cgR9bi15UV96gLZhjDstkXXxvCLsUXBGXPdSnLFbdpq8p9HmGsApME5hQTZ3emM2rnY5agb9rXpVGyy3bdW6EEgAtqt",
    ),
]
XPRV = "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7"
MNEMONIC = "test test test test test test test test test test test junk"


@pytest.fixture(scope="module")
def account():
    """The extended public key of m/44'/60'/0' of a mnemonic, made from its private keys."""
    return account_xpub(MNEMONIC)


def account_xpub(mnemonic):
    seed = Mnemonic.to_seed(mnemonic)
    node, children = seed_node(seed), [44, 60, 0]
    for number in children:
        parent, node = node, private_child(node, number + HARDENED)
    fingerprint = read_xpub(serialized(parent, depth=2, number=1)).fingerprint
    return serialized(node, depth=3, number=HARDENED, fingerprint=fingerprint)


def seed_node(seed):
    from eth_account.hdaccount._utils import hmac_sha512

    mixed = hmac_sha512(b"Bitcoin seed", seed)
    return mixed[:32], mixed[32:]


def private_child(node, number):
    from eth_account.hdaccount.deterministic import HardNode, derive_child_key

    return derive_child_key(*node, HardNode(number - HARDENED))


def serialized(node, *, depth, number, fingerprint=bytes(4), version="0488B21E"):
    key, chain_code = node
    point = keys.PrivateKey(key).public_key.to_compressed_bytes()
    payload = bytes.fromhex(version) + bytes([depth]) + fingerprint
    return b58encode_check(payload + number.to_bytes(4, "big") + chain_code + point).decode()


def altered(text, start, new):
    """The same extended key with other bytes at `start`, and a checksum that fits."""
    payload = bytearray(b58decode_check(text))
    payload[start : start + len(new)] = new
    return b58encode_check(bytes(payload)).decode()


@pytest.mark.parametrize(("parent", "index", "child"), PARENT_INDEX_CHILD)
def test_a_child_is_that_of_the_published_vectors(parent, index, child):
    # Equal in point, chain code, depth, number, and in the parent's fingerprint too.
    assert read_xpub(parent).child(index) == read_xpub(child)


def test_addresses_are_those_of_the_private_keys(account):
    seed = Mnemonic.to_seed(MNEMONIC)

    for index in [*range(40), 1000, HARDENED - 1]:
        key = HDPath(f"m/44'/60'/0'/0/{index}").derive(seed)
        assert receiving_address(account, index) == Account.from_key(key).address


def test_an_address_of_two_steps_is_that_of_the_private_key(account):
    seed = Mnemonic.to_seed(MNEMONIC)

    for index in [0, 1, HARDENED - 1, HARDENED, 5 * HARDENED + 7, PLACES - 1]:
        first, second = steps_of(index)
        key = HDPath(f"m/44'/60'/0'/0/{first}/{second}").derive(seed)
        assert receiving_address(account, first, second) == Account.from_key(key).address


@pytest.mark.parametrize("index", [-1, PLACES])
def test_there_is_no_place_beyond_the_last(index):
    with pytest.raises(ValueError, match="no place"):
        steps_of(index)


def test_addresses_are_those_that_every_wallet_shows():
    """The mnemonic of all BIP-39 examples, its account and first address as published."""
    account = account_xpub(" ".join(["abandon"] * 11 + ["about"]))

    assert account == (
        "xpub6DCoCpSuQZB2jawqnGMEPS63ePKWkwWPH4TU45Q7LPXWuNd8TMtVxRrgjtEshuqpK3mdhaWHPFsBngh5GFZaM6si3yZdUsT8ddYM3PwnATt"
    )
    assert receiving_address(account, 0) == "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"


def test_a_hardened_child_is_refused(account):
    for index in (HARDENED, HARDENED + 1, 2**32, -1):
        with pytest.raises(ValueError, match="no child at"):
            receiving_address(account, index)


# The key m/0H of vector 1 is a private one; its public twin is the first parent above.
@pytest.mark.parametrize(
    "text",
    [
        "",
        "xpub",
        "é",
        "0x" + "ab" * 20,
        XPRV,
        PARENT_INDEX_CHILD[0][0][:-1] + "x",
        PARENT_INDEX_CHILD[0][0] + "1",
        altered(PARENT_INDEX_CHILD[0][0], 0, bytes.fromhex("043587CF")),  # tpub
        altered(PARENT_INDEX_CHILD[0][0], 0, bytes.fromhex("049D7CB2")),  # ypub
        altered(PARENT_INDEX_CHILD[0][0], 0, bytes.fromhex("04B24746")),  # zpub
        altered(PARENT_INDEX_CHILD[0][0], 4, bytes(1)),  # a root that has a parent
        altered(PARENT_INDEX_CHILD[0][0], 45, b"\x00"),  # a private key, called public
        altered(PARENT_INDEX_CHILD[0][0], 45, b"\x04"),
        altered(PARENT_INDEX_CHILD[0][0], 45, b"\x02" + b"\xff" * 32),
        altered(PARENT_INDEX_CHILD[0][0], 45, b"\x02" + (5).to_bytes(32, "big")),
        b58encode_check(b58decode_check(PARENT_INDEX_CHILD[0][0]) + b"\x00").decode(),
    ],
)
def test_what_is_no_extended_public_key_is_refused(text):
    with pytest.raises(XpubInvalid) as caught:
        read_xpub(text)

    assert len(text) < 40 or text not in str(caught.value)
    assert caught.value.__cause__ is None


def test_only_the_key_of_an_account_is_taken(account):
    assert read_account(account).depth == 3
    for text in [
        PARENT_INDEX_CHILD[0][0],  # m/0H, of depth 1
        PARENT_INDEX_CHILD[1][2],  # of depth 4
        altered(account, 4, b"\x04"),  # what many wallets export: m/44'/60'/0'/0
        altered(account, 9, bytes(4)),  # of depth 3, but not hardened
    ]:
        with pytest.raises(XpubInvalid):
            read_account(text)


def test_an_invalid_child_says_so(account, monkeypatch):
    parent = read_xpub(account)
    order = derivation.SECP256k1.order
    # The one factor whose point is the parent's, turned upside down: their sum is nowhere.
    private = private_child(private_child(seed_node(bytes(64)), HARDENED), HARDENED)[0]
    lost = read_xpub(serialized((private, bytes(32)), depth=3, number=HARDENED))
    opposite = order - int.from_bytes(private, "big")

    for key, factor in [(parent, order), (parent, 2**256 - 1), (lost, opposite)]:
        mixed = factor.to_bytes(32, "big") + bytes(32)
        monkeypatch.setattr(derivation, "_hmac_sha512", lambda *_, mixed=mixed: mixed)
        with pytest.raises(NoSuchChild):
            key.child(0)


def test_the_largest_factor_still_has_a_child(account, monkeypatch):
    mixed = (derivation.SECP256k1.order - 1).to_bytes(32, "big") + bytes(32)
    monkeypatch.setattr(derivation, "_hmac_sha512", lambda *_: mixed)

    assert read_xpub(account).child(0).depth == 4
