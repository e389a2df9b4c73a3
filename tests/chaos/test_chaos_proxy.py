"""A proxy that loses words loses the right ones: before the node, or behind it."""

import asyncio
import json
from random import Random

import pytest

from zopay_site.chaos.proxy import CONTROL, SEND, Fates, Proxy, _read, _whole

ASK = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}


def send(number):
    return {"jsonrpc": "2.0", "id": number, "method": SEND, "params": [f"0x{number}"]}


@pytest.fixture
def through():
    """What came back for each document, and what the node was given."""

    def run(*documents, rates, path="/"):
        return asyncio.run(_run(documents, rates, path))

    return run


async def _run(documents, rates, path):
    reached = []

    async def node(reader, writer):
        while (request := await _read(reader)) is not None:
            calls = json.loads(request[1])
            reached.extend(calls)
            answers = [{"jsonrpc": "2.0", "id": one["id"], "result": "0x1"} for one in calls]
            # The order of answers is the node's own affair.
            writer.write(_whole(json.dumps(answers[::-1]).encode()))
        writer.close()

    upstream = await asyncio.start_server(node, "127.0.0.1", 0)
    proxy = Proxy(upstream.sockets[0].getsockname()[1], Fates(Random(1), rates))
    door = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = door.sockets[0].getsockname()[1]
    heard = [await _post(port, path, document) for document in documents]
    await _end(door, upstream)
    return heard, reached


async def _end(*servers):
    for server in servers:
        server.close()
    # Whoever serves a connection ends with it.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*rest)
    # A closed connection is gone one turn later.
    await asyncio.sleep(0.01)


async def _post(port, path, document):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    try:
        answer = await _read(reader)
    finally:
        writer.close()
        await writer.wait_closed()
    return None if answer is None else answer[1]


def test_an_honest_proxy_changes_nothing(through):
    (one, many), reached = through(ASK, [send(1), send(2)], rates={})

    assert json.loads(one) == {"jsonrpc": "2.0", "id": 1, "result": "0x1"}
    assert [each["id"] for each in json.loads(many)] == [1, 2]
    assert reached == [ASK, send(1), send(2)]


def test_a_lost_reply_is_lost_after_the_node_has_taken_it(through):
    heard, reached = through([send(1)], rates={"reply": 1.0})

    assert heard == [None]
    assert reached == [send(1)]


def test_the_first_reply_to_a_send_is_lost_however_seldom_that_is(through):
    heard, reached = through(ASK, [send(1)], [send(2)], rates={"reply": 1e-9})

    assert [answer is None for answer in heard] == [False, True, False]
    assert reached == [ASK, send(1), send(2)]


def test_a_lost_request_never_gets_there(through):
    heard, reached = through([send(1)], rates={"request": 1.0})

    assert heard == [None]
    assert reached == []


def test_garbage_comes_instead_of_an_answer_to_what_was_taken(through):
    (words,), reached = through([send(1)], rates={"garbage": 1.0})

    assert words.startswith(b"<html>")
    assert reached == [send(1)]


def test_a_part_of_a_batch_may_never_get_there_and_is_refused(through):
    (words,), reached = through([send(1), send(2)], rates={"part": 1.0})

    assert [each["error"]["code"] for each in json.loads(words)] == [-32603, -32603]
    assert reached == []


def test_what_was_taken_may_be_denied(through):
    (words,), reached = through([send(1)], rates={"word": 1.0})

    assert json.loads(words)[0]["error"]["code"] == -32603
    assert reached == [send(1)]


def test_it_remembers_all_that_it_was_sent_in_order_and_once(through):
    heard, _ = through([send(3), send(1)], [send(3)], rates={"request": 1.0})
    assert heard == [None, None]
    documents = [send(3), send(1), send(3)]

    async def ask():
        proxy = Proxy(0, Fates(Random(1)))
        proxy.seen.update(dict.fromkeys(one["params"][0] for one in documents))
        door = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        port = door.sockets[0].getsockname()[1]
        answer = json.loads(await _post(port, CONTROL, {"rates": {"reply": 0.5}}))
        await _end(door)
        return answer, proxy.fates.rates

    answer, rates = asyncio.run(ask())
    assert answer["seen"] == ["0x3", "0x1"]
    assert rates == {"reply": 0.5}
