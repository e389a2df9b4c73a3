"""A real chain for each test that asks for one, with tokens, wallets and their keys."""

from secrets import token_hex

import pytest

from engine.rails.depths import forget_depths
from engine.rails.evm.heads import watch_head
from engine.rails.evm.rpc import forget_chains
from engine.rails.evm.wallet_watch import watch_wallets
from engine.rails.models import DepthPolicy, HotWallet, Token
from zopay_site.embedded import anvil, chains, devnet, settle_in
from zopay_site.embedded.jsonrpc import ask


@pytest.fixture(scope="session")
def program():
    """The EVM node; tests that need one skip where none can be had."""
    try:
        return anvil.find_or_fetch()
    except anvil.NoAnvil as why:
        pytest.skip(f"no EVM node: {why}")


class Net:
    """A chain whose blocks come when the test says so."""

    def __init__(self, node, network):
        self.node, self.network, self.url = node, network, node.url

    def ask(self, method, *parameters):
        return ask(self.url, method, *parameters)

    def mine(self, blocks=1):
        self.ask("anvil_mine", hex(blocks))

    @property
    def number(self):
        return int(self.ask("eth_blockNumber"), 16)

    def token(self, asset="USDT"):
        return Token.objects.get(network=self.network, asset=asset).address

    def balance(self, holder, asset="USDT"):
        return devnet.balance(self.url, self.token(asset), holder)

    def watch(self):
        """What the watchers do every few seconds."""
        head = watch_head(self.network)
        watch_wallets(head)


@pytest.fixture
def nodes(program, tmp_path_factory):
    """Starts chains by name; all of them end with the test."""
    started = []

    def start(network="ethereum", **options):
        home = tmp_path_factory.mktemp(network)
        options = {"durable": False, "block_seconds": None} | options
        node = chains.start(home, network, program, **options)
        started.append(node)
        return node

    yield start
    for node in started:
        node.stop()


@pytest.fixture
def keystore(settings, tmp_path):
    settings.KEYSTORE_DIR = tmp_path / "keystore"
    settings.KEYSTORE_PASSWORD = token_hex(32)
    settings.SIGNER = "engine.rails.signing.KeystoreSigner"


@pytest.fixture
def devnets(nodes, keystore, settings):
    """Connects networks to new local chains and settles in, as bin/up does."""

    def connect(*networks):
        nets = {network: Net(nodes(network), network) for network in networks}
        settings.RPC_URLS = {network: (net.url,) for network, net in nets.items()}
        forget_chains()
        seeds.extend([*Token.objects.all(), *DepthPolicy.objects.all()])
        settle_in.settle_in()
        forget_depths()
        for net in nets.values():
            net.watch()
        return nets

    seeds = []
    yield connect
    forget_chains()
    # What migrations put there outlives the flush after a test that really commits.
    if seeds:
        for model in (Token, DepthPolicy):
            model.objects.all().delete()
            model.objects.bulk_create(row for row in seeds if isinstance(row, model))


@pytest.fixture
def net(db, devnets):
    """Ethereum's lookalike alone."""
    return devnets("ethereum")["ethereum"]


@pytest.fixture
def one_lane(net):
    """A single wallet, so that every nonce comes from it."""
    first = HotWallet.objects.filter(network="ethereum").earliest("pk")
    HotWallet.objects.exclude(pk=first.pk).update(is_enabled=False)
    return first
