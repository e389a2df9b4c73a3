"""Keys are kept encrypted, seen by one module, and sign exactly what they were asked to."""

import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from eth_account import Account

from engine.rails import signing
from engine.rails.errors import RailUnavailable
from engine.rails.signing import (
    KeystoreSigner,
    SigningRequest,
    SigningUnavailable,
    create_key,
    forget_signers,
    signer,
)

PASSWORD = "a-password-of-the-tests-made-of-forty-characters-or-more"
# The well-known first key of every development chain, and what is known of it.
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
FIELDS = {
    "chainId": 1,
    "nonce": 7,
    "to": "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    "value": 0,
    "data": bytes.fromhex("a9059cbb") + bytes(31) + b"\x01" + bytes(31) + b"\x02",
    "gas": 65_000,
    "maxFeePerGas": 30 * 10**9,
    "maxPriorityFeePerGas": 10**9,
}
# Made once from rlp and secp256k1 in plain Python, without eth-account.
SIGNED = (
    "02f8b00107843b9aca008506fc23ac0082fde894dac17f958d2ee523a2206206994597c13d831ec780b844a905"
    "9cbb00000000000000000000000000000000000000000000000000000000000000010000000000000000000000"
    "000000000000000000000000000000000000000002c080a062e7063804d11b704776430aea0a8a1479e4dbdedd"
    "8bbd04a6a2e52490a12442a0340b32a19e1ebfe4a9a4c67a8c25421a32402e199822af9bb1a32f61555a7871"
)
SIGNED_HASH = "0x88ccbb7f827a39b6e5814711a59e2de4028beb7b489b1c81150baeb028055242"


@pytest.fixture(autouse=True)
def keystore(settings, tmp_path):
    settings.KEYSTORE_DIR = tmp_path / "keystore"
    settings.KEYSTORE_PASSWORD = PASSWORD
    settings.SIGNER = "engine.rails.signing.KeystoreSigner"
    forget_signers()
    return settings.KEYSTORE_DIR


@pytest.fixture
def known(keystore):
    """A key file made by somebody else's tool, with scrypt."""
    keystore.mkdir(mode=0o700)
    content = Account.encrypt(KEY, PASSWORD, kdf="scrypt", iterations=2)
    (keystore / "known.json").write_text(json.dumps(content))
    return "known"


def request(key_name="known", *, sender="", **changes):
    return SigningRequest(key_name, {**FIELDS, **changes}, sender=sender)


def modes(folder):
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


def test_a_new_key_is_encrypted_and_nobody_else_may_read_it(keystore):
    address = create_key("hot-1")

    content = json.loads((keystore / "hot-1.json").read_bytes())
    assert content["version"] == 3
    assert "0x" + content["address"] == address
    assert Account.from_key(Account.decrypt(content, PASSWORD)).address == address
    assert modes(keystore) == {"hot-1.json": "0o600"}
    assert oct(keystore.stat().st_mode & 0o777) == "0o700"


def test_a_folder_that_others_may_read_is_closed(keystore):
    keystore.mkdir(mode=0o755)

    create_key("hot-1")

    assert oct(keystore.stat().st_mode & 0o777) == "0o700"


def test_no_two_keys_are_the_same():
    assert create_key("hot-1") != create_key("hot-2")


def test_a_key_is_never_overwritten(keystore):
    create_key("hot-1")
    before = (keystore / "hot-1.json").read_bytes()

    with pytest.raises(SigningUnavailable, match="already, and keys are never overwritten"):
        create_key("hot-1")

    assert (keystore / "hot-1.json").read_bytes() == before
    assert modes(keystore) == {"hot-1.json": "0o600"}


