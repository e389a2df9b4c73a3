"""A receiver for developing against: it verifies, remembers ids, and answers as told.

It listens on 127.0.0.1 alone, keeps nothing, and needs neither database nor settings.
`webhook_listen` prints what it reports.
"""

from __future__ import annotations

import hmac
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import TYPE_CHECKING

from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from engine.webhooks.dialects.moments import unix_milliseconds
from engine.webhooks.dialects.signature import sign_with_token
from engine.webhooks.dialects.x_zo import SIGNATURE_HEADERS, sign_x_zo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HOST = "127.0.0.1"
BODY_BYTES_MAX = 1024 * 1024
SOCKET_SECONDS_MAX = 30
TOLERANCE_SECONDS = 5 * 60
# Longer than the 15 seconds that a sender waits.
SLOW_SECONDS = 20.0
ID_HEADERS = ("webhook-id", "x-zo-delivery-id")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered, and how long after it came in."""

    status: int = HTTPStatus.OK
    sleep_seconds: float = 0.0


def answer_for(path: str, usual: Answer) -> Answer:
    """The answer a path asks for, otherwise the usual one.

    /fail answers 500, /gone 410, and /slow as usual but after SLOW_SECONDS.
    """
    match path.partition("?")[0].rstrip("/"):
        case "/fail":
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, usual.sleep_seconds)
        case "/gone":
            return Answer(HTTPStatus.GONE, usual.sleep_seconds)
        case "/slow":
            return Answer(usual.status, usual.sleep_seconds or SLOW_SECONDS)
        case _:
            return usual


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of looking at one signature: good, bad, or (None) not looked at."""

    header: str
    is_good: bool | None
    says: str


@dataclass(frozen=True, slots=True)
class Keys:
    """What the receiver knows: endpoint secrets (two while rolling), and the API token."""

    secrets: Sequence[str] = ()
    token: str | None = None


def dialect_of(headers: Mapping[str, str]) -> str:
    """The dialect a request was signed in, by its headers (names in lower case)."""
    if "x-zo-signature" in headers:
        return "x_zo"
    return "signature" if "signature" in headers else "standard"


def look_at(
    *, dialect: str, headers: Mapping[str, str], body: bytes, keys: Keys, now: datetime
) -> list[Finding]:
    """Check every signature that `dialect` promises. Header names are in lower case."""
    if dialect == "x_zo":
        return [_look_at_x_zo(headers, body, keys, now)]
    if dialect == "standard":
        return [_look_at_standard(headers, body, keys)]
    # Without an endpoint of the partner's there is no secret, and the token signs alone.
    is_doubly_signed = "webhook-signature" in headers
    standard = [_look_at_standard(headers, body, keys)] if is_doubly_signed else []
    return [*standard, _look_at_token(headers, body, keys)]


def _look_at_standard(headers: Mapping[str, str], body: bytes, keys: Keys) -> Finding:
    header, reason = "webhook-signature", "not checked: no --secret was given"
    for secret in keys.secrets:
        try:
            webhook = Webhook(secret)
        except (ValueError, EmptyWebhookSecretError):
            reason = "the --secret is not whsec_ and base64"
            continue
        try:
            webhook.verify(body, dict(headers), json_parse=False)
        except WebhookVerificationError as refusal:
            reason = str(refusal).lower()
        except ValueError:
            # The package lets what has not even the shape of a signature fall through.
            reason = "malformed signature, or a body that is not UTF-8"
        else:
            return Finding(header, is_good=True, says="signature good")
    return Finding(header, False if keys.secrets else None, reason)


def _look_at_x_zo(
    headers: Mapping[str, str], body: bytes, keys: Keys, now: datetime
) -> Finding:
    header, timestamp = "X-Zo-Signature", headers.get("x-zo-timestamp", "")
    if not keys.secrets:
        return Finding(header, None, "not checked: no --secret was given")
    if re.fullmatch(r"[0-9]{1,15}", timestamp) is None:
        return Finding(header, is_good=False, says="X-Zo-Timestamp is missing or malformed")
    age_ms = unix_milliseconds(now) - int(timestamp)
    if abs(age_ms) > TOLERANCE_SECONDS * 1000:
        return Finding(header, is_good=False, says=f"timestamp {age_ms / 1000:.0f} s old")
    for secret in keys.secrets:
        ours = sign_x_zo(secret=secret, timestamp=timestamp, body=body)
        for name in SIGNATURE_HEADERS:
            if _is_same(ours, headers.get(name.lower(), "")):
                return Finding(name, is_good=True, says="signature good")
    return Finding(header, is_good=False, says="no matching signature found")


