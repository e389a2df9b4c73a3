"""Signatures of our own: one purpose each, and keys that can be rotated."""

from uuid import UUID

import pytest

from engine.common.ids import new_id, parse_public_id, public_id
from engine.common.secrets import is_signed, sign
from engine.payouts.links import payout_id_of, tracking_token

PAYOUT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def test_a_signature_is_ours_for_its_purpose_alone():
    signature = sign("quote", b"terms")

    assert len(signature) == 32
    assert is_signed("quote", b"terms", signature)
    assert not is_signed("tracking", b"terms", signature)
    assert not is_signed("quote", b"other terms", signature)


@pytest.mark.parametrize("length", [0, 1, 15])
def test_fewer_than_128_bits_prove_nothing(length):
    assert not is_signed("quote", b"terms", sign("quote", b"terms")[:length])


def test_after_a_rotation_old_signatures_still_count(settings):
    old = sign("tracking", b"payout")
    settings.SIGNING_KEYS = ["a newer signing key of enough length", *settings.SIGNING_KEYS]

    assert sign("tracking", b"payout") != old
    assert is_signed("tracking", b"payout", old)

    settings.SIGNING_KEYS = settings.SIGNING_KEYS[:1]
    assert not is_signed("tracking", b"payout", old)


def test_a_tracking_token_opens_its_payout():
    token = tracking_token(PAYOUT_ID)

    assert len(token) == 43
    assert payout_id_of(token) == PAYOUT_ID


def test_no_other_spelling_opens_it():
    token = tracking_token(PAYOUT_ID)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = {
        token[:place] + letter + token[place + 1 :]
        for place in range(len(token))
        for letter in alphabet
    } - {token}

    assert len(others) == 43 * 63
    assert [other for other in others if payout_id_of(other) is not None] == []


@pytest.mark.parametrize(
    "token", ["", "a", "é" * 43, "=" * 43, "a" * 44, " " * 43, "\x00" * 43]
)
def test_what_is_no_token_opens_nothing(token):
    assert payout_id_of(token) is None


def test_public_ids_read_back_in_one_spelling():
    text = public_id("pay", PAYOUT_ID)

    assert text == "pay_01890a5dac96774bbcceb302099a8057"
    assert parse_public_id("pay", text) == PAYOUT_ID
    for strange in (text.upper(), text + "0", text[:-1], "qt_" + text[4:], text + "\n", "pay_"):
        assert parse_public_id("pay", strange) is None


def test_new_ids_are_in_the_order_of_time():
    ids = [new_id() for _ in range(1000)]

    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}
