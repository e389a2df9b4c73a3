"""Addresses: published vectors pass, one wrong character does not.

Vectors: EIP-55's own examples; the lists of valid and invalid segwit addresses of
BIP 173 and BIP 350; addresses that everybody can look up (the genesis block's, the
token contracts').
"""

import string
from contextlib import suppress

import pytest
from base58 import b58encode, b58encode_check
from hypothesis import assume, given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from engine.rails.addresses import looks_like, pick_network, read_address
from engine.rails.errors import AddressInvalid, AssetNotOnNetwork, DestinationInvalid
from engine.rails.networks import ASSETS, NETWORKS, Family

USDT, XAUT = ASSETS["USDT"], ASSETS["XAUT"]
EVM_NETWORKS = ("ethereum", "polygon", "arbitrum", "base", "avalanche", "optimism")

EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
EVM_CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    EVM,
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
]
SOLANA = b58encode(bytes(SigningKey(b"\x01" * 32).verify_key)).decode()
TRON = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"
BITCOIN = [
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
]
SEGWIT_VALID = [
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
    "BC1SW50QGDZ25J",
    "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
]
SEGWIT_INVALID = [
    (
        "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut",
        "shape_unknown",
    ),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
        "checksum_mismatch",
    ),
    (
        "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
        "checksum_mismatch",
    ),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "checksum_mismatch"),
    (
        "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
        "checksum_mismatch",
    ),
    (
        "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
        "version_unknown",
    ),
    ("bc1pw5dgrnzv", "length_wrong"),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
        "length_wrong",
    ),
    ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "length_wrong"),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
        "length_wrong",
    ),
    ("bc1gmk9yu", "version_unknown"),
    ("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "test_network"),
    (
        "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq",
        "shape_unknown",
    ),
]


def reason_of(text):
    with pytest.raises(AddressInvalid) as refusal:
        read_address(text)
    assert (refusal.value.code, refusal.value.http_status) == (
        "destination_invalid",
        422,
    )
    return refusal.value.reason


@pytest.mark.parametrize("address", EVM_CHECKSUMMED)
def test_an_evm_address_is_read_in_three_spellings(address):
    for spelling in (address, address.lower(), "0x" + address[2:].upper()):
        read = read_address(spelling)

        assert (read.family, read.networks) == (Family.EVM, EVM_NETWORKS)
        assert read.canonical.lower() == address.lower()
    assert read_address(address.lower()).canonical == address


@pytest.mark.parametrize("place", range(2, 42))
def test_changing_the_case_of_one_evm_letter_is_noticed(place):
    changed = EVM[:place] + EVM[place].swapcase() + EVM[place + 1 :]

    if changed != EVM:
        assert reason_of(changed) == "checksum_mismatch"


@pytest.mark.parametrize("text", ["0x", EVM[:-1], EVM + "0", "0x" + "g" * 40, "0X" + EVM[2:]])
def test_an_evm_address_has_forty_digits(text):
    assert reason_of(text) == "length_wrong"


def test_a_solana_wallet_is_read():
    read = read_address(SOLANA)

    assert (read.family, read.canonical, read.networks) == (
        Family.SOLANA,
        SOLANA,
        ("solana",),
    )


@given(st.binary(min_size=32, max_size=32))
def test_every_solana_key_pair_has_a_payable_address(seed):
    address = b58encode(bytes(SigningKey(seed).verify_key)).decode()

    assert read_address(address).canonical == address


@pytest.mark.parametrize(
    "octets",
    [
        (2).to_bytes(32, "little"),  # y = 2: no point of the curve
        (1).to_bytes(32, "little"),  # the neutral element
        b"\xff" * 32,  # not reduced
    ],
)
def test_a_solana_address_that_no_key_pair_has_is_refused(octets):
    assert reason_of(b58encode(octets).decode()) == "not_a_wallet"


def test_a_tron_address_is_read():
    read = read_address(TRON)

    assert (read.family, read.canonical, read.networks) == (
        Family.TRON,
        TRON,
        ("tron",),
    )


@pytest.mark.parametrize("address", BITCOIN)
def test_a_bitcoin_address_is_read(address):
    assert read_address(address).networks == ("bitcoin",)


@pytest.mark.parametrize("address", SEGWIT_VALID)
def test_valid_segwit_vectors_are_read_in_lower_case(address):
    read = read_address(address)

    assert (read.family, read.canonical) == (Family.BITCOIN, address.lower())


@pytest.mark.parametrize(("address", "reason"), SEGWIT_INVALID)
def test_invalid_segwit_vectors_are_refused(address, reason):
    assert reason_of(address) == reason


@pytest.mark.parametrize("address", [TRON, *BITCOIN])
def test_any_single_wrong_character_of_a_checksummed_address_is_noticed(address):
    alphabet = set(string.ascii_letters + string.digits)
    for place in range(len(address)):
        for character in alphabet - {address[place]}:
            wrong = address[:place] + character + address[place + 1 :]
            if wrong.lower() != address:
                with pytest.raises(AddressInvalid):
                    read_address(wrong)


def test_test_networks_are_refused():
    assert reason_of("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn") == "test_network"