@pytest.mark.parametrize(
    ("password", "rounds"),
    [("p" * 39, 1_000_000), ("p" * 40, 10_000)],
)
def test_a_short_password_is_stretched(keystore, settings, password, rounds):
    settings.KEYSTORE_PASSWORD = password

    create_key("hot-1")

    crypto = json.loads((keystore / "hot-1.json").read_bytes())["crypto"]
    assert (crypto["kdf"], crypto["kdfparams"]["c"]) == ("pbkdf2", rounds)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "a/b", "a\\b", "/etc/x", "a.json", "A", "-a", "_a", "a\n", "a\0",
     "é", "١", "a" * 64, " a", "%2e%2e"],
)  # fmt: skip
@pytest.mark.parametrize("act", [create_key, KeystoreSigner().address_of])
def test_a_key_s_name_leads_nowhere_else(keystore, tmp_path, name, act):
    with pytest.raises(SigningUnavailable, match="A key's name is 1 to 63 of a-z"):
        act(name)

    assert list(tmp_path.rglob("*")) == []


def test_names_that_are_good(known):
    for name in ["a", "0", "ethereum-payouts_1", "a" * 63]:
        assert KeystoreSigner().address_of(name if name == known else known) == ADDRESS
        assert signing.checked_key_name(name) == name


@pytest.mark.usefixtures("known")
def test_what_is_signed_is_what_was_asked():
    [signed] = KeystoreSigner().sign([request()])

    assert signed.raw.hex() == SIGNED
    assert signed.hash == SIGNED_HASH
    assert Account.recover_transaction(signed.raw) == ADDRESS


@pytest.mark.usefixtures("known")
def test_a_batch_is_signed_in_order():
    signed = KeystoreSigner().sign([request(nonce=nonce) for nonce in range(5)])
    again = KeystoreSigner().sign([request(nonce=nonce) for nonce in range(5)])

    assert len({one.hash for one in signed}) == 5
    assert signed == again


@pytest.mark.usefixtures("known")
def test_data_may_be_hex():
    as_bytes, as_hex = KeystoreSigner().sign(
        [request(), request(data="0x" + FIELDS["data"].hex())]
    )

    assert as_bytes == as_hex


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "change",
    [
        {"nonce": -1},
        {"nonce": "0x7"},
        {"nonce": True},
        {"nonce": 1.0},
        {"nonce": 2**64 - 1},
        {"value": 2**256},
        {"chainId": 0},
        {"to": ""},
        {"to": None},
        {"to": FIELDS["to"].lower()},
        {"to": FIELDS["to"][:-1]},
        {"data": "zz"},
        {"gasPrice": 1},
        {"accessList": []},
        {"type": 1},
    ],
)
def test_what_is_no_eip_1559_is_not_signed(change):
    with pytest.raises(ValueError, match=r"to sign|Non-hex"):
        KeystoreSigner().sign([request(), request(**change)])


@pytest.mark.usefixtures("known")
def test_no_field_may_be_left_to_chance():
    for name in FIELDS:
        fields = {key: value for key, value in FIELDS.items() if key != name}
        with pytest.raises(ValueError, match=name):
            KeystoreSigner().sign([SigningRequest("known", fields)])


@pytest.mark.usefixtures("known")
def test_a_key_that_is_not_the_sender_s_signs_nothing():
    assert KeystoreSigner().sign([request(sender=ADDRESS)])

    with pytest.raises(SigningUnavailable, match=r"Restore the wallet's own key file"):
        KeystoreSigner().sign([request(sender=FIELDS["to"])])


@pytest.mark.usefixtures("known")
def test_a_key_is_decrypted_once(keystore, settings):
    one = KeystoreSigner()
    one.address_of("known")
    (keystore / "known.json").unlink()
    settings.KEYSTORE_PASSWORD = ""

    assert one.sign([request()])


