"""A chain by several nodes: one that fails rests, and agreement needs enough of them."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from eth_utils import keccak

from engine.rails.evm.rpc import Call, Chain, Endpoint, RpcUnavailable, chain_of
from tests.rails.evm.nodes import Node, Refusal

NUMBER = Call("eth_blockNumber")
RAW = b"\x02signed"


@pytest.fixture(autouse=True)
def quick(settings):
    settings.RPC_TIMEOUT_SECONDS = 2.0
    settings.RPC_BATCH_MAX = 200
    settings.RPC_QUORUM = 0


@pytest.fixture
def clock(monkeypatch):
    """The seconds that back-off counts: they pass when a test says so."""
    now = [1000.0]
    monkeypatch.setattr("engine.rails.evm.rpc.monotonic", lambda: now[0])
    return now


@pytest.fixture
def nodes():
    with Node(blocks=1) as first, Node(blocks=2) as second, Node(blocks=3) as third:
        yield first, second, third


def chain(*nodes, quorum=1):
    endpoints = [Endpoint(url=node.url, network="ethereum", chain_id=1) for node in nodes]
    return Chain(network="ethereum", endpoints=endpoints, quorum=quorum)


def test_the_first_node_is_preferred(nodes):
    ours = chain(*nodes)

    assert [ours.ask([NUMBER]) for _ in range(2)] == [["0x1"], ["0x1"]]
    assert nodes[1].calls == []


@pytest.mark.parametrize("fault", ["drop request", 429, "one short", "other ids"])
def test_the_next_node_answers_when_the_first_does_not(nodes, fault):
    nodes[0].fault = fault

    assert chain(*nodes).ask([NUMBER, NUMBER]) == ["0x2", "0x2"]


def test_a_node_of_another_chain_is_passed_over(nodes):
    nodes[0].chain_id = 137

    assert chain(*nodes).ask([NUMBER]) == ["0x2"]


def test_when_none_answers_each_says_why(nodes):
    nodes[0].fault, nodes[1].fault, nodes[2].chain_id = 500, "one error", 5

    with pytest.raises(RpcUnavailable) as caught:
        chain(*nodes).ask([NUMBER])

    assert caught.value.message.startswith("Too few nodes of ethereum answer. ")
    for node, said in zip(
        nodes, ["HTTP 500", "the whole batch", "does not serve"], strict=True
    ):
        assert f"{node.name} " in caught.value.message
        assert said in caught.value.message


def test_a_node_that_failed_is_left_alone_twice_as_long_each_time(nodes, clock):
    nodes[0].fault = 500
    ours = chain(*nodes[:2])
    pauses = []
    for _ in range(9):
        ours.ask([NUMBER])
        heard = len(nodes[0].heard)
        assert ours.ask([NUMBER]) == ["0x2"]
        assert len(nodes[0].heard) == heard, "it was asked although it rests"
        pauses.append(ours.endpoints[0].free_at - clock[0])
        clock[0] = ours.endpoints[0].free_at

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_one_answer_ends_the_rest(nodes, clock):
    nodes[0].faults = [500, 500]
    ours = chain(*nodes[:2])
    for _ in range(2):
        ours.ask([NUMBER])
        clock[0] += 60
    assert ours.ask([NUMBER]) == ["0x1"]

    nodes[0].faults = [500]
    ours.ask([NUMBER])

    assert ours.endpoints[0].free_at - clock[0] == 1


def test_threads_that_fail_at_once_fail_once(nodes, clock):
    [endpoint] = chain(nodes[0]).endpoints
    endpoint.ask([])
    nodes[0].meeting, nodes[0].fault = Barrier(8), "drop reply"

    def ask(_):
        with pytest.raises(RpcUnavailable):
            endpoint.ask([NUMBER])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))

    assert endpoint.free_at - clock[0] == 1


def test_when_all_rest_the_one_that_is_free_first_is_asked(nodes, clock):
    ours = chain(*nodes[:2])
    nodes[0].faults, nodes[1].faults = [500, 500], [500]
    with pytest.raises(RpcUnavailable):
        ours.ask([NUMBER])
    clock[0] += 0.5
    # The second one's time is up first: the first one has just failed again.
    with pytest.raises(RpcUnavailable):
        ours.endpoints[0].ask([NUMBER])

    assert ours.ask([NUMBER]) == ["0x2"]


def test_every_node_that_answers_has_a_say(nodes):
    nodes[1].fork_at = 0
    block = Call("eth_getBlockByNumber", ["0x1", False])

    first, second, third = chain(*nodes, quorum=2).ask_each([NUMBER, block])

    assert [first[0], second[0], third[0]] == ["0x1", "0x2", "0x3"]
    assert first[1]["hash"] == third[1]["hash"] != second[1]["hash"]


def test_those_that_do_not_answer_have_none(nodes):
    nodes[0].fault = "drop reply"

    assert chain(*nodes, quorum=2).ask_each([NUMBER]) == [["0x2"], ["0x3"]]


def test_fewer_than_the_quorum_are_nobody(nodes):
    nodes[0].fault, nodes[1].fault = "drop reply", 503

    with pytest.raises(RpcUnavailable, match="HTTP 503") as caught:
        chain(*nodes, quorum=2).ask_each([NUMBER])

    assert caught.value.message.count("http://") == 2


def test_a_quorum_that_rests_is_not_waited_for(nodes, clock):
    ours = chain(*nodes[:2], quorum=2)
    nodes[0].fault = 500
    with pytest.raises(RpcUnavailable):
        ours.ask_each([NUMBER])
    heard = len(nodes[1].heard)

    with pytest.raises(RpcUnavailable, match=f"Left alone for now: {nodes[0].name}"):
        ours.ask_each([NUMBER])

    assert len(nodes[1].heard) == heard


def test_more_than_there_are_can_never_agree(nodes):
    with pytest.raises(RpcUnavailable):
        chain(*nodes, quorum=4).ask_each([NUMBER])


def test_all_are_asked_at_once(nodes):
    ours = chain(*nodes, quorum=3)
    ours.ask_each([])
    # None answers before all have been asked.
    meeting = Barrier(3)
    for node in nodes:
        node.meeting = meeting

    assert ours.ask_each([NUMBER]) == [["0x1"], ["0x2"], ["0x3"]]
    assert [taken for taken, _ in ours.send([RAW])] == [True]


@pytest.mark.parametrize(
    ("setting", "nodes_given", "quorum"),
    [(0, 1, 1), (0, 2, 2), (0, 3, 2), (1, 3, 1), (3, 2, 3)],
)
def test_two_must_agree_unless_the_settings_say_otherwise(
    settings, setting, nodes_given, quorum
):
    settings.RPC_QUORUM = setting
    settings.RPC_URLS = {"ethereum": tuple(f"http://h{n}:1" for n in range(nodes_given))}

    assert chain_of("ethereum").quorum == quorum


# --- Handing over signed bytes ---------------------------------------------------------


def test_signed_bytes_go_to_every_node_in_order(nodes, settings):
    settings.RPC_BATCH_MAX = 2
    raws = [bytes([2, number]) for number in range(5)]

    said = chain(*nodes).send(raws)

    assert [taken for taken, _ in said] == [True] * 5
    for node in nodes:
        assert node.raws == ["0x" + raw.hex() for raw in raws]
        assert f"{node.name} took it" in said[0][1]


@pytest.mark.parametrize(
    ("message", "taken"),
    [
        ("already known", True),
        ("AlreadyKnown", True),
        ("ALREADY_EXISTS: already known", True),
        ("known transaction: 0xab", True),
        ("Known transaction", True),
        ("transaction already imported", True),
        ("Transaction with the same hash was already imported.", True),
        ("unknown transaction type", False),
        ("nonce too low", False),
        ("nonce too low: next nonce 5, tx nonce 4", False),
        ("replacement transaction underpriced", False),
        ("insufficient funds for gas * price + value", False),
        ("transaction underpriced", False),
        ("", False),
    ],
)
def test_only_a_node_that_has_these_bytes_counts_as_having_taken_them(nodes, message, taken):
    def refuse(_):
        raise Refusal(-32000, message)

    nodes[0].answers["eth_sendRawTransaction"] = refuse

    assert chain(nodes[0]).send([RAW]) == [
        (taken, f"{nodes[0].name} said: {message} (-32000)"),
    ]


@pytest.mark.parametrize("answer", [None, "", "0x", "0x" + "00" * 32, {"hash": "0x"}, True])
def test_another_hash_than_ours_is_not_taken(nodes, answer):
    nodes[0].answers["eth_sendRawTransaction"] = answer

    [(taken, words)] = chain(nodes[0]).send([RAW])

    assert taken is False
    assert "took it for something else" in words


def test_one_node_that_took_it_is_enough(nodes):
    def refuse(_):
        raise Refusal(-32000, "nonce too low")

    nodes[0].answers["eth_sendRawTransaction"] = refuse
    nodes[1].fault = "drop request"

    [(taken, words)] = chain(*nodes).send([RAW])

    assert taken is True
    assert "nonce too low" in words
    assert "hung up" in words
    assert "took it" in words


def test_refused_by_all_who_answer_is_refused(nodes):
    def refuse(_):
        raise Refusal(-32000, "nonce too low")

    nodes[0].answers["eth_sendRawTransaction"] = refuse
    nodes[1].fault = "drop request"

    assert chain(*nodes[:2]).send([RAW])[0][0] is False


@pytest.mark.parametrize("fault", ["drop request", "drop reply", 500, "other ids", "hang"])
def test_no_answer_is_neither(nodes, settings, fault):
    settings.RPC_TIMEOUT_SECONDS = 0.4
    for node in nodes:
        node.faults = [None, fault]

    [(taken, words)] = chain(*nodes).send([RAW])

    assert taken is None
    assert all(node.name in words for node in nodes)


def test_a_node_too_busy_to_take_it_has_not_refused_it(nodes):
    def refuse(_):
        raise Refusal(429, "slow down")

    nodes[0].answers["eth_sendRawTransaction"] = refuse

    assert chain(nodes[0]).send([RAW])[0][0] is None


def test_a_lost_reply_is_found_out_by_sending_again(nodes):
    ours = chain(nodes[0])
    nodes[0].faults = [None, "drop reply"]

    assert ours.send([RAW])[0][0] is None
    assert ours.send([RAW])[0][0] is True
    assert nodes[0].raws == ["0x" + RAW.hex()]


def test_what_was_answered_before_a_node_fell_silent_stands(nodes, settings):
    settings.RPC_BATCH_MAX = 1
    nodes[0].faults = [None, None, "drop reply"]

    said = chain(nodes[0]).send([b"\x02a", b"\x02b", b"\x02c"])

    assert [taken for taken, _ in said] == [True, None, None]
    assert nodes[0].raws == ["0x0261", "0x0262"]


def test_nothing_to_send_is_nothing_sent(nodes):
    assert chain(*nodes).send([]) == []


def test_the_double_knows_bytes_by_their_hash(nodes):
    [answer] = chain(nodes[0]).ask([Call("eth_sendRawTransaction", ["0x" + RAW.hex()])])

    assert answer == "0x" + keccak(RAW).hex()
