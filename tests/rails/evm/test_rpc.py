"""One node: its answers are believed whole or not at all, and its address is never told."""

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest
from django.core.exceptions import ImproperlyConfigured

from engine.rails.errors import RailUnavailable
from engine.rails.evm.rpc import (
    Call,
    Endpoint,
    RpcRefused,
    RpcUnavailable,
    chain_of,
    connected_networks,
    forget_chains,
)
from tests.rails.evm.nodes import WRONG, Node, Refusal

NUMBER = Call("eth_blockNumber")
SECRET = "k3y0123456789abcdef"


@pytest.fixture(autouse=True)
def quick(settings):
    settings.RPC_TIMEOUT_SECONDS = 5.0
    settings.RPC_QUORUM = 0
    settings.RPC_BATCH_MAX = 200
    forget_chains()


@pytest.fixture
def node():
    with Node(path=f"/v2/{SECRET}") as one:
        yield one


def endpoint_of(node, **changes):
    return Endpoint(**{"url": node.url, "network": "ethereum", "chain_id": 1, **changes})


def test_answers_come_raw_and_in_the_order_of_the_calls(node):
    node.fault = "backwards"
    block = node.hash_of(7)

    number, answer, missing = endpoint_of(node).ask(
        [NUMBER, Call("eth_getBlockByNumber", ["0x7", False]), Call("eth_nothing")]
    )

    assert number == "0x64"
    assert answer["hash"] == block
    assert (missing.code, missing.message) == (-32601, "the method eth_nothing does not exist")


def test_what_a_node_sends_with_its_refusal_is_kept(node):
    def revert(_):
        raise Refusal(3, "execution reverted", data="0x08c379a0")

    node.answers["eth_call"] = revert

    [refused] = endpoint_of(node).ask([Call("eth_call", [{}, "latest"])])

    assert isinstance(refused, RpcRefused)
    assert (refused.code, refused.message, refused.data) == (
        3, "execution reverted", "0x08c379a0",
    )  # fmt: skip


def test_null_is_an_answer(node):
    assert endpoint_of(node).ask([Call("eth_getTransactionReceipt", ["0xab"])]) == [None]


def test_many_calls_are_split_into_batches(node, settings):
    settings.RPC_BATCH_MAX = 3
    endpoint = endpoint_of(node)

    answers = endpoint.ask(
        [Call("eth_getBlockByNumber", [hex(number), False]) for number in range(8)]
    )

    assert [answer["number"] for answer in answers] == [hex(number) for number in range(8)]
    assert node.batches == [1, 3, 3, 2]


def test_half_of_the_batches_is_no_answer(node, settings):
    settings.RPC_BATCH_MAX = 1
    node.faults = [None, None, 500]

    with pytest.raises(RpcUnavailable, match="answered HTTP 500"):
        endpoint_of(node).ask([NUMBER, NUMBER])


def test_threads_share_a_node_and_each_gets_its_own_answers(node):
    endpoint = endpoint_of(node)

    def ask(number):
        [answer] = endpoint.ask([Call("eth_getBlockByNumber", [hex(number), False])])
        return int(answer["number"], 16)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(80))) == list(range(80))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("one error", r"refused the whole batch: no batches today \(-32603\)"),
        (
            "one error in a list",
            "gave 1 answers, not one to each of 3 calls: no batches today",
        ),
        ("one short", "gave 2 answers, not one to each of 3 calls"),
        ("one too many", "gave 4 answers, not one to each of 3 calls"),
        ("first for last", "gave 3 answers, not one to each of 3 calls"),
        ("other ids", "gave 3 answers, not one to each of 3 calls"),
        ("ids as text", "answered something that is not JSON-RPC"),
        ("no ids", "answered something that is not JSON-RPC"),
        ("no results", "answered something that is not JSON-RPC"),
        ("one call alone", "answered something that is not JSON-RPC"),
        ("<html>busy</html>", "answered something that is not JSON"),
        (b"\xff\xfe", "answered something that is not JSON"),
        ("", "answered something that is not JSON"),
        ("null", "answered something that is not JSON-RPC"),
        ("[1, 2, 3]", "answered something that is not JSON-RPC"),
        ('{"error": "down"}', r"refused the whole batch: down \(0\)"),
        ('[{"id": [], "error": {}}]', "answered something that is not JSON-RPC"),
        ("[" * 100_000, "answered something that is not JSON"),
        (429, "answered HTTP 429"),
        (500, "answered HTTP 500"),
        (503, "answered HTTP 503"),
        (401, "answered HTTP 401"),
        (204, "answered HTTP 204"),
        ("redirect", "answered HTTP 302"),
        ("drop request", "could not be reached, or hung up"),
        ("drop reply", "could not be reached, or hung up"),
    ],
)
def test_a_bad_answer_is_no_answer(node, fault, said):
    node.faults = [None, fault]

    with pytest.raises(RpcUnavailable, match=f"^{node.name} {said}") as caught:
        endpoint_of(node).ask([NUMBER, NUMBER, NUMBER])

    assert isinstance(caught.value, RailUnavailable)
    assert SECRET not in repr(caught.value.__dict__)


