"""A search finds what enough nodes tell alike, and nothing that the chain does not hold."""

import pytest
from eth_utils import to_checksum_address

from engine.rails.errors import RailUnavailable
from engine.rails.evm import transfers_in
from engine.rails.evm.erc20 import TRANSFER_TOPIC, topic_of
from engine.rails.evm.rpc import Chain, Endpoint
from engine.rails.evm.transfers_in import Found, NotAgreed, Search, agreed_head, find_transfers
from tests.rails.evm.nodes import Node, Refusal

TOKEN = "0xdac17f958d2ee523a2206206994597c13d831ec7"
OURS = to_checksum_address("0x" + "ab" * 20)
OTHER = to_checksum_address("0x" + "cd" * 20)
SENDER = to_checksum_address("0x" + "12" * 20)
SEARCH = Search(tokens={TOKEN: "USDT"}, addresses=[OURS, OTHER])
HEAD = 100


@pytest.fixture(autouse=True)
def patient(settings):
    settings.RPC_TIMEOUT_SECONDS = 5.0
    settings.RPC_BATCH_MAX = 200


class LogNode(Node):
    """Answers getLogs from `logs`, as nodes do: by address, topics and range."""

    def __init__(self, *logs, **options):
        super().__init__(**options)
        self.logs = list(logs)
        self.blocks_max = self.addresses_max = 10**9

    def _eth_getLogs(self, wish):  # noqa: N802
        first, last = int(wish["fromBlock"], 16), int(wish["toBlock"], 16)
        wanted = wish["topics"][2] if len(wish["topics"]) > 1 else None
        if last - first + 1 > self.blocks_max or len(wanted or ()) > self.addresses_max:
            raise Refusal(-32005, "query returned more than 10000 results")
        return [
            log
            for log in self.logs
            if first <= int(log["blockNumber"], 16) <= last
            and log["address"].lower() in wish["address"]
            and log["topics"][0] == wish["topics"][0]
            and (wanted is None or log["topics"][2:3] in ([topic] for topic in wanted))
        ]


@pytest.fixture
def start():
    nodes = []

    def run(*logs, **options):
        node = LogNode(blocks=HEAD, **options)
        node.logs = [log(node, **terms) for terms in logs]
        nodes.append(node)
        return node

    yield run
    for node in nodes:
        node.close()


def log(node, *, block=50, index=0, to=OURS, units=7, tx=None, **changes):
    return {
        "address": to_checksum_address(TOKEN),
        "topics": [TRANSFER_TOPIC, topic_of(SENDER), topic_of(to)],
        "data": f"0x{units:064x}",
        "blockNumber": hex(block),
        "blockHash": node.hash_of(block),
        "transactionHash": tx or f"0x{block * 1000 + index:064x}",
        "logIndex": hex(index),
        "removed": False,
    } | changes


def chain(*nodes, quorum=1):
    endpoints = [Endpoint(url=node.url, network="ethereum", chain_id=1) for node in nodes]
    return Chain(network="ethereum", endpoints=endpoints, quorum=quorum)


def find(*nodes, quorum=1, first=10, last=90, search=SEARCH):
    return find_transfers(chain(*nodes, quorum=quorum), search, first=first, last=last)


def test_a_transfer_to_us_is_found_with_all_its_parts(start):
    node = start({"block": 50, "index": 3, "units": 7}, {"block": 40, "to": OTHER})

    found = find(node)

    assert (found.last, found.last_hash) == (90, node.hash_of(90))
    assert found.before_hash == node.hash_of(9)
    assert [one.block_number for one in found.transfers] == [40, 50]
    one = found.transfers[1]
    assert (one.log_index, one.asset, one.units) == (3, "USDT", 7)
    assert (one.sender, one.to) == (SENDER, OURS)
    assert (one.block_hash, one.tx_hash) == (node.hash_of(50), f"0x{50_003:064x}")


def test_the_chain_s_first_block_has_none_before_it(start):
    assert find(start(), first=0, last=5).before_hash == ""


