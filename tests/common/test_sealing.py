"""Secrets that must be read back are sealed: for one use, under a key that can change."""

import pytest

from engine.common.secrets import SealBroken, seal, unseal


def test_what_is_sealed_reads_back():
    sealed = seal("webhooks", b"whsec_secret")

    assert b"whsec" not in sealed
    assert unseal("webhooks", sealed) == b"whsec_secret"


def test_sealing_twice_never_looks_the_same():
    assert seal("webhooks", b"same") != seal("webhooks", b"same")


def test_a_secret_opens_only_for_its_use():
    with pytest.raises(SealBroken):
        unseal("tokens", seal("webhooks", b"secret"))


def test_one_flipped_bit_anywhere_breaks_the_seal():
    sealed = seal("webhooks", b"secret")

    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(SealBroken):
            unseal("webhooks", bytes(altered))


@pytest.mark.parametrize("stored", [b"", b"short", b"\x00" * 40])
def test_what_was_never_sealed_does_not_open(stored):
    with pytest.raises(SealBroken):
        unseal("webhooks", stored)


def test_after_a_rotation_old_seals_still_open(settings):
    old = seal("webhooks", b"secret")
    settings.SEALING_KEYS = ["a newer sealing key of enough length", *settings.SEALING_KEYS]
    new = seal("webhooks", b"secret")

    assert unseal("webhooks", old) == unseal("webhooks", new) == b"secret"

    settings.SEALING_KEYS = settings.SEALING_KEYS[:1]
    assert unseal("webhooks", new) == b"secret"
    with pytest.raises(SealBroken):
        unseal("webhooks", old)