def test_a_foreign_version_byte_is_refused():
    litecoin = b58encode_check(b"\x30" + b"\x07" * 20).decode()

    assert reason_of(litecoin) == "version_unknown"


@pytest.mark.parametrize(
    "address",
    [
        "0x0000000000000000000000000000000000000000",
        "0x0000000000000000000000000000000000000001",
        "0x000000000000000000000000000000000000dEaD",
        "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE",
        "0xffffffffffffffffffffffffffffffffffffffff",
        "11111111111111111111111111111111",
        "1nc1nerator11111111111111111111111111111111",
        "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb",
        "1111111111111111111114oLvT2",
    ],
)
def test_an_address_that_nobody_has_a_key_for_is_refused(address):
    assert reason_of(address) == "burn_address"


@pytest.mark.parametrize(
    "address",
    [
        "0xdac17f958d2ee523a2206206994597c13d831ec7",
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
        "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",
    ],
)
def test_a_token_s_own_contract_is_refused(address):
    assert reason_of(address) == "token_contract"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " " + EVM,
        EVM + " ",
        EVM + "\n",
        EVM.replace("a", "а"),  # Cyrillic
        "０x" + EVM[2:],  # full-width
        EVM[:10] + "\u200b" + EVM[10:],
        EVM + "\x00",
        "1" * 101,
    ],
)
def test_spaces_and_unicode_tricks_are_refused(text):
    assert reason_of(text) == "malformed"


@pytest.mark.parametrize(
    "text", ["hello", EVM[2:], "1" * 44, "l0OI" * 8, "bitcoin:" + BITCOIN[0]]
)
def test_what_looks_like_nothing_is_refused(text):
    assert reason_of(text) in {"shape_unknown", "checksum_mismatch"}


@given(st.text(max_size=128))
def test_any_text_is_an_address_or_a_refusal(text):
    # Any other error than a refusal fails here.
    with suppress(DestinationInvalid):
        read = read_address(text)
        assert read_address(read.canonical) == read


@given(st.binary(min_size=20, max_size=20))
def test_reading_is_idempotent_for_every_evm_account(account):
    assume(int.from_bytes(account, "big") >= 1 << 16)

    read = read_address("0x" + account.hex())

    assert read_address(read.canonical) == read
    assert read.canonical.lower() == "0x" + account.hex()


def picked(text, asset=USDT, hint=None):
    return pick_network(address=read_address(text), asset=asset, hint=hint).code


def test_an_evm_address_without_a_hint_takes_the_natural_network():
    assert picked(EVM) == picked(EVM, XAUT) == "ethereum"


@pytest.mark.parametrize("hint", [*EVM_NETWORKS, "Polygon", "BASE"])
def test_an_evm_address_takes_its_hint(hint):
    assert picked(EVM, hint=hint) == hint.lower()


@pytest.mark.parametrize("hint", ["solana", "tron", "bitcoin", "moon", "", "ethereum "])
def test_a_hint_that_contradicts_an_evm_address_is_refused(hint):
    with pytest.raises(DestinationInvalid) as refusal:
        picked(EVM, hint=hint)

    assert refusal.value.reason == "hint_contradicts_address"


@pytest.mark.parametrize("hint", [None, "ethereum", "moon"])
@pytest.mark.parametrize(("text", "network"), [(SOLANA, "solana"), (TRON, "tron")])
def test_an_unambiguous_address_ignores_the_hint(text, network, hint):
    assert picked(text, hint=hint) == network


@pytest.mark.parametrize(
    ("text", "asset", "hint", "network"),
    [
        (BITCOIN[0], USDT, None, "Bitcoin"),
        (TRON, XAUT, None, "Tron"),
        (SOLANA, XAUT, None, "Solana"),
        (EVM, XAUT, "base", "Base"),
    ],
)
def test_an_asset_that_does_not_live_there_is_refused(text, asset, hint, network):
    with pytest.raises(AssetNotOnNetwork) as refusal:
        picked(text, asset, hint)

    assert (refusal.value.code, refusal.value.http_status) == (
        "asset_not_on_network",
        422,
    )
    assert refusal.value.message == f"{asset.code} does not live on {network}."
    assert refusal.value.details["networks"] == list(asset.networks)


@pytest.mark.parametrize(
    ("one", "other", "is_alike"),
    [
        (EVM, EVM, False),
        (EVM, "0x5aAe" + "0" * 32 + "BEaed"[1:], True),
        (EVM, "0x5aAf" + EVM[6:], False),
        (TRON, "TJRa" + "x" * 26 + "RTv8", True),
        (BITCOIN[2], "bc1qw508" + "q" * 30 + "f3t4", True),
        (BITCOIN[2], "bc1qxxxx" + "q" * 30 + "f3t4", False),
    ],
)
def test_look_alikes_share_what_people_compare(one, other, is_alike):
    assert looks_like(one, other) is is_alike
    assert looks_like(other, one) is is_alike


def test_every_network_has_an_address_that_it_takes():
    taken = {
        code for text in (EVM, SOLANA, TRON, BITCOIN[0]) for code in read_address(text).networks
    }

    assert taken == set(NETWORKS)
