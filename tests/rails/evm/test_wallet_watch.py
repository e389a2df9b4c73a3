"""What our wallets hold, as of a block, on a real chain; and an alarm once for each fall."""

import pytest
from django.utils import timezone

from engine.rails import tasks
from engine.rails.evm.heads import watch_head
from engine.rails.evm.measures import forget_measures, measure
from engine.rails.evm.rpc import forget_chains
from engine.rails.evm.wallet_watch import watch_wallets
from engine.rails.models import ChainHead, HotWallet, Token, WalletAsset
from tests.rails.evm.anvils import mine, running
from tests.rails.evm.nodes import Node
from zopay_site.embedded import devnet
from zopay_site.embedded.jsonrpc import ask

pytestmark = pytest.mark.django_db
# Of the first Hardhat keys, which everybody knows.
RICH, POOR, OFF = (
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
)
GAS, UNITS = devnet.GAS_WEI, devnet.TOKEN_UNITS


@pytest.fixture(scope="module")
def furnished():
    with running("ethereum", wallets=[RICH]) as chain:
        yield chain


@pytest.fixture
def chain(furnished, settings):
    """Each test puts back what it has done to the chain."""
    url, tokens = furnished
    settings.RPC_URLS = {"ethereum": (url,)}
    forget_chains()
    forget_measures()
    for asset, address in tokens.items():
        Token.objects.filter(network="ethereum", asset=asset).update(address=address)
    for address, is_enabled in ((RICH, True), (POOR, True), (OFF, False)):
        HotWallet.objects.create(
            network="ethereum", address=address, key_name=address.lower(), is_enabled=is_enabled
        )
    snapshot = ask(url, "evm_snapshot")
    yield url
    ask(url, "evm_revert", snapshot)
    forget_chains()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Each test is one database transaction; what follows a commit follows at once."""
    monkeypatch.setattr("engine.rails.alarms.transaction.on_commit", lambda call, **_: call())


def look():
    watch_wallets(watch_head("ethereum"))


def held(address):
    return {
        row.asset: (row.balance_units, row.balance_block)
        for row in WalletAsset.objects.filter(wallet__address=address)
    }


def gas(address):
    return HotWallet.objects.get(address=address).gas_wei


def set_gas(url, address, wei):
    ask(url, "anvil_setBalance", address, hex(wei))
    mine(url)


def test_every_enabled_wallet_is_read_at_the_block_of_the_head(chain):
    look()

    number = ChainHead.objects.get().number
    assert held(RICH) == {"USDT": (UNITS, number), "XAUT": (UNITS, number)}
    assert held(POOR) == {"USDT": (0, number), "XAUT": (0, number)}
    assert held(OFF) == {}
    assert [gas(address) for address in (RICH, POOR, OFF)] == [GAS, 0, None]
    seen = set(WalletAsset.objects.values_list("seen_at", flat=True))
    assert seen == {ChainHead.objects.get().seen_at}


def test_a_ceiling_that_an_operator_set_stays(chain):
    look()
    WalletAsset.objects.filter(asset="USDT").update(ceiling_units=77)
    mine(chain)

    look()

    assert set(
        WalletAsset.objects.filter(asset="USDT").values_list("ceiling_units", flat=True)
    ) == {77}


def test_the_balance_is_that_of_the_block_it_names_though_more_has_come(chain):
    head = watch_head("ethereum")
    owner = ask(chain, "eth_accounts")[0]
    token = Token.objects.get(network="ethereum", asset="USDT").address
    line = devnet.call("mint(address,uint256)", POOR, 5)
    devnet.mined(chain, [devnet.send(chain, owner, to=token, code=line)])

    watch_wallets(head)
    assert held(POOR)["USDT"] == (0, head.number)

    look()
    assert held(POOR)["USDT"] == (5, head.number + 1)


def test_an_earlier_look_is_not_written_over_a_later_one(chain):
    early = watch_head("ethereum")
    mine(chain)
    look()
    later = held(RICH)

    watch_wallets(early)

    assert held(RICH) == later


def test_a_token_that_is_not_there_leaves_no_balance(chain):
    Token.objects.filter(network="ethereum", asset="XAUT").update(address=OFF)

    look()

    assert set(held(RICH)) == {"USDT"}


@pytest.mark.parametrize(
    "told", ["0x", "0x5", "0x" + "0" * 65, "0x" + "zz" * 32, None, 5, [], "5"]
)
def test_what_is_not_one_word_is_no_balance(settings, told):
    wallet = HotWallet.objects.create(network="ethereum", address=RICH, key_name="hot-1")
    with Node() as node:
        settings.RPC_URLS = {"ethereum": (node.url,)}
        forget_chains()
        node.answers |= {"eth_getBalance": told, "eth_call": told}
        watch_wallets(watch_head("ethereum"))

    wallet.refresh_from_db()
    assert held(RICH) == {}
    assert wallet.gas_wei == {"0x5": 5, "0x" + "0" * 65: 0}.get(
        told if isinstance(told, str) else ""
    )
    forget_chains()


def test_a_block_that_the_node_does_not_have_leaves_the_last_balance(chain):
    look()
    before = held(RICH), gas(RICH)
    head = ChainHead.objects.get()
    head.number += 1000

    watch_wallets(head)

    assert (held(RICH), gas(RICH)) == before


def test_gas_below_the_alarm_is_told_once_for_each_fall(chain, settings, mailoutbox, caplog):
    settings.OPERATORS_EMAIL = "operators@zopay.test"
    HotWallet.objects.filter(address=POOR).update(gas_alarm_wei=10**18)
    set_gas(chain, POOR, 10**18)
    look()
    assert mailoutbox == []

    for wei in (10**18 - 1, 5, 10**17):
        set_gas(chain, POOR, wei)
        look()
        assert gas(POOR) == wei
    assert len(mailoutbox) == 1
    assert caplog.text.count("wallet_gas_is_low") == 1

    set_gas(chain, POOR, 2 * 10**18)
    look()
    set_gas(chain, POOR, 10**17)
    look()
    assert len(mailoutbox) == 2
    assert mailoutbox[1].to == ["operators@zopay.test"]
    assert mailoutbox[1].subject == "A wallet on Ethereum is short of gas"
    for said in (POOR, "0.1 ETH", f"https://etherscan.io/address/{POOR}"):
        assert said in mailoutbox[1].body


def test_a_wallet_that_was_never_seen_and_is_empty_is_told_of(chain, settings, mailoutbox):
    settings.OPERATORS_EMAIL = "operators@zopay.test"
    HotWallet.objects.filter(address=POOR).update(gas_alarm_wei=1)

    look()

    assert [mail.subject for mail in mailoutbox] == ["A wallet on Ethereum is short of gas"]


def test_without_an_address_nobody_is_written_to(chain, mailoutbox, caplog):
    HotWallet.objects.filter(address=POOR).update(gas_alarm_wei=1)

    look()

    assert mailoutbox == []
    assert "wallet_gas_is_low" in caplog.text


def test_a_wallets_row_is_left_alone_while_nothing_happens(chain):
    look()
    HotWallet.objects.update(seen_at=timezone.now())
    before = list(HotWallet.objects.values_list("seen_at", flat=True))
    mine(chain)

    look()

    assert list(HotWallet.objects.values_list("seen_at", flat=True)) == before


def test_one_round_knows_all_that_a_payout_needs(chain):
    mine(chain, 70)

    tasks.watch_chains()
    tasks.watch_chains()

    head = ChainHead.objects.get()
    assert head.number == int(ask(chain, "eth_blockNumber"), 16)
    assert head.final_number == head.number - 64
    assert head.block_seconds == 1.0
    assert held(RICH)["USDT"] == (UNITS, head.number)


def test_a_transfer_is_estimated_by_the_chain_itself(chain):
    head = watch_head("ethereum")
    measure("ethereum", number=head.number)
    # Nobody was known to hold a token yet.
    assert ChainHead.objects.get().transfer_gas == 65_000
    watch_wallets(head)

    measure("ethereum", number=head.number)

    # The log, two balances of which one is new, and 21,000 for being one at all.
    assert 45_000 < ChainHead.objects.get().transfer_gas < 60_000
