"""Wallets at the terminal: added with the chain's own count, stopped by one, started by two."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from engine.rails import signing
from engine.rails.evm.rpc import forget_chains
from engine.rails.models import (
    HotWallet,
    Token,
    WalletAsset,
)
from engine.rails.wallet_acts import ActRefused, ask_to_unfreeze
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.rails.evm.anvils import mine, running
from tests.rails.evm.nodes import Node
from zopay_site.embedded import devnet
from zopay_site.embedded.jsonrpc import ask

pytestmark = pytest.mark.django_db
OURS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
THEIRS = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
HASH = "0x" + "ab" * 32


@pytest.fixture(autouse=True)
def keystore(settings, tmp_path):
    settings.KEYSTORE_DIR = tmp_path / "keystore"
    settings.KEYSTORE_PASSWORD = "a-password-of-the-tests-made-of-forty-characters-or-more"
    settings.SIGNER = "engine.rails.signing.KeystoreSigner"
    settings.RPC_QUORUM = 0
    signing.forget_signers()
    forget_chains()
    yield
    forget_chains()


@pytest.fixture(scope="module")
def chain():
    with running("ethereum", wallets=[]) as (url, _):
        yield url


@pytest.fixture
def connected(chain, settings):
    settings.RPC_URLS = {"ethereum": (chain,)}
    return chain


@pytest.fixture
def nodes(settings):
    with Node() as first, Node() as second:
        settings.RPC_URLS = {"ethereum": (first.url, second.url)}
        for node in (first, second):
            node.answers["eth_getTransactionCount"] = "0x5"
        yield first, second


@pytest.fixture
def wallet():
    return HotWallet.objects.create(network="ethereum", address=OURS, key_name="hot-1")


@pytest.fixture
def people():
    """Two who may change wallets, one who may not, and one who has left."""
    may = Permission.objects.get(codename="change_hotwallet")
    made = {}
    for name, options in {
        "ada": {}, "bo": {}, "vera": {}, "gone": {"is_active": False}, "guest": {"is_staff": False},
    }.items():  # fmt: skip
        made[name] = User.objects.create_user(name, **{"is_staff": True} | options)
        if name != "vera":
            made[name].user_permissions.add(may)
    return made


def freeze(wallet):
    HotWallet.objects.filter(pk=wallet.pk).update(frozen_at=timezone.now(), frozen_why="tested")


def is_frozen(wallet):
    return HotWallet.objects.get(pk=wallet.pk).frozen_at is not None


def test_a_wallet_with_a_new_key_begins_at_nonce_0(connected, capsys):
    call_command(
        "add_wallet", network="Ethereum", key_name="hot-1", create_key=True, gas_alarm="0.05"
    )

    wallet = HotWallet.objects.get()
    assert wallet.address == signing.signer().address_of("hot-1")
    assert (wallet.network, wallet.purpose, wallet.next_nonce) == ("ethereum", "payouts", 0)
    assert (wallet.gas_alarm_wei, wallet.gas_wei, wallet.frozen_at) == (5 * 10**16, None, None)
    assets = set(WalletAsset.objects.values_list("asset", "balance_units", "ceiling_units"))
    assert assets == {("USDT", None, None), ("XAUT", None, None)}
    said = capsys.readouterr().out
    assert f"Added: ethereum {wallet.address}, from nonce 0." in said
    assert f"https://etherscan.io/address/{wallet.address}" in said


def test_a_used_address_goes_on_where_the_chain_is(connected):
    address = signing.create_key("used")
    ask(connected, "anvil_setBalance", address, hex(10**18))
    ask(connected, "anvil_impersonateAccount", address)
    sends = [devnet.send(connected, address, to=OURS, value=1) for _ in range(3)]

    with pytest.raises(CommandError, match="something under way"):
        call_command("add_wallet", network="ethereum", key_name="used")
    assert HotWallet.objects.count() == 0

    devnet.mined(connected, sends)
    mine(connected)
    call_command("add_wallet", network="ethereum", key_name="used", purpose="deposits")
    assert HotWallet.objects.values_list("address", "next_nonce", "purpose").get() == (
        address, 3, "deposits",
    )  # fmt: skip


def test_nodes_that_count_differently_are_not_believed(nodes):
    signing.create_key("hot-1")
    nodes[1].answers["eth_getTransactionCount"] = "0x6"

    with pytest.raises(CommandError, match="disagree"):
        call_command("add_wallet", network="ethereum", key_name="hot-1")
    assert HotWallet.objects.count() == 0

    nodes[1].answers["eth_getTransactionCount"] = "0x5"
    call_command("add_wallet", network="ethereum", key_name="hot-1")
    assert HotWallet.objects.get().next_nonce == 5


def test_too_few_nodes_are_not_believed_either(nodes):
    signing.create_key("hot-1")
    nodes[1].fault = 500

    with pytest.raises(CommandError, match="Too few nodes"):
        call_command("add_wallet", network="ethereum", key_name="hot-1")
    assert HotWallet.objects.count() == 0


def test_a_node_that_refuses_to_count_is_named(nodes):
    signing.create_key("hot-1")
    for node in nodes:
        del node.answers["eth_getTransactionCount"]

    with pytest.raises(CommandError, match="does not tell the nonce"):
        call_command("add_wallet", network="ethereum", key_name="hot-1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"network": "polygon"}, "polygon is not connected: set RPC_URL_POLYGON"),
        ({"network": "etherum"}, "The networks are"),
        ({"key_name": "missing"}, "is not in KEYSTORE_DIR"),
        ({"key_name": "../../etc/passwd"}, "A key's name is"),
        ({"gas_alarm": "0.05 ETH"}, "--gas-alarm"),
        ({"gas_alarm": "-1"}, "--gas-alarm"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_added(nodes, options, said):
    with pytest.raises(CommandError, match=said):
        call_command("add_wallet", **{"network": "ethereum", "key_name": "hot-1"} | options)

    assert HotWallet.objects.count() == 0


def test_a_wallet_is_added_once(nodes, settings):
    call_command("add_wallet", network="ethereum", key_name="hot-1", create_key=True)
    with pytest.raises(CommandError, match="a wallet of the key hot-1 already"):
        call_command("add_wallet", network="ethereum", key_name="hot-1")
    first = settings.KEYSTORE_DIR / "hot-1.json"
    (settings.KEYSTORE_DIR / "hot-2.json").write_bytes(first.read_bytes())
    with pytest.raises(CommandError, match="has the wallet 0x"):
        call_command("add_wallet", network="ethereum", key_name="hot-2")

    assert HotWallet.objects.count() == 1


def test_a_network_without_tokens_gets_a_wallet_without_assets(nodes):
    Token.objects.all().delete()

    call_command("add_wallet", network="ethereum", key_name="hot-1", create_key=True)

    assert WalletAsset.objects.count() == 0


@pytest.mark.parametrize("name", [OURS, OURS.lower(), "hot-1"])
def test_anybody_at_the_terminal_stops_a_wallet_at_once(wallet, name, capsys):
    call_command("freeze_wallet", name, reason="the key was seen elsewhere")

    wallet.refresh_from_db()
    assert wallet.frozen_why == "the key was seen elsewhere"
    since = wallet.frozen_at
    call_command("freeze_wallet", name, reason="again")
    wallet.refresh_from_db()
    assert (wallet.frozen_why, wallet.frozen_at) == ("the key was seen elsewhere", since)
    assert "was frozen already: the key was seen elsewhere." in capsys.readouterr().out


def test_a_wallet_is_not_stopped_without_a_word_why(wallet):
    with pytest.raises(CommandError, match="Say why"):
        call_command("freeze_wallet", OURS, reason=" ")

    assert not is_frozen(wallet)


def test_a_wallet_that_is_known_on_two_networks_needs_a_network(wallet):
    HotWallet.objects.create(network="polygon", address=OURS, key_name="hot-1")

    with pytest.raises(CommandError, match="say which --network"):
        call_command("freeze_wallet", OURS, reason="tested")
    assert not is_frozen(wallet)

    call_command("freeze_wallet", OURS, reason="tested", network="Polygon")
    assert list(
        HotWallet.objects.exclude(frozen_at=None).values_list("network", flat=True)
    ) == ["polygon"]


@pytest.mark.parametrize("command", ["freeze_wallet", "unfreeze_wallet"])
def test_a_wallet_that_does_not_exist_is_refused(command):
    options = {"reason": "x"} if command == "freeze_wallet" else {"by": "a", "second": "b"}

    with pytest.raises(CommandError, match="There is no wallet"):
        call_command(command, THEIRS, **options)
    with pytest.raises(CommandError, match="The networks are"):
        call_command(command, THEIRS, network="etherum", **options)


def test_two_people_start_it_again_and_both_are_written_down(wallet, people, capsys):
    freeze(wallet)

    call_command("unfreeze_wallet", OURS, "--by", "ada", "--and", "bo")

    assert not is_frozen(wallet)
    assert HotWallet.objects.get().frozen_why == ""
    said = set(LogEntry.objects.values_list("change_message", "user__username"))
    assert said == {("Unfrozen.", "ada"), ("Unfrozen.", "bo")}
    assert "It was frozen because: tested." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("by", "second", "said"),
    [
        ("ada", "ada", "It takes two people"),
        ("ada", "vera", "vera may not change wallets"),
        ("vera", "ada", "vera may not change wallets"),
        ("ada", "gone", "Nobody on the staff"),
        ("guest", "ada", "Nobody on the staff"),
        ("ada", "nobody", "Nobody on the staff"),
    ],
)
def test_anything_less_leaves_it_frozen(wallet, people, by, second, said):
    freeze(wallet)

    with pytest.raises(CommandError, match=said):
        call_command("unfreeze_wallet", OURS, by=by, second=second)

    assert is_frozen(wallet)
    assert LogEntry.objects.count() == 0


def test_a_wallet_that_signs_cannot_be_started(wallet, people):
    with pytest.raises(CommandError, match="It is not frozen"):
        call_command("unfreeze_wallet", OURS, by="ada", second="bo")
    with pytest.raises(ActRefused, match="It is not frozen"):
        ask_to_unfreeze(wallet.pk, by=people["ada"])


def test_in_the_admin_too_only_those_count_who_may(wallet, people):
    freeze(wallet)

    for name in ("vera", "gone", "guest"):
        with pytest.raises(ActRefused, match="may not change wallets"):
            ask_to_unfreeze(wallet.pk, by=people[name])

    assert LogEntry.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_the_same_moment_start_it_together(wallet, people):
    freeze(wallet)
    with transaction.atomic():
        assert ask_to_unfreeze(wallet.pk, by=people["ada"]) is False
        late = Session(lambda: ask_to_unfreeze(wallet.pk, by=people["bo"]))
        wait_until_somebody_waits_for_me()

    assert late.wait() is True
    assert not is_frozen(wallet)
