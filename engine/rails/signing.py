"""The only place that ever sees a private key.

Keys lie in encrypted V3 keystore files, one for each key name, and are decrypted once per
process. They stay in this module's memory: nothing here puts one into a log line, an
exception or a repr. With a signer on another host (engine.rails.remote_signing) no key is
on this one at all.

The keys of deposit addresses are called ``deposit/<index>`` and have no files: they are
derived by BIP-32 from the account's key in ``deposits.json``, at /0/a/b, where index is
a * 2**31 + b. That file has the account's extended public key beside the encrypted key; it
is what DEPOSIT_XPUB is.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from django.conf import settings
from django.utils.module_loading import import_string
from eth_account import Account
from eth_account.hdaccount import seed_from_mnemonic
from eth_account.hdaccount._utils import hmac_sha512
from eth_account.hdaccount.deterministic import HardNode, SoftNode, derive_child_key
from eth_keys.datatypes import PrivateKey
from eth_utils.address import is_checksum_address
from eth_utils.exceptions import ValidationError
from eth_utils.hexadecimal import decode_hex

from engine.rails.derivation import (
    ACCOUNT_DEPTH,
    HARDENED,
    PLACES,
    RECEIVING,
    PublicKey,
    XpubInvalid,
    read_account,
    steps_of,
)
from engine.rails.errors import RailUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eth_account.signers.local import LocalAccount

# The key's name is a file's name and part of a URL, so it can be neither more nor less.
KEY_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
DEPOSITS = "deposits"
DEPOSIT_KEY_NAME = re.compile(r"deposit/(0|[1-9][0-9]{0,18})", re.ASCII)
# m/44'/60'/0', by BIP-44 and SLIP-44.
ACCOUNT_PATH = (44, 60, 0)
QUANTITIES = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "value")
FIELDS = frozenset({*QUANTITIES, "to", "data"})
# EIP-2681 for the nonce; the others are what the EVM can hold.
QUANTITY_MAX = 2**256 - 1
NONCE_MAX = 2**64 - 2

# A password this long comes from a generator, and stretching adds nothing to its 200 bits
# or more. One that a person chose is stretched as long as eth-keyfile thinks right: a
# million rounds, half a second once per process. (Its other way, scrypt, takes 256 MB.)
LONG_PASSWORD = 40
ROUNDS_OF_LONG_PASSWORD = 10_000
ROUNDS = 1_000_000
# What eth-keyfile raises at a wrong password, and at files that are no keystores.
NOT_A_KEYSTORE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    AssertionError,
    NotImplementedError,
)


class SigningUnavailable(RailUnavailable):
    """Nothing was signed that may be used. The message says what to do about it."""

    code = "signing_unavailable"


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What to sign, and with which key.

    `fields` are those of EIP-1559, all of them and no others: chainId, nonce, value, gas,
    maxFeePerGas and maxPriorityFeePerGas as int (wei, units of gas), `to` as an EIP-55
    address, `data` as bytes. `sender`, when given, is the address whose key must sign.
    """

    key_name: str
    fields: Mapping[str, Any]
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """Signed bytes as a node takes them, and the hash ("0x…") they will be known by."""

    hash: str
    raw: bytes = field(repr=False)


class Signer(Protocol):
    """Whoever has the keys. Both verbs are safe to repeat."""

    def address_of(self, key_name: str) -> str:
        """The EIP-55 address that `key_name` signs for. Raises SigningUnavailable."""

    def sign(self, requests: Sequence[SigningRequest]) -> list[Signed]:
        """Sign each, in order; all or nothing. Never inside a database transaction.

        Raises SigningUnavailable; ValueError when `fields` are not those of EIP-1559.
        """