@pytest.mark.usefixtures("known")
def test_threads_share_a_signer():
    one = KeystoreSigner()

    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(lambda nonce: one.sign([request(nonce=nonce)])[0], range(40)))

    assert signed == one.sign([request(nonce=nonce) for nonce in range(40)])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 3}',
        '{"version": 9}',
        '{"version":3,"crypto":{"kdf":"pbkdf2","kdfparams":{"prf":"md5","salt":"","dklen":32,"c":1}}}',
    ],
)
def test_a_file_that_is_no_key_s_says_what_to_do(keystore, content):
    keystore.mkdir()
    (keystore / "known.json").write_text(content)

    with pytest.raises(SigningUnavailable) as caught:
        KeystoreSigner().sign([request()])

    assert caught.value.message == (
        "The key known cannot be decrypted. Check KEYSTORE_PASSWORD, or restore its file."
    )
    assert isinstance(caught.value, RailUnavailable)
    assert caught.value.__context__ is None


def test_a_key_that_is_not_there_says_what_to_do():
    with pytest.raises(SigningUnavailable, match="Restore it from its backup, or create it"):
        KeystoreSigner().sign([request()])


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("password", "said"),
    [("wrong-" + PASSWORD, "Check KEYSTORE_PASSWORD"), ("", "Set KEYSTORE_PASSWORD")],
)
def test_a_wrong_password_says_what_to_do_and_not_what_it_was(settings, password, said):
    settings.KEYSTORE_PASSWORD = password

    with pytest.raises(SigningUnavailable, match=said) as caught:
        KeystoreSigner().address_of("known")

    assert "wrong-" not in repr(caught.value)
    assert caught.value.__context__ is None


def test_no_key_is_made_without_a_password(keystore, settings):
    settings.KEYSTORE_PASSWORD = ""

    with pytest.raises(SigningUnavailable, match="Set KEYSTORE_PASSWORD"):
        create_key("hot-1")

    assert not keystore.exists()


def test_a_file_that_holds_another_key_than_it_says_is_not_used(known, keystore):
    path = keystore / f"{known}.json"
    path.write_text(path.read_text().replace(ADDRESS[2:], FIELDS["to"][2:]))

    with pytest.raises(SigningUnavailable, match="holds another key than it says"):
        KeystoreSigner().address_of(known)


def test_a_file_that_cannot_be_read_says_so(keystore):
    (keystore / "known.json").mkdir(parents=True)

    with pytest.raises(SigningUnavailable, match="Let this user read its file"):
        KeystoreSigner().address_of("known")


def test_a_folder_that_cannot_be_written_says_so(settings, tmp_path):
    (tmp_path / "a-file").write_text("")
    settings.KEYSTORE_DIR = tmp_path / "a-file" / "keystore"

    with pytest.raises(SigningUnavailable, match="cannot be written to KEYSTORE_DIR"):
        create_key("hot-1")


def test_a_key_is_shown_nowhere(known, caplog):
    caplog.set_level("DEBUG")
    one = KeystoreSigner()
    signed = one.sign([request()])
    shown = [repr(one), str(one), repr(signed), caplog.text]
    with pytest.raises(ValueError, match="to sign") as caught:
        one.sign([request(nonce=-1)])
    shown.append(repr(caught.value))
    account = one._account(known)
    shown += [repr(account), str(account), repr(vars(one))]

    secrets = [KEY[2:], str(int(KEY, 16)), repr(bytes.fromhex(KEY[2:]))[2:-1], PASSWORD]
    for text in shown:
        assert not [secret for secret in secrets if secret in text]


def test_a_signer_cannot_be_sent_away(known):
    one = KeystoreSigner()
    one.address_of(known)

    with pytest.raises(TypeError):
        pickle.dumps(one)


def test_each_process_has_a_signer_of_its_own(settings, monkeypatch):
    first = signer()

    assert isinstance(first, KeystoreSigner)
    assert signer() is first
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert signer() is not first
    settings.SIGNER = "engine.rails.remote_signing.RemoteSigner"
    assert repr(signer()) == "<RemoteSigner>"


def test_a_key_file_is_json_that_other_tools_read(keystore):
    create_key("hot-1")

    content = orjson.loads((keystore / "hot-1.json").read_bytes())
    assert set(content) == {"address", "crypto", "id", "version"}
    assert content["crypto"]["cipher"] == "aes-128-ctr"
