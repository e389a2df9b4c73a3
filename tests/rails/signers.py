"""A remote signer on this machine, as honest as a test wants it.

    with RemoteDouble() as double:
        settings.REMOTE_SIGNER_URL, settings.REMOTE_SIGNER_TOKEN = double.url, double.token
        double.changes = {"nonce": 8}      # signs this instead of what it was asked
        double.fault = "hang"              # or a status, or a word of `WRONG`, or the answer

Its keys are made of their names, so that it has any key it is asked for.
"""

import json
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

from eth_account import Account

TOKEN = "a-token-that-only-the-signer-knows"
NUMBERS = ("chainId", "nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas")
WRONG = {
    "one short": lambda signed: {"signed": signed[:-1]},
    "one too many": lambda signed: {"signed": [*signed, signed[0]]},
    "backwards": lambda signed: {"signed": signed[::-1]},
    "not hex": lambda signed: {"signed": [{"raw": "0xzz"} for _ in signed]},
    "not text": lambda signed: {"signed": [{"raw": 7} for _ in signed]},
    "no bytes": lambda signed: {"signed": [{"raw": "0x"} for _ in signed]},
    "no raw": lambda signed: {"signed": [{} for _ in signed]},
    "half the bytes": lambda signed: {"signed": [{"raw": one["raw"][:80]} for one in signed]},
    "more bytes": lambda signed: {"signed": [{"raw": one["raw"] + "00"} for one in signed]},
    "null": lambda _: None,
    "nothing signed": lambda _: {},
}


def account_of(key_name):
    return Account.from_key(sha256(key_name.encode()).digest())


class RemoteDouble:
    """`asked` holds the bodies of the sign requests, `changes` what it signs instead of the
    fields it was asked for, `key_name` the key it takes instead of the one it was asked for,
    `rewrite` a call from signed bytes to the bytes it returns.
    """

    token = TOKEN

    def __init__(self):
        self.changes, self.key_name, self.rewrite = {}, None, bytes
        self.fault, self.asked, self.paths = None, [], []
        self.is_over = Event()
        handler = type("Handler", (_Handler,), {"double": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def signed(self, request):
        fields = {**request["fields"], **self.changes}
        fields = {name: value for name, value in fields.items() if value is not None}
        for name in NUMBERS:
            if isinstance(fields.get(name), str):
                fields[name] = int(fields[name], 16)
        account = account_of(self.key_name or request["key_name"])
        raw = account.sign_transaction(fields).raw_transaction
        return {"raw": "0x" + self.rewrite(bytes(raw)).hex()}


class _Handler(BaseHTTPRequestHandler):
    double = None

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        self._answer(lambda: {"address": account_of(asked["key_name"][0]).address})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.double.asked.append(body)
        change = WRONG.get(self.double.fault, lambda signed: {"signed": signed})
        self._answer(lambda: change([self.double.signed(one) for one in body["requests"]]))

    def _answer(self, make):
        double = self.double
        double.paths.append(self.path)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self._send("no", status=401)
        match double.fault:
            case "hang":
                double.is_over.wait(30)
                return None
            case int():
                return self._send("no", status=double.fault)
            case str() if double.fault not in WRONG:
                return self._send(double.fault)
        return self._send(json.dumps(make()))

    def _send(self, text, *, status=200):
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            # Where one that follows redirects would hand its token to.
            self.send_header("Location", self.double.url)
            self.end_headers()
            self.wfile.write(text.encode())

    def log_message(self, *_):
        """Tests look at `asked` instead."""
