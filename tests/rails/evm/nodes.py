"""A JSON-RPC node on this machine, as good or as bad as a test wants it.

    with Node(chain_id=1) as node:
        settings.RPC_URLS = {"ethereum": (node.url,)}
        node.faults = ["drop reply", 500]      # for the next two requests
        node.fault = "hang"                    # for every request from now on

Faults are an HTTP status or one of the words in `_Handler._answer` and `WRONG`. A node that drops a request
has not heard it; one that drops the reply has done what it was asked.
"""

import json
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from threading import Event, Lock, Thread

from eth_utils import keccak

JSON = "application/json"
FIRST_NUMBERS = 100


class Node:
    """`blocks` is how many it has, `lag` how many of them it does not show, `fork_at` the
    number from which its blocks are others than everybody's.

    `answers` maps a method to its result, or to a call that takes the params and returns the
    result or raises Refusal. `calls` holds what it heard, as (method, params); `batches` how
    many calls came in each request; `heard` the request headers; `raws` the signed bytes it
    was given. It waits `seconds` before each answer, and for its `meeting`, a Barrier.
    """

    def __init__(self, *, chain_id=1, blocks=FIRST_NUMBERS, path="", seconds=0.0):
        self.chain_id, self.blocks, self.lag, self.fork_at = chain_id, blocks, 0, None
        self.seconds, self.meeting = seconds, None
        self.fault, self.faults = None, []
        self.answers, self.receipts, self.raws = {}, {}, []
        self.calls, self.batches, self.heard = [], [], []
        self.connections = []
        self.is_over, self._lock = Event(), Lock()
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"node": self})
        )
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]
        self.name = f"http://127.0.0.1:{self.port}"
        self.url = self.name + path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Be gone: the next to ask is refused the connection."""
        self.is_over.set()
        self._server.shutdown()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
        self._server.server_close()
        self._thread.join(10)

    @property
    def asked(self):
        """The methods it was asked, without the check of its chain id."""
        return [method for method, _ in self.calls if method != "eth_chainId"]

    def reply_to(self, batch):
        """The answers to one batch, as JSON-RPC objects, whatever the fault."""
        with self._lock:
            self.batches.append(len(batch))
            return [self._reply(call) for call in batch]

    def next_fault(self):
        with self._lock:
            return self.faults.pop(0) if self.faults else self.fault

    def _reply(self, call):
        self.calls.append((call["method"], call["params"]))
        try:
            return {"jsonrpc": "2.0", "id": call["id"], "result": self._result(call)}
        except Refusal as refusal:
            return {"jsonrpc": "2.0", "id": call["id"], "error": refusal.error}

    def _result(self, call):
        method, params = call["method"], call["params"]
        if method in self.answers:
            answer = self.answers[method]
            return answer(params) if callable(answer) else answer
        known = getattr(self, f"_{method}", None)
        if known is None:
            raise Refusal(-32601, f"the method {method} does not exist")
        return known(*params)

    def _eth_chainId(self):  # noqa: N802
        return hex(self.chain_id)

    def _eth_blockNumber(self):  # noqa: N802
        return hex(self.blocks - self.lag)

    def _eth_getBlockByNumber(self, tag, _full):  # noqa: N802
        named = {"earliest": "0x0", "latest": hex(self.blocks - self.lag)}
        number = int(named.get(tag, tag), 16)
        if number > self.blocks - self.lag:
            return None
        return {
            "number": hex(number),
            "hash": self.hash_of(number),
            "parentHash": self.hash_of(number - 1),
            "baseFeePerGas": hex(10**9),
            "timestamp": hex(1_700_000_000 + number),
        }

    def hash_of(self, number):
        """The hash of its block: the same at every node, but from `fork_at` on."""
        side = self.port if self.fork_at is not None and number >= self.fork_at else ""
        return "0x" + sha256(f"{self.chain_id}:{number}:{side}".encode()).hexdigest()

    def _eth_getTransactionReceipt(self, digest):  # noqa: N802
        return self.receipts.get(digest)

    def _eth_sendRawTransaction(self, raw):  # noqa: N802
        if raw in self.raws:
            raise Refusal(-32000, "already known")
        self.raws.append(raw)
        return "0x" + keccak(hexstr=raw).hex()


class Refusal(Exception):
    """A JSON-RPC error: raise it from an answer."""

    def __init__(self, code, message, **more):
        super().__init__(message)
        self.error = {"code": code, "message": message, **more}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    node = None

    def setup(self):
        super().setup()
        self.node.connections.append(self.connection)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.node.next_fault()
        if fault == "drop request":
            self.close_connection = True
            return
        self.node.heard.append(dict(self.headers))
        if self.node.meeting:
            self.node.meeting.wait(10)
        self.node.is_over.wait(self.node.seconds)
        replies = self.node.reply_to(json.loads(body))
        with suppress(OSError):
            self._answer(replies, fault)

    def _answer(self, replies, fault):
        match fault:
            case None:
                self._send(json.dumps(replies))
            case int():
                self._send("no", status=fault)
            case "redirect":
                self._send("", status=302, extra={"Location": self.node.name})
            case "drop reply":
                self.close_connection = True
            case "hang":
                self.node.is_over.wait(30)
                self.close_connection = True
            case "drip":
                self._drip(json.dumps(replies))
            case str() | bytes():
                self._send(changed(replies, fault))

    def _send(self, text, *, status=200, extra=None):
        body = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        headers = {"Content-Type": JSON, "Content-Length": str(len(body)), **(extra or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text) * 1000))
        self.end_headers()
        for character in text * 1000:
            if self.node.is_over.wait(0.05):
                return
            self.wfile.write(character.encode())

    def log_message(self, *_):
        """Tests look at `calls` instead."""


ERROR = {"code": -32603, "message": "no batches today"}
WRONG = {
    "one error": lambda _: {"jsonrpc": "2.0", "id": None, "error": ERROR},
    "one error in a list": lambda replies: [
        {"jsonrpc": "2.0", "id": replies[0]["id"], "error": ERROR}
    ],
    "one short": lambda replies: replies[:-1],
    "one too many": lambda replies: [*replies, replies[0]],
    "first for last": lambda replies: [*replies[:-1], replies[0]],
    "other ids": lambda replies: [{**reply, "id": reply["id"] + 1} for reply in replies],
    "ids as text": lambda replies: [{**reply, "id": str(reply["id"])} for reply in replies],
    "no ids": lambda replies: [{"jsonrpc": "2.0", "result": "0x1"} for _ in replies],
    "no results": lambda replies: [{"jsonrpc": "2.0", "id": one["id"]} for one in replies],
    "backwards": lambda replies: replies[::-1],
    "one call alone": lambda replies: replies[0],
}


def changed(replies, fault):
    """The text of an answer that is wrong in one way, or the fault itself as the answer."""
    return json.dumps(WRONG[fault](replies)) if fault in WRONG else fault
