"""Local chains: real nodes that last over kill -9, rest when nobody waits, and grow no file.

Goal: whoever builds on them may treat them as chains that do not lose blocks. Method: real
nodes with a clock fifty times as quick as the product's.
"""

import errno
import gzip
import os
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from zopay_site.embedded import chains, children, devnet, home, say
from zopay_site.embedded.clock import FOLLOWING_BLOCKS, UNSAVED_BLOCKS_MAX, Clock
from zopay_site.embedded.environment import Servers, for_children
from zopay_site.embedded.jsonrpc import Refused, ask
from zopay_site.embedded.say import Stop
from zopay_site.embedded.supervisor import Supervisor

QUICK = 0.02
SOMEBODY = "0x00000000000000000000000000000000000000A1"


@pytest.fixture
def place(tmp_path):
    return home.make(tmp_path / 'a "home" of its own')


@pytest.fixture
def start(place, program):
    """Starts chains of this home, and ends them all."""
    nodes = []

    def start(network="ethereum", *, block_seconds=QUICK, **options):
        nodes.append(
            chains.start(place, network, program, block_seconds=block_seconds, **options)
        )
        return nodes[-1]

    yield start
    for node in nodes:
        node.stop()


def wait_for(look, *, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.01)
    return found


def number(node):
    return int(ask(node.url, "eth_blockNumber"), 16)