class KeystoreSigner:
    """Signs with the encrypted files in KEYSTORE_DIR."""

    def __init__(self) -> None:
        self._accounts: dict[Path, LocalAccount] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return "<KeystoreSigner>"

    def address_of(self, key_name: str) -> str:
        """See Signer."""
        return str(self._account(key_name).address)

    def sign(self, requests: Sequence[SigningRequest]) -> list[Signed]:
        """See Signer."""
        return [self._sign_one(request) for request in requests]

    def _sign_one(self, request: SigningRequest) -> Signed:
        fields = checked_fields(request)
        account = self._account(request.key_name)
        if request.sender not in {"", account.address}:
            raise SigningUnavailable(
                f"The key {request.key_name} is that of {account.address}, not of "
                f"{request.sender}. Restore the wallet's own key file."
            )
        signed = account.sign_transaction({**fields, "type": 2})
        return Signed(hash="0x" + signed.hash.hex(), raw=bytes(signed.raw_transaction))

    def _account(self, key_name: str) -> LocalAccount:
        if deposit := DEPOSIT_KEY_NAME.fullmatch(key_name):
            account = self._account(DEPOSITS)
            return _derived(account, _path_of(DEPOSITS), int(deposit[1]))
        path = _path_of(key_name)
        # One at a time: decrypting takes long on purpose, and once is enough.
        with self._lock:
            if path not in self._accounts:
                self._accounts[path] = _decrypted(path, key_name=key_name)
            return self._accounts[path]


def create_key(key_name: str) -> str:
    """Make a new key and keep it encrypted in KEYSTORE_DIR. Returns its address.

    The folder gets mode 700 and the file 600. A key is never overwritten.
    Raises SigningUnavailable.
    """
    account = Account.create()
    _store(key_name, account, {})
    return str(account.address)


def create_deposit_account(mnemonic: str = "") -> str:
    """Keep the key of an account for deposit addresses, encrypted in KEYSTORE_DIR.

    `mnemonic` is a BIP-39 one, of which m/44'/60'/0' is taken; without it the account is
    new, and the file is all there is of it. Returns the account's extended public key,
    which DEPOSIT_XPUB wants. Raises SigningUnavailable; ValueError when it is no mnemonic.
    """
    try:
        seed = seed_from_mnemonic(mnemonic, passphrase="") if mnemonic else token_bytes(64)
    except ValidationError:
        # The error says the words again.
        seed = b""
    if not seed:
        raise ValueError("no BIP-39 mnemonic")
    # BIP-32, "Master key generation".
    mixed = hmac_sha512(b"Bitcoin seed", seed)
    node, parent = (mixed[:32], mixed[32:]), PublicKey(b"", b"", 0, bytes(4), 0)
    for depth, number in enumerate(ACCOUNT_PATH, 1):
        parent = PublicKey(_point(node[0]), node[1], depth - 1, bytes(4), 0)
        node = derive_child_key(*node, HardNode(number))
    public = PublicKey(
        point=_point(node[0]),
        chain_code=node[1],
        depth=ACCOUNT_DEPTH,
        parent_fingerprint=parent.fingerprint,
        child_number=HARDENED + ACCOUNT_PATH[-1],
    )
    _store(DEPOSITS, Account.from_key(node[0]), {"xpub": public.xpub})
    return public.xpub


def _point(key: bytes) -> bytes:
    return PrivateKey(key).public_key.to_compressed_bytes()


def _derived(account: LocalAccount, path: Path, index: int) -> LocalAccount:
    """The key at the place `index` of the account. Raises SigningUnavailable."""
    try:
        public = read_account(str(orjson.loads(path.read_bytes())["xpub"]))
    except (OSError, ValueError, TypeError, KeyError, XpubInvalid):
        public = None
    if public is None or public.point != _point(bytes(account.key)) or index >= PLACES:
        raise SigningUnavailable(
            f"The key {DEPOSITS} has no extended public key that fits it, or no child {index}."
            " Restore its file from its backup."
        )
    node = (bytes(account.key), public.chain_code)
    for step in (RECEIVING, *steps_of(index)):
        node = derive_child_key(*node, SoftNode(step))
    derived: LocalAccount = Account.from_key(node[0])
    return derived


def _store(key_name: str, account: LocalAccount, more: dict[str, str]) -> None:
    """Write an encrypted key file, with `more` in the clear. Raises SigningUnavailable."""
    path = _path_of(key_name)
    password = _password()
    is_long = len(password) >= LONG_PASSWORD
    keystore = account.encrypt(
        password,
        kdf="pbkdf2",
        iterations=ROUNDS_OF_LONG_PASSWORD if is_long else ROUNDS,
    )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        _write_new(path, orjson.dumps({**keystore, **more}))
    except FileExistsError:
        raise SigningUnavailable(
            f"There is a key called {key_name} already, and keys are never overwritten. "
            "Choose another name."
        ) from None
    except OSError as error:
        raise SigningUnavailable(
            f"The key {key_name} cannot be written to KEYSTORE_DIR ({error.strerror}). "
            "Let this user write there."
        ) from None


