"""What a destination address says about itself, and whether it can be paid.

Each family of networks has one shape, and each shape its own way of noticing a typing
error:

- EVM: 20 bytes in hexadecimal. Mixed case is a checksum (EIP-55) and must match; all
  lower and all upper case carry none and are accepted.
- Solana: 32 bytes in base58 without a checksum. A wallet's address is a public key, so
  it is a point of ed25519 in the subgroup that keys make. That refuses token accounts
  and other addresses that belong to programs, and fifteen of sixteen mistyped ones.
- Tron: base58check of the byte 0x41 and 20 bytes.
- Bitcoin: base58check (P2PKH, P2SH), bech32 (BIP 173) for witness version 0, bech32m
  (BIP 350) for later ones; mainnet only.

Nothing is trimmed, folded or repaired: an address is money's whole destination.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from base58 import b58decode, b58decode_check
from bech32 import CHARSET, bech32_hrp_expand, bech32_polymod, convertbits
from nacl.bindings import crypto_core_ed25519_is_valid_point

from engine.rails.checksums import checksummed
from engine.rails.errors import AddressInvalid, AssetNotOnNetwork, DestinationInvalid
from engine.rails.networks import (
    NETWORKS,
    Asset,
    Family,
    Network,
    networks_of,
)

# Longer than any address (bech32 ends at 90), and base58 is quadratic in its length.
LENGTH_MAX = 100
_PRINTABLE = re.compile(r"[!-~]+\Z", re.ASCII)
_EVM = re.compile(r"0x[0-9a-fA-F]{40}\Z", re.ASCII)
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]{25,44}\Z", re.ASCII)
# One case throughout, or a Solana address that begins with bc1 would be taken for it.
_BECH32 = re.compile(r"((bc|tb|bcrt)1[0-9a-z]+|(BC|TB|BCRT)1[0-9A-Z]+)\Z", re.ASCII)

_TRON, _P2PKH, _P2SH = 0x41, 0x00, 0x05
_BITCOIN_TEST_VERSIONS = frozenset({0x6F, 0xC4})
_BASE58CHECK_BYTES, _SOLANA_BYTES = 25, 32
_WITNESS_VERSION_MAX = 16
_WITNESS_BYTES = range(2, 41)
_WITNESS_ZERO_BYTES = frozenset({20, 32})
# What the checksum of a whole segwit address comes to: BIP 173's for witness version 0,
# BIP 350's (bech32m) for later ones.
_BECH32_CONSTANT, _BECH32M_CONSTANT = 1, 0x2BC830A3
_BECH32_CHECKSUM_CHARACTERS = 6
_BECH32_LENGTH_MAX = 90

# 20-byte accounts below this are the zero address, the precompiled contracts and the
# customary 0x…dEaD; nobody has a key for any of them.
_BURN_BELOW = 1 << 16
_EVM_BURNS = frozenset(
    {
        "0xffffffffffffffffffffffffffffffffffffffff",
        # How many programs write "the network's own coin" where a token is asked for.
        "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
        "0xdead000000000000000042069420694206942069",
    }
)
_SOLANA_BURNS = frozenset(
    {
        "11111111111111111111111111111111",  # the System program
        "1nc1nerator11111111111111111111111111111111",  # burns what it is sent
        "So11111111111111111111111111111111111111112",  # the wrapped SOL mint
    }
)
# The tokens' own contracts: what is sent to them stays there, and copying one out of an
# explorer in place of a wallet is the commonest way to lose a transfer. Issuers publish
# these addresses; each carries its own checksum.
_TOKEN_CONTRACTS = frozenset(
    {
        "0xdAC17F958D2ee523a2206206994597C13D831ec7",  # USDT on Ethereum
        "0xc2132D05D31c914a87C6611C10748AEb04B58e8F",  # USDT on Polygon
        "0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9",  # USDT on Arbitrum
        "0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2",  # USDT on Base
        "0x9702230A8Ea53601f5cD2dc00fDBc13d4dF4A8c7",  # USDT on Avalanche
        "0x94b008aA00579c1307B0EF2c499aD98a8ce58e58",  # USDT on Optimism
        "0x68749665FF8D2d112Fa859AA293F07A622782F38",  # XAUT on Ethereum
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",  # USDT on Tron
        "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",  # USDT on Solana
    }
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address that can be paid, in its one canonical spelling.

    `networks` are the codes of the networks on which the same text is valid.
    """

    family: Family
    canonical: str
    networks: tuple[str, ...]