def test_every_way_to_answer_wrongly_was_tried():
    tried = {mark.args[1][n][0] for mark in bad_answers() for n in range(len(mark.args[1]))}

    assert set(WRONG) - tried == {"backwards"}


def bad_answers():
    return test_a_bad_answer_is_no_answer.pytestmark


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_node_that_does_not_come_to_an_end_is_given_up_in_time(node, settings, fault):
    settings.RPC_TIMEOUT_SECONDS = 0.4
    node.faults = [None, fault]
    endpoint = endpoint_of(node)
    began = monotonic()

    with pytest.raises(RpcUnavailable, match=r"did not answer within 0\.4 seconds"):
        endpoint.ask([NUMBER])

    assert monotonic() - began < 3


def test_a_node_that_is_gone_is_unavailable():
    with Node() as node:
        endpoint = endpoint_of(node)
    with pytest.raises(RpcUnavailable, match="could not be reached"):
        endpoint.ask([NUMBER])


def test_an_endless_answer_is_not_read_to_its_end(node, monkeypatch):
    monkeypatch.setattr("engine.rails.evm.rpc_batch.ANSWER_BYTES_MAX", 10_000)
    node.answers["eth_getLogs"] = "0x" + "00" * 10_000

    with pytest.raises(RpcUnavailable, match="answered too much"):
        endpoint_of(node).ask([Call("eth_getLogs", [{}])])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (429, "Your app has exceeded its capacity"),
        (-32005, "daily request count exceeded, request rate limited"),
        (-32007, "50/second request limit reached"),
        (-32000, "Too Many Requests"),
    ],
)
def test_a_node_too_busy_to_answer_one_call_has_not_answered(node, code, message):
    def refuse(_):
        raise Refusal(code, message)

    node.answers["eth_call"] = refuse

    with pytest.raises(RpcUnavailable, match="is too busy"):
        endpoint_of(node).ask([NUMBER, Call("eth_call", [])])


def test_asking_for_too_much_is_the_caller_s_matter_and_not_the_node_s(node):
    def refuse(_):
        raise Refusal(-32005, "query returned more than 10000 results")

    node.answers["eth_getLogs"] = refuse
    endpoint = endpoint_of(node)

    [refused] = endpoint.ask([Call("eth_getLogs", [{}])])

    assert refused.code == -32005
    assert endpoint.is_free


def test_a_node_of_another_chain_is_asked_nothing(node, caplog):
    node.chain_id = 137

    with pytest.raises(RpcUnavailable, match=r"does not serve ethereum \(chain id 1\)"):
        endpoint_of(node).ask([NUMBER])

    assert node.calls == [("eth_chainId", [])]
    told = caplog.text
    assert "rpc_wrong_chain" in told
    assert "0x89" in told
    assert SECRET not in told


def test_the_chain_id_is_asked_once(node):
    endpoint = endpoint_of(node)

    for _ in range(3):
        endpoint.ask([NUMBER])

    assert [method for method, _ in node.calls] == ["eth_chainId", *["eth_blockNumber"] * 3]


