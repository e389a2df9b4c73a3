"""The keys of deposit addresses are derived where keys are, and fit the addresses."""

import io
import json
from secrets import token_hex

import pytest
from django.core.management import CommandError, call_command
from eth_account import Account

from engine.rails import signing
from engine.rails.derivation import read_account, receiving_address
from engine.rails.signing import (
    KeystoreSigner,
    SigningRequest,
    SigningUnavailable,
    create_deposit_account,
    create_key,
)
from tests.rails.test_deposits import XPUB

WORDS = " ".join(["abandon"] * 11 + ["about"])
FIELDS = {
    "chainId": 1,
    "nonce": 0,
    "to": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "value": 0,
    "data": b"",
    "gas": 21_000,
    "maxFeePerGas": 10**9,
    "maxPriorityFeePerGas": 1,
}


@pytest.fixture(autouse=True)
def keystore(settings, tmp_path):
    settings.KEYSTORE_DIR = tmp_path / "keystore"
    settings.KEYSTORE_PASSWORD = token_hex(32)
    return settings.KEYSTORE_DIR


def test_the_account_of_words_is_that_of_every_wallet(keystore):
    assert create_deposit_account(WORDS) == XPUB

    account = json.loads((keystore / "deposits.json").read_text())
    assert account["xpub"] == XPUB
    assert (keystore / "deposits.json").stat().st_mode & 0o777 == 0o600
    assert "abandon" not in (keystore / "deposits.json").read_text()


def test_a_new_account_is_another_each_time(keystore):
    first = create_deposit_account()
    (keystore / "deposits.json").unlink()

    assert create_deposit_account() != first
    assert read_account(first).depth == 3


@pytest.mark.parametrize("words", [WORDS, ""])
def test_derived_keys_fit_the_addresses_that_were_handed_out(words):
    xpub = create_deposit_account(words)
    signer = KeystoreSigner()

    for index in (0, 1, 77, 2**31 - 1, 2**31, 2**40 + 5, 2**62 - 1):
        address = receiving_address(xpub, index // 2**31, index % 2**31)
        assert signer.address_of(f"deposit/{index}") == address
        request = SigningRequest(f"deposit/{index}", FIELDS, sender=address)
        (signed,) = signer.sign([request])
        assert Account.recover_transaction(signed.raw) == address


@pytest.mark.parametrize(
    "name",
    ["deposit/", "deposit/-1", "deposit/01", "deposit/x", "deposit/1/2", "deposit/4611686018427387904",
     "deposit/99999999999999999999", "deposit/١", "deposits/1", "../deposit/1"],
)  # fmt: skip
def test_there_is_no_other_name_for_a_derived_key(name):
    create_deposit_account()

    with pytest.raises(SigningUnavailable):
        KeystoreSigner().address_of(name)


def test_no_key_is_written_under_a_derived_name(keystore):
    with pytest.raises(SigningUnavailable):
        create_key("deposit/1")

    assert not keystore.exists()


def test_an_account_is_never_overwritten():
    xpub = create_deposit_account()

    with pytest.raises(SigningUnavailable, match="never overwritten"):
        create_deposit_account(WORDS)

    assert KeystoreSigner().address_of("deposit/0") == receiving_address(xpub, 0, 0)


@pytest.mark.parametrize("xpub", [None, "", XPUB, 7])
def test_an_extended_key_that_does_not_fit_derives_nothing(keystore, xpub):
    create_deposit_account()
    path = keystore / "deposits.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"xpub": xpub}))

    with pytest.raises(SigningUnavailable, match="fits"):
        KeystoreSigner().address_of("deposit/0")


def test_without_the_account_nothing_is_signed():
    with pytest.raises(SigningUnavailable, match="deposits is not in KEYSTORE_DIR"):
        KeystoreSigner().address_of("deposit/0")


def test_wrong_words_are_refused_and_not_repeated(keystore):
    with pytest.raises(ValueError, match="mnemonic") as caught:
        create_deposit_account("legal winner thank year wave sausage worth useful legal")

    assert "sausage" not in str(caught.value)
    assert caught.value.__context__ is None
    assert not keystore.exists()


def test_the_command_tells_what_the_setting_is(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"  {WORDS} \n"))

    call_command("create_deposit_account", mnemonic=True)

    assert capsys.readouterr().out == f"DEPOSIT_XPUB={XPUB}\n"
    with pytest.raises(CommandError, match="never overwritten"):
        call_command("create_deposit_account")


@pytest.mark.parametrize("text", ["", "abandon abandon"])
def test_the_command_refuses_what_are_no_words(keystore, monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))

    with pytest.raises(CommandError):
        call_command("create_deposit_account", mnemonic=True)

    assert not keystore.exists()


def test_no_key_shows_in_a_text():
    create_deposit_account()
    signer = KeystoreSigner()
    signer.address_of("deposit/0")

    assert repr(signer) == "<KeystoreSigner>"
    assert signing.DEPOSIT_KEY_NAME.fullmatch("deposit/0")