def read_address(text: str) -> Address:
    """Recognise an address by its shape. Raises AddressInvalid, with a reason:

    `malformed`, `shape_unknown`, `checksum_mismatch`, `length_wrong`,
    `version_unknown`, `test_network`, `not_a_wallet`, `token_contract` or
    `burn_address`.
    """
    if len(text) > LENGTH_MAX or _PRINTABLE.match(text) is None:
        raise AddressInvalid(
            "An address is at most 100 visible ASCII characters, without spaces.",
            reason="malformed",
        )
    if text[:2] in {"0x", "0X"}:
        return _read_evm(text)
    if _BECH32.match(text):
        return _read_bech32(text)
    if _BASE58.match(text):
        return _read_base58(text)
    raise _shape_unknown()


def pick_network(*, address: Address, asset: Asset, hint: str | None) -> Network:
    """The network on which `asset` will reach `address`.

    Solana, Tron and Bitcoin addresses are unambiguous and ignore the hint. An EVM
    address takes the hint, else the asset's natural network.

    Raises DestinationInvalid when the hint contradicts the address, AssetNotOnNetwork
    when the asset does not live there.
    """
    if address.family is not Family.EVM:
        network = NETWORKS[address.networks[0]]
    else:
        code = asset.natural_network if hint is None else hint.lower()
        if code not in address.networks:
            raise DestinationInvalid(
                f"This is an EVM address; network_hint must be one of "
                f"{', '.join(address.networks)}.",
                reason="hint_contradicts_address",
            )
        network = NETWORKS[code]
    if network.code not in asset.networks:
        raise AssetNotOnNetwork(
            asset=asset.code,
            network=network.name,
            networks=[living.code for living in networks_of(asset)],
        )
    return network


def looks_like(one: str, other: str) -> bool:
    """Whether two different canonical addresses look the same when abbreviated.

    People compare the first and last four characters, so thieves make addresses that
    share them and send dust from there, hoping to be copied out of the history.
    """
    first, second = _shown(one), _shown(other)
    return first != second and (first[:4], first[-4:]) == (second[:4], second[-4:])


def _shown(canonical: str) -> str:
    """The part that tells addresses of one kind apart, in the case that people see."""
    for prefix in ("0x", "bc1q", "bc1p"):
        if canonical.startswith(prefix):
            return canonical.removeprefix(prefix).lower()
    return canonical


def _read_evm(text: str) -> Address:
    if _EVM.match(text) is None:
        raise AddressInvalid(
            "An EVM address is 0x and 40 hexadecimal digits.", reason="length_wrong"
        )
    digits = text[2:]
    canonical = checksummed(bytes.fromhex(text[2:]))
    if digits not in {digits.lower(), digits.upper()} and text != canonical:
        raise _checksum_mismatch()
    if int(digits, 16) < _BURN_BELOW or text.lower() in _EVM_BURNS:
        raise _burn_address()
    return _address(Family.EVM, canonical)


def _read_base58(text: str) -> Address:
    # Base58 has no regular length, so the decoded one tells the family: 25 bytes carry
    # a checksum (Tron, Bitcoin), 32 are a Solana key.
    octets = b58decode(text)
    if len(octets) == _SOLANA_BYTES:
        return _read_solana(text, octets)
    if len(octets) != _BASE58CHECK_BYTES:
        raise _shape_unknown()
    try:
        body = b58decode_check(text)
    except ValueError:
        raise _checksum_mismatch() from None
    version, account = body[0], body[1:]
    if version in _BITCOIN_TEST_VERSIONS:
        raise _test_network()
    if version not in {_TRON, _P2PKH, _P2SH}:
        raise AddressInvalid(
            "This is neither a Tron nor a Bitcoin address.", reason="version_unknown"
        )
    # A script hash of zeros is as dead as a key hash of zeros, and on Tron the account
    # of 20 zero bytes is where people burn.
    if int.from_bytes(account, "big") < _BURN_BELOW:
        raise _burn_address()
    return _address(Family.TRON if version == _TRON else Family.BITCOIN, text)


