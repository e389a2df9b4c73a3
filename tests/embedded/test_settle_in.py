"""Local chains in the database: wallets, tokens and depth once, and never over real ones."""

import pytest

from engine.rails import signing
from engine.rails.models import DepthPolicy, HotWallet, Slot, Token, WalletAsset
from zopay_site.embedded import chains, devnet, home, settle_in
from zopay_site.embedded.jsonrpc import ask
from zopay_site.embedded.say import Stop

NETWORKS = ("ethereum", "polygon")
REAL_USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def nodes(program, tmp_path_factory):
    place = home.make(tmp_path_factory.mktemp("chains") / "home")
    nodes = {
        name: chains.start(place, name, program, durable=False, block_seconds=None)
        for name in NETWORKS
    }
    yield nodes
    for node in nodes.values():
        node.stop()


@pytest.fixture
def forget(nodes):
    """Takes a chain back to its first day; all of them at the end."""
    days = {node.url: ask(node.url, "evm_snapshot") for node in nodes.values()}

    def forget(url):
        ask(url, "evm_revert", days[url])
        days[url] = ask(url, "evm_snapshot")

    yield forget
    for url in days:
        forget(url)


@pytest.fixture
def urls(nodes, forget):
    return {name: node.url for name, node in nodes.items()}


@pytest.fixture(autouse=True)
def connected(urls, settings, tmp_path):
    settings.RPC_URLS = {name: (url,) for name, url in urls.items()}
    settings.KEYSTORE_DIR = tmp_path / "keystore"
    settings.KEYSTORE_PASSWORD = "a long password that nobody else has, 0123456789"
    signing.forget_signers()


def rows():
    models = (HotWallet, WalletAsset, Token, DepthPolicy)
    return [list(model.objects.order_by("pk").values()) for model in models]


def close_slot(wallet, nonce):
    """As the rail does when a nonce is used up for good."""
    Slot.objects.create(
        wallet=wallet,
        nonce=nonce,
        kind="payout",
        asset="USDT",
        units=1,
        destination=wallet.address,
        to_address=wallet.address,
        gas_limit=120_000,
        closed_at=wallet.created_at,
    )


def test_each_chain_gets_two_lanes_that_can_sign_and_pay(urls):
    settle_in.settle_in()

    for name, url in urls.items():
        wallets = HotWallet.objects.filter(network=name)
        assert [wallet.key_name for wallet in wallets] == [f"{name}-1", f"{name}-2"]
        for wallet in wallets:
            assert signing.signer().address_of(wallet.key_name) == wallet.address
            assert int(ask(url, "eth_getBalance", wallet.address, "latest"), 16) == 10**22
            held = {
                row.asset: devnet.balance(
                    url,
                    Token.objects.get(network=name, asset=row.asset).address,
                    wallet.address,
                )
                for row in wallet.assets.all()
            }
            assert held == {"USDT": 50_000_000 * 10**6, "XAUT": 50_000_000 * 10**6}
        policies = DepthPolicy.objects.filter(network=name).values_list(
            "asset", "units_min", "confirmations"
        )
        assert list(policies) == [("", 0, 5)]


def test_again_changes_nothing(urls):
    settle_in.settle_in()
    before = rows(), {url: ask(url, "eth_blockNumber") for url in urls.values()}

    settle_in.settle_in()

    assert (rows(), {url: ask(url, "eth_blockNumber") for url in urls.values()}) == before


def test_what_somebody_has_changed_since_is_kept():
    settle_in.settle_in()
    DepthPolicy.objects.filter(network="polygon").update(confirmations=2)
    HotWallet.objects.filter(key_name="polygon-1").update(is_enabled=False)
    before = rows()

    settle_in.settle_in()

    assert rows() == before


def test_a_key_that_is_already_there_is_used():
    address = signing.create_key("ethereum-1")

    settle_in.settle_in()

    assert HotWallet.objects.get(key_name="ethereum-1").address == address


def test_other_networks_keep_their_tokens_and_depths():
    others = [
        list(model.objects.exclude(network__in=NETWORKS).order_by("pk").values())
        for model in (Token, DepthPolicy)
    ]

    settle_in.settle_in()

    assert others == [
        list(model.objects.exclude(network__in=NETWORKS).order_by("pk").values())
        for model in (Token, DepthPolicy)
    ]


def test_a_network_that_is_not_connected_is_left_alone(settings, urls):
    settings.RPC_URLS = {"polygon": (urls["polygon"],)}

    settle_in.settle_in()

    assert set(HotWallet.objects.values_list("network", flat=True)) == {"polygon"}
    assert Token.objects.get(network="ethereum", asset="USDT").address == REAL_USDT


@pytest.mark.parametrize("extra", ["http://127.0.0.1:1", None], ids=["one of two", "wrong id"])
def test_a_chain_that_is_not_surely_local_is_left_alone(settings, urls, extra):
    ethereum = urls["ethereum"]
    settings.RPC_URLS = {"ethereum": (ethereum, extra)} if extra else {"polygon": (ethereum,)}
    before = rows()

    settle_in.settle_in()

    assert rows() == before
    assert not settings.KEYSTORE_DIR.exists()
    assert ask(ethereum, "eth_getCode", devnet.FIRST["USDT"], "latest") == "0x"


def test_a_chain_that_lost_what_was_final_is_a_sentence_and_nothing_is_written(urls, forget):
    settle_in.settle_in()
    wallet = HotWallet.objects.get(key_name="ethereum-1")
    ask(urls["ethereum"], "anvil_setNonce", wallet.address, "0x3")
    close_slot(wallet, 2)
    settle_in.settle_in()
    forget(urls["ethereum"])
    before = rows()

    with pytest.raises(Stop, match="The local ethereum chain has lost blocks") as stop:
        settle_in.settle_in()

    assert stop.value.then == "bin/up --fresh starts over, without the data"
    assert rows() == before
    assert ask(urls["ethereum"], "eth_getCode", devnet.FIRST["USDT"], "latest") == "0x"


def test_a_chain_that_lost_what_was_not_yet_final_is_furnished_again(urls, forget):
    settle_in.settle_in()
    forget(urls["ethereum"])

    settle_in.settle_in()

    wallet = HotWallet.objects.get(key_name="ethereum-2")
    assert devnet.balance(urls["ethereum"], devnet.FIRST["USDT"], wallet.address) == 5 * 10**13