def test_no_addresses_ask_for_no_logs(start):
    node = start({})

    found = find(node, search=Search(tokens={TOKEN: "USDT"}, addresses=[]))

    assert found.transfers == ()
    assert "eth_getLogs" not in node.asked
    assert find(node, search=Search(tokens={}, addresses=[OURS])).transfers == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "0x" + "66" * 20},  # another token of the same name
        {"topics": [TRANSFER_TOPIC, topic_of(SENDER), topic_of("0x" + "99" * 20)]},
        {"topics": ["0x" + "77" * 32, topic_of(SENDER), topic_of(OURS)]},  # an approval
        {"topics": [TRANSFER_TOPIC, topic_of(SENDER), topic_of(OURS), "0x" + "00" * 32]},  # NFT
        {"topics": [TRANSFER_TOPIC, topic_of(SENDER), "0x" + "01" * 12 + "ab" * 20]},
        {"topics": []},
        {"data": "0x" + "00" * 32},
        {"data": "0x"},
        {"data": "0x" + "00" * 63 + "07" + "00"},
    ],
)
def test_what_is_no_transfer_to_us_is_passed_over(start, changes):
    """Also when a node answers logs that nobody asked for."""
    node = start()
    node.answers["eth_getLogs"] = [log(node) | changes]

    assert find(node).transfers == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"removed": True},
        {"blockHash": "0x" + "00" * 32},
        {"blockNumber": hex(91)},
        {"blockNumber": hex(9)},
        {"blockNumber": None},
        {"transactionHash": None, "logIndex": None},
    ],
)
def test_a_log_that_the_chain_does_not_hold_stops_the_search(start, changes):
    node = start()
    node.answers["eth_getLogs"] = [log(node) | changes]

    with pytest.raises(NotAgreed):
        find(node)


@pytest.mark.parametrize("block", [9, 91])
def test_a_log_of_a_block_that_was_not_asked_for_stops_the_search(start, block):
    """It would be found again when its own block is searched, or was before."""
    node = start()
    node.answers["eth_getLogs"] = [log(node, block=block)]

    with pytest.raises(NotAgreed):
        find(node)


def test_a_node_that_answers_another_block_stops_the_search(start):
    node = start({})
    node.answers["eth_getBlockByNumber"] = lambda _params: node._eth_getBlockByNumber(
        "latest", False
    )

    with pytest.raises(NotAgreed):
        find(node, search=Search(tokens={}, addresses=[]))


def test_two_hashes_of_one_block_stop_the_search(start):
    node = start()
    node.answers["eth_getLogs"] = [
        log(node, index=0, blockHash="0x" + "00" * 32),
        log(node, index=1),
    ]

    with pytest.raises(NotAgreed):
        find(node)


@pytest.mark.parametrize("answer", [None, "0x", {}, [None], ["0x"], 7, [{}]])
def test_an_answer_that_is_no_list_of_logs_stops_the_search(start, answer):
    node = start()
    node.answers["eth_getLogs"] = answer

    with pytest.raises(RailUnavailable):
        find(node)


def test_a_block_that_the_node_has_not_got_stops_the_search(start):
    with pytest.raises(NotAgreed):
        find(start({}), last=HEAD + 1)


def test_two_nodes_that_tell_the_same_are_believed(start):
    assert len(find(start({}), start({}), quorum=2).transfers) == 1


@pytest.mark.parametrize("quorum", [1, 2])
def test_two_nodes_that_differ_are_waited_for(start, quorum):
    with pytest.raises(NotAgreed):
        find(start({}), start(), quorum=quorum)


@pytest.mark.parametrize("terms", [{"units": 8}, {"index": 1}, {"block": 51}, {"to": OTHER}])
def test_two_nodes_that_differ_in_one_part_are_waited_for(start, terms):
    with pytest.raises(NotAgreed):
        find(start({}), start({"tx": f"0x{50_000:064x}", **terms}), quorum=2)


def test_a_third_node_that_differs_is_outvoted(start):
    assert len(find(start({}), start(), start({}), quorum=2).transfers) == 1


def test_nodes_of_two_forks_are_waited_for(start):
    one, other = start({}), start({})
    other.fork_at = 85

    with pytest.raises(NotAgreed):
        find(one, other, quorum=2)


def test_a_chain_that_moves_while_it_is_searched_is_waited_for(start):
    """Its logs are of one fork, and a moment later it is on another."""
    node = start({"block": 50})
    asked = []

    def block(params):
        asked.append(params)
        node.fork_at = 45 if len(asked) > 2 else None
        return node._eth_getBlockByNumber(*params)

    node.answers["eth_getBlockByNumber"] = block

    with pytest.raises(NotAgreed, match="moved"):
        find(node)


def test_one_node_of_two_that_moves_is_waited_for(start):
    nodes = start({}), start({})
    for node in nodes:
        node.before = node._eth_getBlockByNumber
    asked = []

    def block(params):
        asked.append(params)
        nodes[0].fork_at = 45 if len(asked) > 2 else None
        return nodes[0].before(*params)

    nodes[0].answers["eth_getBlockByNumber"] = block

    with pytest.raises(NotAgreed, match="moved"):
        find(*nodes, quorum=2)