def _read_solana(text: str, octets: bytes) -> Address:
    if text in _SOLANA_BURNS:
        raise _burn_address()
    if text in _TOKEN_CONTRACTS:
        raise _token_contract()
    # libsodium also asks for the prime-order subgroup. Solana's own check does not, but
    # every key pair's public key is in it, so no wallet is refused.
    if not crypto_core_ed25519_is_valid_point(octets):
        raise AddressInvalid(
            "This Solana address belongs to a program, not to a wallet. Ask for the "
            "wallet's own address.",
            reason="not_a_wallet",
        )
    return _address(Family.SOLANA, text)


def _read_bech32(text: str) -> Address:
    prefix, values, checksum = _split_bech32(text)
    if checksum not in {_BECH32_CONSTANT, _BECH32M_CONSTANT}:
        raise _checksum_mismatch()
    if prefix != "bc":
        raise _test_network()
    version = values[0] if values else _WITNESS_VERSION_MAX + 1
    if version > _WITNESS_VERSION_MAX:
        raise AddressInvalid("This segwit version does not exist.", reason="version_unknown")
    # BIP 350: version 0 keeps the old constant, which misses some insertions of "q".
    if checksum != (_BECH32_CONSTANT if version == 0 else _BECH32M_CONSTANT):
        raise _checksum_mismatch()
    program = convertbits(values[1:], 5, 8, pad=False)
    lengths = _WITNESS_ZERO_BYTES if version == 0 else _WITNESS_BYTES
    if program is None or len(program) not in lengths:
        raise _length_wrong()
    return _address(Family.BITCOIN, text.lower())


def _split_bech32(text: str) -> tuple[str, list[int], int]:
    """The human-readable part, the values without their checksum, and what it comes to.

    The library's own decoder knows BIP 173's constant alone. `text` is of one case.
    """
    prefix, _, characters = text.lower().rpartition("1")
    values = [CHARSET.find(character) for character in characters]
    if (
        len(text) > _BECH32_LENGTH_MAX
        or len(values) < _BECH32_CHECKSUM_CHARACTERS
        or min(values) < 0
    ):
        raise _checksum_mismatch()
    checksum = bech32_polymod([*bech32_hrp_expand(prefix), *values])
    return prefix, values[:-_BECH32_CHECKSUM_CHARACTERS], checksum


def _address(family: Family, canonical: str) -> Address:
    if canonical in _TOKEN_CONTRACTS:
        raise _token_contract()
    return Address(
        family=family,
        canonical=canonical,
        networks=tuple(
            network.code for network in NETWORKS.values() if network.family is family
        ),
    )


def _shape_unknown() -> AddressInvalid:
    return AddressInvalid(
        "This is not an address of any network we know.", reason="shape_unknown"
    )


def _checksum_mismatch() -> AddressInvalid:
    return AddressInvalid(
        "The address's checksum does not match: a character is wrong.",
        reason="checksum_mismatch",
    )


def _length_wrong() -> AddressInvalid:
    return AddressInvalid("This segwit address has a wrong length.", reason="length_wrong")


def _token_contract() -> AddressInvalid:
    return AddressInvalid(
        "This is a token's contract, not a wallet: whatever is sent there stays there.",
        reason="token_contract",
    )


def _burn_address() -> AddressInvalid:
    return AddressInvalid(
        "Nobody has a key for this address: whatever is sent there is lost.",
        reason="burn_address",
    )


def _test_network() -> AddressInvalid:
    return AddressInvalid("This address belongs to a test network.", reason="test_network")
