"""Our own EIP-55 and Keccak-256, against what was published and against the library."""

from random import Random

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak as their_keccak

from engine.rails.checksums import checksummed, keccak

# From EIP-55 itself: all capitals, all lower case, and normal ones.
PUBLISHED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", PUBLISHED)
def test_the_published_addresses_come_out(address):
    assert checksummed(bytes.fromhex(address[2:])) == address


def test_nothing_hashes_to_what_is_published():
    told = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak(b"").hex() == told


def test_a_thousand_addresses_are_written_as_the_library_does():
    dice = Random(55)
    for _ in range(1000):
        address = dice.randbytes(20)
        assert checksummed(address) == to_checksum_address(address)
        assert keccak(address) == their_keccak(address)
