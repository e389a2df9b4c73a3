"""Addresses from an extended public key, by BIP-32's public derivation.

Whoever holds the account's extended public key can name every address of the account and
spend from none: a web host needs no more. The key of an address is derived from the
extended private key, elsewhere, by the same steps.

Source: BIP-32 (github.com/bitcoin/bips, bip-0032.mediawiki), sections "Public parent key →
public child key", "Serialization format" and "Key identifiers". The account is BIP-44's
m/44'/60'/0', its receiving addresses are at /0/index. Ours are one step further down, at
/0/a/b: a place is drawn from 62 bits, of which each step holds 31.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256, sha512
from typing import TYPE_CHECKING

from base58 import b58decode_check, b58encode_check
from Crypto.Hash import RIPEMD160
from ecdsa import SECP256k1  # type: ignore[import-untyped]
from ecdsa.ellipticcurve import INFINITY, PointJacobi  # type: ignore[import-untyped]
from ecdsa.errors import MalformedPointError  # type: ignore[import-untyped]

from engine.rails.checksums import checksummed, keccak

if TYPE_CHECKING:
    from uuid import UUID

# "xpub": a public key of Bitcoin's main net, which Ethereum's wallets use as well.
PUBLIC_VERSION = bytes.fromhex("0488B21E")
SERIALIZED_BYTES = 78
# From here on a step is hardened, and needs the private key.
HARDENED = 2**31
ACCOUNT_DEPTH = 3
RECEIVING = 0
# How many places /0/a/b has; the place `index` is at a, b = divmod(index, HARDENED).
PLACES = HARDENED**2
# What an owner's place is drawn from, said first so that nothing else draws the same.
OWNER = b"zopay deposit key of "


class XpubInvalid(ValueError):
    """The text is no extended public key that addresses may be derived from."""


class NoSuchChild(ValueError):
    """There is no child at this index, by less than one chance in 2**127. Take the next."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A node of the tree without its private key. `point` is the compressed public key."""

    point: bytes
    chain_code: bytes
    depth: int
    parent_fingerprint: bytes
    child_number: int

    @property
    def fingerprint(self) -> bytes:
        """The first four bytes of the key's identifier, as children carry them."""
        return RIPEMD160.new(sha256(self.point).digest()).digest()[:4]

    @property
    def xpub(self) -> str:
        """As wallets write it, ``xpub…``; `read_xpub` reads it."""
        payload = (
            PUBLIC_VERSION
            + bytes([self.depth])
            + self.parent_fingerprint
            + self.child_number.to_bytes(4, "big")
            + self.chain_code
            + self.point
        )
        return str(b58encode_check(payload).decode("ascii"))

    def child(self, index: int) -> PublicKey:
        """The child at `index`, from 0 to 2**31 - 1.

        Raises NoSuchChild, and ValueError for an index that is hardened or none.
        """
        if not 0 <= index < HARDENED:
            raise ValueError(f"a public key has no child at {index}")
        mixed = _hmac_sha512(self.chain_code, self.point + index.to_bytes(4, "big"))
        factor = int.from_bytes(mixed[:32], "big")
        if factor >= SECP256k1.order:
            raise NoSuchChild(index)
        parent = PointJacobi.from_bytes(SECP256k1.curve, self.point)
        point = SECP256k1.generator * factor + parent
        if point == INFINITY:
            raise NoSuchChild(index)
        return PublicKey(
            point=point.to_bytes("compressed"),
            chain_code=mixed[32:],
            depth=self.depth + 1,
            parent_fingerprint=self.fingerprint,
            child_number=index,
        )

    def address(self) -> str:
        """The account-based chains' address of this key, with its EIP-55 checksum."""
        point = PointJacobi.from_bytes(SECP256k1.curve, self.point)
        return checksummed(keccak(point.to_bytes("raw"))[12:])


@lru_cache(maxsize=8)
def read_xpub(text: str) -> PublicKey:
    """An extended public key as wallets write it, ``xpub…``.

    Raises XpubInvalid for a wrong checksum, a private key, a key of another kind (ypub,
    zpub, tpub), and a point that is not on the curve. The text is in no message: beside
    one private key of the account, it gives away all the others.
    """
    try:
        payload = b58decode_check(text)
    except ValueError:
        raise XpubInvalid("its checksum is wrong") from None
    if len(payload) != SERIALIZED_BYTES or payload[:4] != PUBLIC_VERSION:
        raise XpubInvalid("it does not begin with xpub")
    depth, child_number = payload[4], int.from_bytes(payload[9:13], "big")
    if depth == 0 and (child_number or any(payload[5:9])):
        raise XpubInvalid("it says that it has no parent, and which child it is")
    point = payload[45:]
    if not _is_on_the_curve(point):
        raise XpubInvalid("its key is no point of the curve")
    return PublicKey(
        point=point,
        chain_code=payload[13:45],
        depth=depth,
        parent_fingerprint=payload[5:9],
        child_number=child_number,
    )


def _is_on_the_curve(point: bytes) -> bool:
    # The library would take a coordinate that is too large for what is left of it.
    if int.from_bytes(point[1:], "big") >= SECP256k1.curve.p():
        return False
    try:
        PointJacobi.from_bytes(SECP256k1.curve, point, valid_encodings=("compressed",))
    except MalformedPointError:
        return False
    return True


def read_account(text: str) -> PublicKey:
    """The extended public key of an account, such as that of m/44'/60'/0'.

    Raises XpubInvalid also for a key of another depth: what is derived from that, the
    signer, which begins at the account, would not find again.
    """
    account = read_xpub(text)
    if account.depth != ACCOUNT_DEPTH or account.child_number < HARDENED:
        raise XpubInvalid("it is not that of an account, such as m/44'/60'/0'")
    return account


@lru_cache(maxsize=8)
def _receiving(text: str) -> PublicKey:
    return read_account(text).child(RECEIVING)


def receiving_address(text: str, *steps: int) -> str:
    """The address at /0/ and these steps of the account whose extended public key is `text`.

    Raises XpubInvalid and NoSuchChild, and ValueError for a step out of range.
    """
    key = _receiving(text)
    for step in steps:
        key = key.child(step)
    return key.address()


def steps_of(index: int) -> tuple[int, int]:
    """The two steps that lead to a place. Raises ValueError for one out of range."""
    if not 0 <= index < PLACES:
        raise ValueError(f"there is no place {index}")
    return divmod(index, HARDENED)


def place_of(text: str, *, partner_id: UUID, external_ref: str | None) -> int:
    """The place under the account `text` that belongs to this owner, from 0 to PLACES - 1.

    Without an `external_ref` the owner is the partner's treasury. It follows from nothing
    but the account and the owner: a house that has forgotten whom it gave an address gives
    the owner the same one again, and nobody else. Whoever does not know the account cannot
    look for owners that share a place. Raises XpubInvalid.
    """
    owner = b"the treasury" if external_ref is None else b"user " + external_ref.encode()
    drawn = hmac.digest(read_account(text).chain_code, OWNER + partner_id.bytes + owner, sha256)
    return int.from_bytes(drawn[:8], "big") % PLACES


def _hmac_sha512(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, sha512)