def _look_at_token(headers: Mapping[str, str], body: bytes, keys: Keys) -> Finding:
    if keys.token is None:
        return Finding("Signature", None, "not checked: no --token was given")
    ours = sign_with_token(token=keys.token, body=body)
    is_good = _is_same(ours, headers.get("signature", ""))
    says = "signature good" if is_good else "signature does not match"
    return Finding("Signature", is_good, says)


def _is_same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in, and the answer it gets. `times_seen` counts its id."""

    at: datetime
    path: str
    dialect: str
    headers: Mapping[str, str]
    body: bytes
    message_id: str
    times_seen: int
    findings: Sequence[Finding]
    answer: Answer


@dataclass(slots=True)
class Settings:
    """How a listener behaves. `dialect` None means: as the headers of each request say.

    `report` is called with each request before it is answered, one at a time; the listener
    stops by itself after `count` answers.
    """

    report: Callable[[Received], None]
    keys: Keys = field(default_factory=Keys)
    dialect: str | None = None
    usual: Answer = field(default_factory=Answer)
    count: int | None = None


class Listener(ThreadingHTTPServer):
    """Binds at once (port 0: any free one); `serve_forever` until Ctrl-C or `count`."""

    # A burst waits here and is not refused; the library's five would be.
    request_queue_size = 128

    def __init__(self, port: int, settings: Settings) -> None:
        super().__init__((HOST, port), _Request)
        self.settings = settings
        self.answered = 0
        self._seen: Counter[str] = Counter()
        self._one_at_a_time = Lock()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Look at a request, report it, and say what it is answered."""
        now, settings = datetime.now(UTC), self.settings
        dialect = settings.dialect or dialect_of(headers)
        message_id = next((headers[name] for name in ID_HEADERS if name in headers), "")
        answer = answer_for(path, settings.usual)
        findings = look_at(
            dialect=dialect, headers=headers, body=body, keys=settings.keys, now=now
        )
        with self._one_at_a_time:
            self._seen[message_id] += 1
            times_seen = self._seen[message_id] if message_id else 1
            settings.report(
                Received(
                    at=now,
                    path=path,
                    dialect=dialect,
                    headers=headers,
                    body=body,
                    message_id=message_id,
                    times_seen=times_seen,
                    findings=findings,
                    answer=answer,
                )
            )
        return answer

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over whoever hung up; anything else is a fault of ours and shown as one."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def tell_answered(self) -> None:
        """Count an answer; after the last one that was wished for, stop serving."""
        with self._one_at_a_time:
            self.answered += 1
            is_last = self.answered == self.settings.count
        if is_last:
            # From a thread of its own, or it would wait for itself.
            self.shutdown()


class _Request(BaseHTTPRequestHandler):
    """One request. The names in capitals are those the standard library looks for."""

    server: Listener
    server_version = "webhook_listen"
    sys_version = ""
    timeout = SOCKET_SECONDS_MAX

    def do_POST(self) -> None:
        body = self._read_body()
        if body is None:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.take(self.path, headers, body)
        time.sleep(answer.sleep_seconds)
        try:
            self._say(answer.status, b'{"received":true}\n')
        except ConnectionError:
            # Whoever asked has stopped waiting, which is what /slow is for.
            self.close_connection = True
        self.server.tell_answered()

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if re.fullmatch(r"[0-9]{1,9}", length) is None:
            self._say(HTTPStatus.LENGTH_REQUIRED, b"A webhook comes with its length.\n")
            return None
        if int(length) > BODY_BYTES_MAX:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"No webhook is that large.\n")
            return None
        return self.rfile.read(int(length))

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the report is the log."""