def signer() -> Signer:
    """The signer that settings.SIGNER names, one per process."""
    key = (os.getpid(), settings.SIGNER)
    if key not in _signers:
        _signers.setdefault(key, import_string(settings.SIGNER)())
    return _signers[key]


# By process, because a remote signer's connections must not be shared with a child.
_signers: dict[tuple[int, str], Signer] = {}


def signer_of(raw: bytes) -> str:
    """The address whose key has signed these bytes.

    Raises what eth-account does for bytes that nobody has signed: ValueError, TypeError,
    BadSignature and ValidationError of the libraries beneath it.
    """
    address: str = Account.recover_transaction(raw)
    return address


def forget_signers() -> None:
    """Forget every key and connection, as a new process has none."""
    _signers.clear()


def checked_fields(request: SigningRequest) -> dict[str, Any]:
    """The fields to sign, `data` as bytes. Raises ValueError, naming the wrong one.

    There is no way to sign a contract's creation: `to` is an address.
    """
    fields = dict(request.fields)
    if set(fields) != FIELDS:
        raise ValueError(f"Fields to sign differ in {sorted(set(fields) ^ FIELDS)}.")
    for name in QUANTITIES:
        most = NONCE_MAX if name == "nonce" else QUANTITY_MAX
        if type(fields[name]) is not int or not 0 <= fields[name] <= most:
            raise ValueError(f"{name} to sign is not a whole number that fits.")
    if not fields["chainId"]:
        # Signed for no chain it would be good on every chain.
        raise ValueError("chainId to sign is 0.")
    if not isinstance(fields["to"], str) or not is_checksum_address(fields["to"]):
        raise ValueError("to to sign is no EIP-55 address.")
    if isinstance(fields["data"], str):
        fields["data"] = decode_hex(fields["data"])
    fields["data"] = bytes(fields["data"])
    return fields


def checked_key_name(key_name: str) -> str:
    """The name, if a signer may know it. Raises SigningUnavailable."""
    return key_name if DEPOSIT_KEY_NAME.fullmatch(key_name) else _file_name(key_name)


def _file_name(key_name: str) -> str:
    if not KEY_NAME.fullmatch(key_name):
        raise SigningUnavailable(
            "A key's name is 1 to 63 of a-z, 0-9, - and _, and begins with a letter or digit."
        )
    return key_name


def _path_of(key_name: str) -> Path:
    return Path(settings.KEYSTORE_DIR) / f"{_file_name(key_name)}.json"


def _password() -> str:
    password: str = settings.KEYSTORE_PASSWORD
    if not password:
        raise SigningUnavailable("Set KEYSTORE_PASSWORD: key files are encrypted under it.")
    return password


def _decrypted(path: Path, *, key_name: str) -> LocalAccount:
    password = _password()
    try:
        keystore = orjson.loads(path.read_bytes())
        account: LocalAccount = Account.from_key(Account.decrypt(keystore, password))
        is_its_own = account.address[2:].lower() == str(keystore["address"]).lower()
    except FileNotFoundError:
        why = "is not in KEYSTORE_DIR. Restore it from its backup, or create it."
    except OSError as error:
        why = f"cannot be read ({error.strerror}). Let this user read its file."
    except NOT_A_KEYSTORE:
        why = "cannot be decrypted. Check KEYSTORE_PASSWORD, or restore its file."
    else:
        if is_its_own:
            return account
        why = "holds another key than it says. Restore its file from its backup."
    # Outside any except block: what was caught may hold what was half decrypted.
    raise SigningUnavailable(f"The key {key_name} {why}", key_name=key_name)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file of mode 600, whole or not at all. Raises FileExistsError."""
    with NamedTemporaryFile(dir=path.parent, prefix=".new-") as file:  # opens with mode 600
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        # A link, unlike a rename, fails when the name is taken.
        os.link(file.name, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