def base_fee(node):
    return int(ask(node.url, "eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)


def give(node, *, gas_price=None):
    sender = ask(node.url, "eth_accounts")[0]
    wish = {"from": sender, "to": SOMEBODY, "value": "0x1", "gas": hex(21_000)}
    if gas_price is not None:
        wish |= {"maxFeePerGas": hex(gas_price), "maxPriorityFeePerGas": "0x0"}
    return ask(node.url, "eth_sendTransaction", wish)


def is_resting(node):
    """Nothing to do, and known to be saved."""
    clock = node.clock
    quiet = clock.busy is not None and number(node) - clock.busy >= FOLLOWING_BLOCKS
    return quiet and clock.saved is not None and clock.saved[0] == number(node)


def receipt(node, made):
    return ask(node.url, "eth_getTransactionReceipt", made)


def test_two_chains_answer_to_the_ids_of_ethereum_and_polygon(start):
    nodes = [start(network) for network in chains.LOCAL]

    assert [int(ask(node.url, "eth_chainId"), 16) for node in nodes] == [1, 137]
    assert [int(ask(node.url, "net_version")) for node in nodes] == [1, 137]


def test_a_chain_listens_on_loopback_alone(start):
    node = start()
    listening = [
        line.split()[1]
        for line in Path(f"/proc/{node.pid}/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{node.port:04X}") and line.split()[3] == "0A"
    ]

    assert listening == [f"0100007F:{node.port:04X}"]


def test_a_chain_is_found_again_on_its_port_with_all_it_had(start):
    node = start()
    made = give(node)
    mined = wait_for(lambda: receipt(node, made))
    wait_for(lambda: is_resting(node))
    node.stop()

    again = start()

    assert again.port == node.port
    assert number(again) >= int(mined["blockNumber"], 16) + FOLLOWING_BLOCKS
    assert receipt(again, made) == mined
    assert ask(again.url, "eth_getTransactionByHash", made)["hash"] == made
    assert int(ask(again.url, "eth_getBalance", SOMEBODY, "latest"), 16) == 1


def test_logs_of_a_whole_session_can_still_be_asked_for(start, place):
    node = start(block_seconds=None)
    tokens = devnet.furnish(node.url, "ethereum", wallets=[SOMEBODY])
    # Far more than there are past states.
    for _ in range(100):
        ask(node.url, "evm_mine")
    mint = {"fromBlock": "0x0", "toBlock": "latest", "address": tokens["USDT"]}
    logs = ask(node.url, "eth_getLogs", mint)
    node.stop()

    again = start()

    assert len(logs) == 1
    assert ask(again.url, "eth_getLogs", mint) == logs


def test_kill_9_at_rest_loses_nothing(start):
    node = start()
    made = give(node)
    wait_for(lambda: receipt(node, made))
    wait_for(lambda: is_resting(node))
    before = number(node)

    node.kill()
    again = start(port=node.port, block_seconds=None)

    assert number(again) == before
    assert receipt(again, made)["status"] == "0x1"


def test_kill_9_in_the_midst_loses_less_than_what_was_believed(start):
    node = start()
    for _ in range(20):
        made = give(node)
        wait_for(lambda made=made: receipt(node, made))
    before = number(node)

    node.kill()
    again = start(port=node.port, block_seconds=None)

    # One more, because the clock may have made a block since we asked.
    assert before - number(again) <= UNSAVED_BLOCKS_MAX
    assert UNSAVED_BLOCKS_MAX < 5


def test_a_disk_that_fills_up_leaves_the_last_state_whole(start, place, monkeypatch):
    node = start()
    path = chains.state_file(place, "ethereum")
    wait_for(lambda: is_resting(node))
    kept = path.read_bytes()

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    made = give(node)
    wait_for(lambda: receipt(node, made))
    node.stop()

    assert gzip.decompress(kept)
    assert path.read_bytes() == kept


def test_the_state_is_private_and_alone(start, place):
    node = start()
    path = chains.state_file(place, "ethereum")
    wait_for(lambda: is_resting(node))

    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["ethereum.json.gz"]


def test_a_node_that_never_answered_does_not_save_itself(start, place, monkeypatch):
    node = start()
    wait_for(lambda: is_resting(node))
    node.stop()
    before = chains.state_file(place, "ethereum").stat()
    monkeypatch.setattr(chains, "_answers", lambda _node: False)
    monkeypatch.setattr(chains, "READY_SECONDS", 0.5)

    with pytest.raises(Stop, match="did not start"):
        start()

    assert chains.state_file(place, "ethereum").stat().st_ino == before.st_ino


def test_a_state_that_cannot_be_read_is_a_sentence_and_stays_as_it_was(start, place):
    path = chains.state_file(place, "ethereum")
    path.parent.mkdir()
    path.write_bytes(b"no archive")

    with pytest.raises(Stop, match="cannot be read") as stop:
        start()

    assert stop.value.then == "bin/up --fresh starts over"
    assert path.read_bytes() == b"no archive"


def test_a_state_that_anvil_refuses_is_a_sentence_and_stays_as_it_was(start, place):
    path = chains.state_file(place, "ethereum")
    path.parent.mkdir()
    kept = gzip.compress(b'{"block": "none of ours"}')
    path.write_bytes(kept)

    with pytest.raises(Stop, match="The ethereum chain did not start"):
        start()

    assert path.read_bytes() == kept
    assert list((place / "pids").iterdir()) == []


def test_a_chain_that_keeps_nothing_leaves_no_file(start, place):
    start(durable=False).stop()

    assert list((place / "chains").iterdir()) == []


def test_a_chain_writes_nothing_outside_its_home(start, tmp_path, monkeypatch):
    elsewhere = tmp_path / "the person's own folder"
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(elsewhere))

    node = start()
    # More than the past states that anvil would keep in memory before it turns to the disk.
    ask(node.url, "anvil_mine", hex(700), seconds=60)
    node.stop()

    assert list(elsewhere.rglob("*")) == []


def test_blocks_follow_a_transfer_and_then_the_chain_rests(start):
    node = start()
    wait_for(lambda: is_resting(node))
    made = give(node)

    mined = int(wait_for(lambda: receipt(node, made))["blockNumber"], 16)
    wait_for(lambda: is_resting(node))
    ticks = node.clock.ticks
    wait_for(lambda: node.clock.ticks > ticks + 20)

    assert number(node) == mined + FOLLOWING_BLOCKS


def test_blocks_that_somebody_else_made_are_followed_too(start):
    node = start()
    wait_for(lambda: is_resting(node))
    before = number(node)

    ask(node.url, "anvil_mine", hex(3))

    wait_for(lambda: number(node) >= before + 3 + FOLLOWING_BLOCKS)


def test_what_cannot_pay_the_fee_is_dropped_and_the_chain_rests(start):
    node = start(block_seconds=None)
    ask(node.url, "anvil_setNextBlockBaseFeePerGas", hex(1))
    made = give(node, gas_price=5)
    waits = ask(node.url, "txpool_status")["pending"]

    node.clock.start()

    # The clock's block asks for a gwei.
    wait_for(lambda: is_resting(node))
    assert waits == "0x1"
    assert ask(node.url, "eth_getTransactionByHash", made) is None


def test_the_base_fee_falls_no_further_than_its_least_and_may_rise(start):
    node = start("polygon")
    wait_for(lambda: is_resting(node))
    assert base_fee(node) == chains.LOCAL["polygon"].base_fee_wei

    ask(node.url, "anvil_setNextBlockBaseFeePerGas", hex(500 * chains.GWEI))
    give(node, gas_price=900 * chains.GWEI)

    wait_for(lambda: base_fee(node) > 400 * chains.GWEI)
    wait_for(lambda: is_resting(node))
    assert base_fee(node) < 200 * chains.GWEI


def test_a_clock_outlives_a_node_that_does_not_answer(start):
    node = start(block_seconds=None)
    clock = Clock("http://127.0.0.1:1", base_fee_wei=1, save_to=None, block_seconds=QUICK)
    clock.start()
    wait_for(lambda: clock.ticks > 3)

    clock.url = node.url

    wait_for(lambda: number(node) > 0)
    clock.end(is_saving=False)
    assert not clock.is_alive()


def test_a_reorganisation_can_be_made(start):
    node = start(block_seconds=None)
    for _ in range(10):
        ask(node.url, "evm_mine")
    before = ask(node.url, "eth_getBlockByNumber", hex(9), False)["hash"]

    ask(node.url, "anvil_reorg", 3, [])

    assert ask(node.url, "eth_getBlockByNumber", hex(9), False)["hash"] != before


def test_a_page_in_a_browser_is_told_nothing(start):
    node = start()

    # Without these headers a browser shows no page what another origin answered.
    assert "access-control-allow-origin" not in headers_of(node)


def headers_of(node):
    asked = b'{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}'
    names = {"Content-Type": "application/json", "Origin": "https://example.org"}
    request = urllib.request.Request(node.url, asked, names)  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return {name.lower() for name in answer.headers}


def test_a_node_that_says_no_is_told_from_one_that_is_gone(start):
    node = start()

    with pytest.raises(Refused, match="-32601"):
        ask(node.url, "no_such_method")
    node.kill()
    with pytest.raises(OSError, match="refused"):
        ask(node.url, "eth_chainId")


def test_bin_up_starts_a_chain_that_died_again_as_it_was(place, program, monkeypatch):
    monkeypatch.setattr(say.VOICE, "is_quiet", True)
    servers, supervisor = Servers(place), Supervisor()
    try:
        supervisor.add("ethereum", lambda: servers.start_chain("ethereum", program))
        first = servers.chains["ethereum"]
        made = give(first)
        wait_for(lambda: receipt(first, made))
        wait_for(lambda: first.clock.saved and first.clock.saved[0] == number(first))

        os.kill(first.pid, signal.SIGKILL)
        wait_for(lambda: supervisor.look() or servers.chains["ethereum"] is not first)

        again = servers.chains["ethereum"]
        names = for_children(servers)
        assert again.url == first.url == names["RPC_URL_ETHEREUM"]
        assert names["DEVNET_NETWORKS"] == "ethereum"
        assert receipt(again, made)["status"] == "0x1"
        assert not first.clock.is_alive()
        assert again.clock.is_alive()
    finally:
        supervisor.stop()


def test_a_node_that_the_environment_names_is_not_started(place, monkeypatch):
    monkeypatch.setenv("RPC_URL_ETHEREUM", "http://127.0.0.1:8545")
    monkeypatch.delenv("RPC_URL_POLYGON", raising=False)
    servers = Servers(place)

    names = for_children(servers)

    assert servers.needs_chains == ["polygon"]
    assert names["RPC_URL_ETHEREUM"] == "http://127.0.0.1:8545"
    assert names["DEVNET_NETWORKS"] == ""


def test_nothing_is_left_of_a_chain_that_was_stopped(start, place):
    node = start()
    node.stop()

    assert children.began(node.pid) is None
    assert not node.clock.is_alive()
    assert list((place / "pids").iterdir()) == []
    assert [path.name for path in (place / "chains").iterdir()] == ["ethereum.json.gz"]
