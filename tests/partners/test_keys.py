"""The shape of a key: what is one, what is none, and how it is kept."""

import pytest

from engine.partners.keys import ALPHABET, ParsedKey, digest_key, new_key_text, parse_key

# Worked out apart from our code: zlib.crc32 of the first 44 characters, in base 62.
TEST_KEY = "sk_test_" + "A" * 36 + "3ss4n3"
LIVE_KEY = "sk_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ2OLT3j"


def crc32(octets):
    """CRC-32 (ISO-HDLC) bit by bit, as its definition says."""
    remainder = 0xFFFFFFFF
    for octet in octets:
        remainder ^= octet
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0xEDB88320 * (remainder & 1))
    return remainder ^ 0xFFFFFFFF


@pytest.mark.parametrize("key", [TEST_KEY, LIVE_KEY])
def test_the_last_six_characters_are_the_crc32_of_the_rest(key):
    number = 0
    for character in key[-6:]:
        number = number * 62 + ALPHABET.index(character)

    assert number == crc32(key[:-6].encode())


def test_a_key_says_its_mode():
    assert parse_key(TEST_KEY) == ParsedKey(livemode=False, text=TEST_KEY)
    assert parse_key(LIVE_KEY) == ParsedKey(livemode=True, text=LIVE_KEY)


@pytest.mark.parametrize("position", range(50))
def test_a_key_with_one_character_changed_is_none(position):
    other = "1" if TEST_KEY[position] == "0" else "0"

    assert parse_key(TEST_KEY[:position] + other + TEST_KEY[position + 1 :]) is None


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "sk_test_",
        TEST_KEY[:-1],
        TEST_KEY + "0",
        TEST_KEY + "\n",
        " " + TEST_KEY,
        TEST_KEY.replace("sk_test_", "SK_TEST_"),
        TEST_KEY.replace("sk_test_", "sk_live_"),
        TEST_KEY.replace("sk_test_", "tk_test_"),
        "sk_test_" + "\uff21" * 36 + "3ss4n3",
        "sk_test_" + "-" * 36 + "3ss4n3",
        "A" * 5000,
    ],
)
def test_junk_is_no_key(junk):
    assert parse_key(junk) is None


def test_new_keys_are_well_formed_and_all_different():
    keys = {new_key_text(livemode=bool(number % 2)) for number in range(1000)}

    assert len(keys) == 1000
    assert all(parse_key(key) is not None for key in keys)
    assert {key[:8] for key in keys} == {"sk_live_", "sk_test_"}


def test_a_key_is_kept_as_hmac_sha256_under_the_pepper(settings):
    settings.KEY_PEPPER = "pepper"

    assert digest_key(TEST_KEY).hex() == (
        "b7a568613eb25b00a5c042518a38f776e0f855d7fdd425d7d6c38f00a56f0eaa"
    )


def test_another_pepper_gives_another_digest(settings):
    settings.KEY_PEPPER = "pepper"
    first = digest_key(TEST_KEY)
    settings.KEY_PEPPER = "salt"

    assert digest_key(TEST_KEY) != first


def test_a_parsed_key_does_not_print_its_secret():
    assert repr(parse_key(TEST_KEY)) == "ParsedKey(livemode=False)"