def test_a_node_that_refuses_many_blocks_is_asked_for_fewer(start):
    node = start({"block": 12}, {"block": 80})
    node.blocks_max = 20

    found = find(node)

    # 81 blocks, halved until they fit: 41, 21, 11.
    assert found.last == 20
    assert [one.block_number for one in found.transfers] == [12]
    assert find(node, first=80, last=90).transfers[0].block_number == 80


def test_a_node_that_refuses_many_addresses_is_asked_for_fewer(start):
    node = start({"block": 10}, {"block": 10, "index": 1, "to": OTHER})
    node.addresses_max = 1
    node.blocks_max = 1

    found = find(node)

    assert found.last == 10
    assert len(found.transfers) == 2


def test_a_node_that_refuses_everything_is_waited_for(start):
    node = start({})
    node.addresses_max = 0

    with pytest.raises(NotAgreed, match="refuse"):
        find(node)


def test_one_of_two_nodes_that_refuses_is_asked_for_fewer(start):
    one, other = start({"block": 11}), start({"block": 11})
    other.blocks_max = 20

    assert find(one, other, quorum=2).last == 20


def test_one_of_three_nodes_that_refuses_is_outvoted(start):
    nodes = [start({}) for _ in range(3)]
    nodes[0].blocks_max = 1

    assert find(*nodes, quorum=2).last == 90


def test_no_more_blocks_than_nodes_take_are_asked_for(start, monkeypatch):
    monkeypatch.setattr(transfers_in, "BLOCKS_MAX", 30)

    assert find(start()).last == 39


def test_many_addresses_are_asked_for_in_pieces(start, monkeypatch):
    monkeypatch.setattr(transfers_in, "ADDRESSES_MAX", 3)
    many = [to_checksum_address(f"0x{number:040x}") for number in range(1, 8)]
    node = start({"to": many[0]}, {"to": many[6], "index": 1})

    found = find(node, search=Search(tokens={TOKEN: "USDT"}, addresses=many))

    assert [one.to for one in found.transfers] == [many[0], many[6]]
    assert node.asked.count("eth_getLogs") == 3


def everybodys(ours, asked=None):
    def ours_among(addresses):
        if asked is not None:
            asked.append(set(addresses))
        return [address for address in addresses if address in ours]

    return Search(tokens={TOKEN: "USDT"}, ours_among=ours_among)


def test_too_many_addresses_are_picked_out_of_all_that_was_transferred(start):
    asked = []
    node = start(
        {"block": 50, "index": 3}, {"block": 40, "to": OTHER}, {"block": 41, "to": SENDER}
    )

    found = find(node, first=39, last=60, search=everybodys([OURS, OTHER], asked))

    assert found == find(node, first=39, last=60)
    assert [one.block_number for one in found.transfers] == [40, 50]
    assert asked == [{OURS, OTHER, SENDER}]
    ((wish,),) = [params for method, params in node.calls if method == "eth_getLogs"][:1]
    assert wish["topics"] == [TRANSFER_TOPIC]


def test_all_transfers_are_asked_for_in_few_blocks_at_once(start):
    node = start({"block": 59}, {"block": 60})

    found = find(node, first=10, search=everybodys([OURS]))

    assert found.last == 59
    assert [one.block_number for one in found.transfers] == [59]


def test_two_nodes_that_differ_in_a_stranger_s_transfer_are_believed(start):
    """Only what is ours is compared."""
    one, two = start({}), start({}, {"block": 30, "to": SENDER})

    assert len(find(one, two, quorum=2, last=59, search=everybodys([OURS])).transfers) == 1
    with pytest.raises(NotAgreed):
        find(one, two, quorum=2, last=59, search=everybodys([OURS, SENDER]))


def test_the_head_is_what_enough_nodes_have_reached(start):
    nodes = [start() for _ in range(3)]
    nodes[0].lag, nodes[1].lag = 7, 2

    assert agreed_head(chain(*nodes, quorum=1)) == HEAD
    assert agreed_head(chain(*nodes, quorum=2)) == HEAD - 2
    assert agreed_head(chain(*nodes, quorum=3)) == HEAD - 7


def test_a_head_that_too_few_tell_is_none(start):
    nodes = [start(), start()]

    def refuse(_params):
        raise Refusal(-32000, "not now")

    nodes[0].answers["eth_blockNumber"] = refuse

    with pytest.raises(NotAgreed):
        agreed_head(chain(*nodes, quorum=2))


def test_what_is_found_can_be_compared():
    assert len({Found(1, "a", "b", ()), Found(1, "a", "b", ())}) == 1
