"""The one way out to an address that a partner chose.

`http_addresses` says which URLs and addresses are admitted, `http_sockets` connects to an
address it has judged. HTTP/1.1 is spoken by httpcore, which, handed a connected stream,
knows of no proxies, no redirects, no cookies, no compression and no environment. One
connection serves one request, since every delivery resolves and checks anew.

A network with a NAT64 prefix of its own (RFC 6052, section 2.2) must itself refuse to
translate to private addresses: nothing about such an address tells us what is inside.
"""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

import httpcore

from engine.common.errors import ZopayError
from engine.common.http_addresses import AddressRefused, Target, check_url, read_url
from engine.common.http_sockets import Enough, Stream, open_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AddressRefused", "NoAnswer", "Reply", "check_url", "post"]

REPLY_KEPT_BYTES_MAX = 2 * 1024

# A token, and a value without line ends, of RFC 9110 5.6.2 and 5.5.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_OUR_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect"}
)

_SENTENCES = {
    "dns": "The name of the receiver does not resolve.",
    "refused": "The receiver refused the connection.",
    "unreachable": "The receiver could not be reached.",
    "tls": "No secure connection to the receiver: {}.",
    "timeout": "The receiver did not answer completely in time.",
    "disconnected": "The receiver closed the connection without a whole answer.",
    "protocol": "The receiver's answer is not valid HTTP.",
    "too_large": "The headers of the receiver's answer are too large.",
}


class NoAnswer(ZopayError):
    """The receiver was asked and no whole answer came.

    `reason` is a stable word, the message a sentence for the partner, `milliseconds` how
    long it took. Nothing of the request is in any of them.
    """

    code: ClassVar[str] = "no_answer"

    def __init__(self, reason: str, milliseconds: int, detail: str = "") -> None:
        super().__init__(_SENTENCES[reason].format(detail))
        self.reason = reason
        self.milliseconds = milliseconds


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answered: any status, redirects among them.

    `head` is the first 2,048 bytes of the body as they came, never decompressed. Names in
    `headers` are lower-case; values of a repeated header are joined by ", ".
    """

    status: int
    head: bytes
    headers: dict[str, str]
    milliseconds: int


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    timeout_seconds: float = 15.0,
    allow_loopback: bool = False,
) -> Reply:
    """Send one POST and return what came back. Raises `AddressRefused` and `NoAnswer`.

    `headers` are ASCII and hold none that this module writes itself (Host, Content-Length
    and their like): anything else is an error of ours and raises ValueError, which names
    no value. `allow_loopback` also admits receivers on this machine, for development.
    """
    started = monotonic()
    deadline = started + timeout_seconds
    target = read_url(url, allow_loopback=allow_loopback)
    request = _request(target, body, headers)
    failure = ("", "")
    try:
        with closing(open_stream(target, deadline, allow_loopback=allow_loopback)) as stream:
            status, fields, head = _exchange(request, stream)
    except (OSError, httpcore.ProtocolError) as error:
        failure = _reason(error)
    milliseconds = round((monotonic() - started) * 1000)
    if failure[0]:
        # Raised here, outside the except clause, so that no cause travels with it.
        raise NoAnswer(failure[0], milliseconds, failure[1])
    return Reply(status, head, fields, milliseconds)


class _HeadersTooLarge(OSError):
    """The limit of what is read was met before the headers ended."""


class _Disconnected(OSError):
    """The receiver closed the connection before it had said anything."""


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> httpcore.Request:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OUR_HEADERS:
            raise ValueError("A header's name is not a name, or not the caller's to set.")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"The value of the header {name} cannot be sent.")
    lines = {
        "Host": target.authority,
        **headers,
        "Content-Length": str(len(body)),
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    return httpcore.Request(
        "POST",
        httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.path.encode(),
        ),
        headers=[(name.encode(), value.encode()) for name, value in lines.items()],
        content=body,
    )


def _exchange(request: httpcore.Request, stream: Stream) -> tuple[int, dict[str, str], bytes]:
    """Send the request; return status, headers and the head of the body."""
    connection = httpcore.HTTP11Connection(request.url.origin, stream)
    try:
        response = connection.handle_request(request)
    except Enough:
        raise _HeadersTooLarge from None
    except httpcore.RemoteProtocolError:
        if stream.is_silent:
            raise _Disconnected from None
        raise
    fields: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return response.status, fields, _head(response)


def _head(response: httpcore.Response) -> bytes:
    """Read the body as far as we read at all, and keep its beginning."""
    kept = bytearray()
    try:
        for piece in response.iter_stream():
            kept += piece[: REPLY_KEPT_BYTES_MAX - len(kept)]
    except Enough:
        pass
    return bytes(kept)


def _reason(error: Exception) -> tuple[str, str]:
    """Name a failure, with a detail where the partner can use one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls", error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError):
        return "tls", (error.reason or "the handshake failed").lower().replace("_", " ")
    named: dict[type[Exception], str] = {
        socket.gaierror: "dns",
        TimeoutError: "timeout",
        _HeadersTooLarge: "too_large",
        _Disconnected: "disconnected",
        ConnectionRefusedError: "refused",
        ConnectionError: "disconnected",
        httpcore.ProtocolError: "protocol",
    }
    return next(
        (word for kind, word in named.items() if isinstance(error, kind)), "unreachable"
    ), ""