def test_a_node_that_comes_back_may_be_another(node):
    endpoint = endpoint_of(node)
    endpoint.ask([NUMBER])
    node.faults = [500]
    with pytest.raises(RpcUnavailable):
        endpoint.ask([NUMBER])
    node.chain_id = 137

    with pytest.raises(RpcUnavailable, match="does not serve ethereum"):
        endpoint.ask([NUMBER])


@pytest.mark.parametrize("answer", [None, "1", 1, "0x01", {}, ["0x1"], "0x1 "])
def test_only_the_chain_id_as_json_rpc_writes_it_counts(node, answer):
    node.answers["eth_chainId"] = answer

    with pytest.raises(RpcUnavailable, match="does not serve ethereum"):
        endpoint_of(node).ask([NUMBER])


def test_proxies_and_passwords_of_the_environment_are_not_heeded(node, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password hopper")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    assert endpoint_of(node).ask([NUMBER]) == ["0x64"]
    assert all("Authorization" not in headers for headers in node.heard)


def test_the_key_in_an_address_reaches_the_node_and_nobody_else(node, caplog):
    caplog.set_level("DEBUG")
    url = f"http://someone:pass-of-someone@127.0.0.1:{node.port}/v2/{SECRET}?token=t{SECRET}"
    endpoint = endpoint_of(node, url=url)
    endpoint.ask([NUMBER])

    def tell(_):
        raise Refusal(-32000, f"invalid project id {SECRET}")

    node.answers["eth_call"] = tell
    [refused] = endpoint.ask([Call("eth_call", [])])
    node.faults = [json.dumps({"error": {"code": 1, "message": f"no such key: {SECRET}"}}), 401]
    texts = [repr(endpoint), endpoint.name, str(refused)]
    for _ in range(2):
        with pytest.raises(RpcUnavailable) as caught:
            endpoint.ask([NUMBER])
        error = caught.value
        texts += [
            str(error),
            repr(error.details),
            repr(error.__cause__),
            repr(error.__context__),
        ]

    assert "Basic " in node.heard[0]["Authorization"]
    assert "invalid project id …" in refused.message
    for text in [*texts, caplog.text]:
        assert SECRET not in text
        assert "pass-of-someone" not in text


@pytest.mark.parametrize(
    "url", [f"ftp://h/{SECRET}", f"//h/{SECRET}", SECRET, "http://", f"http://h:99999/{SECRET}",
            f"http://[::1/{SECRET}", ""],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_telling_it(settings, url):
    settings.RPC_URLS = {"ethereum": (url,)}

    with pytest.raises(ImproperlyConfigured) as caught:
        chain_of("ethereum")

    assert SECRET not in repr(caught.value)


def test_an_address_is_named_by_scheme_host_and_port():
    def name(url):
        return Endpoint(url=url, network="ethereum", chain_id=1).name

    assert name(f"https://eth.example/v3/{SECRET}") == "https://eth.example"
    assert (
        name(f"https://a:b@eth.example:8545/{SECRET}?x={SECRET}") == "https://eth.example:8545"
    )
    assert name("http://[::1]:8545/") == "http://[::1]:8545"


def test_answers_may_be_compressed(node):
    body = gzip.compress(b"[]")

    node.faults = [None, body]

    with pytest.raises(RpcUnavailable, match="not JSON"):
        endpoint_of(node).ask([NUMBER])


def test_a_chain_is_remembered_by_this_process_and_these_settings(settings, node, monkeypatch):
    settings.RPC_URLS = {"ethereum": (node.url,), "polygon": ()}
    first = chain_of("ethereum")

    assert chain_of("ethereum") is first
    assert connected_networks() == ("ethereum",)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert chain_of("ethereum") is not first
    monkeypatch.undo()
    settings.RPC_URLS = {"ethereum": (node.url, node.url)}
    assert len(chain_of("ethereum").endpoints) == 2


@pytest.mark.parametrize("network", ["polygon", "base"])
def test_a_network_without_a_node_is_not_connected(settings, network):
    settings.RPC_URLS = {"polygon": ()}

    with pytest.raises(KeyError):
        chain_of(network)


def test_a_network_that_is_no_evm_chain_takes_no_node(settings, node):
    settings.RPC_URLS = {"tron": (node.url,)}

    with pytest.raises(ImproperlyConfigured, match="tron is no EVM chain"):
        chain_of("tron")
