"""Ethereum's hash, and the capitals that make an address its own checksum (EIP-55).

Ours, since every process reads addresses, and the library that has the same brings eleven
megabytes of others along. What signs and reads chains uses that library.
"""

from __future__ import annotations

from Crypto.Hash import keccak as _keccak

CAPITAL_FROM = 8


def keccak(told: bytes) -> bytes:
    """Keccak-256, 32 bytes: the hash of before SHA-3 was padded otherwise."""
    return _keccak.new(digest_bits=256, data=told).digest()


def checksummed(address: bytes) -> str:
    """The 20 bytes of an address as everybody writes them, 0x and mixed case.

    A letter is a capital where the hash of the address in lower case has a digit of eight
    or more (eips.ethereum.org/EIPS/eip-55).
    """
    text = address.hex()
    digits = keccak(text.encode()).hex()
    capitals = zip(text, digits, strict=False)
    return "0x" + "".join(
        sign.upper() if int(digit, 16) >= CAPITAL_FROM else sign for sign, digit in capitals
    )
