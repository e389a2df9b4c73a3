"""What a miner can do to a chain, on a real node: drop, delay, and mine the older bytes."""

import pytest
from eth_account import Account

from zopay_site.chaos.miner import BASE_FEE_WEI, Miner
from zopay_site.chaos.node import Node, NodeRefused
from zopay_site.chaos.signed import bumped
from zopay_site.embedded import anvil, chains

# The first of the accounts that anvil makes of its published phrase.
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
GWEI = 10**9


@pytest.fixture(scope="module")
def program():
    try:
        return anvil.find_or_fetch()
    except anvil.NoAnvil as none:
        pytest.skip(f"no anvil to be had: {none}")


@pytest.fixture
def node(program, tmp_path):
    running = chains.start(tmp_path, "polygon", program, durable=False, block_seconds=None)
    node = Node(running.port)
    yield node
    node.close()
    running.kill()


@pytest.fixture
def miner(node):
    seen = []
    miner = Miner(node, seen=lambda: seen, seed="1")
    miner.sent = seen
    miner.mine(5)
    return miner


def signed(nonce, *, max_fee=3 * GWEI, tip=GWEI // 10, to="0x" + "11" * 20):
    fields = {
        "chainId": 137,
        "nonce": nonce,
        "to": to,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": max_fee,
        "maxPriorityFeePerGas": tip,
        "type": 2,
    }
    one = Account.from_key(KEY).sign_transaction(fields)
    return "0x" + bytes(one.raw_transaction).hex(), "0x" + bytes(one.hash).hex()


def send(miner, raw):
    miner.sent.append(raw)
    return miner.node.ask("eth_sendRawTransaction", raw)


def nonce_of(node):
    address = Account.from_key(KEY).address
    return int(node.ask("eth_getTransactionCount", address, "latest"), 16)


def test_bytes_that_differ_in_fees_alone_compete():
    first, second = signed(3)[0], signed(3, max_fee=5 * GWEI)[0]
    alone, other = signed(4)[0], signed(3, to="0x" + "22" * 20)[0]

    assert bumped([alone, first, other, second]) == [[first, second]]


def test_a_reorganisation_drops_the_last_of_a_lane_and_no_node_remembers_them(miner):
    heights, hashes = [], []
    for nonce in range(12):
        hashes.append(signed(nonce)[1])
        send(miner, signed(nonce)[0])
        if nonce % 4 == 3:
            miner.mine(1)
    before = int(miner.node.ask("eth_blockNumber"), 16)
    for _ in range(20):
        miner.reorganise()
        heights.append(int(miner.node.ask("eth_blockNumber"), 16))
        if nonce_of(miner.node) < 12:
            break

    left = nonce_of(miner.node)
    receipts = [miner.node.ask("eth_getTransactionReceipt", each) for each in hashes]
    known = [miner.node.ask("eth_getTransactionByHash", each) for each in hashes]
    assert left < 12
    assert set(heights) == {before}
    assert [receipt is not None for receipt in receipts] == [True] * left + [False] * (
        12 - left
    )
    assert [each is not None for each in known] == [True] * left + [False] * (12 - left)
    # Whoever sends them again is paid.
    for nonce in range(left, 12):
        send(miner, signed(nonce)[0])
    miner.mine(1)
    assert nonce_of(miner.node) == 12


def test_a_reorganisation_may_mine_what_was_signed_before_a_bump(miner):
    first, second = signed(0), signed(0, max_fee=5 * GWEI, tip=GWEI)
    found = set()
    for _ in range(40):
        for raw, _ in (first, second):
            try:
                send(miner, raw)
            except NodeRefused:
                continue
        miner.mine(1)
        miner.reorganise()
        found |= {
            hash_
            for _, hash_ in (first, second)
            if miner.node.ask("eth_getTransactionReceipt", hash_) is not None
        }
    assert found == {first[1], second[1]}


def test_a_spike_makes_gas_dear_and_ends(miner):
    miner.spike(factor=20, blocks=2)
    fees = []
    for _ in range(4):
        miner.mine(1)
        block = miner.node.ask("eth_getBlockByNumber", "latest", False)
        fees.append(int(block["baseFeePerGas"], 16))

    assert fees[0] == 20 * BASE_FEE_WEI
    assert fees[2:] == [BASE_FEE_WEI, BASE_FEE_WEI]


def test_after_a_spike_the_older_bytes_may_be_mined(miner):
    found = []
    for nonce in range(12):
        first, second = signed(nonce), signed(nonce, max_fee=99 * GWEI, tip=GWEI)
        send(miner, first[0])
        send(miner, second[0])
        # Too dear even for the second one.
        miner.spike(factor=200, blocks=2)
        miner.mine(3)
        if nonce_of(miner.node) == nonce:
            miner.node.ask("eth_sendRawTransaction", second[0])
            miner.mine(1)
        mined = miner.node.ask("eth_getTransactionReceipt", first[1]) is not None
        found.append(mined)

    assert nonce_of(miner.node) == 12
    assert set(found) == {True, False}
