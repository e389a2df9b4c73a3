"""Sockets for calls to a partner's address: resolved here, judged here, and on one deadline.

`open_stream` resolves the name, refuses it if any of its addresses is refused, and connects
to an address it has just judged. The name is never resolved a second time, so an answer that
changes between check and connect changes nothing. TLS keeps using the name.

The deadline is one for everything: the look-up, each attempt to connect, the handshake, each
write and each read take what is left of it. Time limits of sockets, and those of httpx and
httpcore, are per call, and a receiver that sends a byte a second would meet them for ever.
"""

from __future__ import annotations

import socket
import ssl
from functools import lru_cache
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import certifi
import httpcore

from engine.common.http_addresses import (
    LOOPBACK_HOSTS,
    AddressRefused,
    is_loopback_address,
    judge_address,
)

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from engine.common.http_addresses import Target

REPLY_READ_BYTES_MAX = 64 * 1024
ADDRESSES_TRIED_MAX = 4


class Enough(Exception):
    """No more is read of this reply."""


class Stream(httpcore.NetworkStream):
    """A connected socket with a deadline and a limit of bytes for all it ever does."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline
        self._bytes_left = REPLY_READ_BYTES_MAX

    @property
    def is_silent(self) -> bool:
        return self._bytes_left == REPLY_READ_BYTES_MAX

    # The timeout that httpcore passes is per call, and None here: the deadline rules.
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        if not self._bytes_left:
            raise Enough
        self._socket.settimeout(_remaining(self._deadline))
        piece = self._socket.recv(min(max_bytes, self._bytes_left))
        self._bytes_left -= len(piece)
        return piece

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        left = memoryview(buffer)
        while left:
            self._socket.settimeout(_remaining(self._deadline))
            try:
                left = left[self._socket.send(left) :]
            except ConnectionError as error:
                # A receiver may answer, say 413, and close before it has read it all:
                # httpcore takes a WriteError as a sign to look for that answer.
                raise httpcore.WriteError from error

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> None:
        """Tell httpcore nothing: it asks only about connections it would keep."""


def _remaining(deadline: float) -> float:
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _resolve(
    target: Target, deadline: float, *, allow_loopback: bool
) -> list[IPv4Address | IPv6Address]:
    """Return every address of the name, all of them judged: one bad address refuses all."""
    found = _look_up(target, deadline)
    addresses = [
        judge_address(str(sockaddr[0]), allow_loopback=allow_loopback) for *_, sockaddr in found
    ]
    if target.host in LOOPBACK_HOSTS and not all(map(is_loopback_address, addresses)):
        # A machine may call anything localhost; plain http must not leave it.
        raise AddressRefused("private_address")
    return list(dict.fromkeys(addresses))


def _look_up(target: Target, deadline: float) -> list[tuple[Any, ...]]:
    """Ask the system's resolver, which has no time limit of its own, in a thread that may
    be left behind: it ends when the resolver gives up.
    """
    if target.host in LOOPBACK_HOSTS - {"localhost"}:
        return socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    answers: SimpleQueue[list[tuple[Any, ...]] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(
                [*socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)]
            )
        except OSError as error:
            answers.put(error)

    Thread(target=ask, name="zopay-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=_remaining(deadline))
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def open_stream(target: Target, deadline: float, *, allow_loopback: bool) -> Stream:
    """Return a connection to the target, over TLS for https, that ends at `deadline`, an
    instant of `time.monotonic`. Raises `AddressRefused`, and OSError in all its kinds.
    """
    addresses = _resolve(target, deadline, allow_loopback=allow_loopback)
    connected = _connect(addresses[:ADDRESSES_TRIED_MAX], target.port, deadline)
    try:
        if target.scheme == "https":
            connected.settimeout(_remaining(deadline))
            connected = trusted().wrap_socket(connected, server_hostname=target.host)
    except OSError:
        connected.close()
        raise
    return Stream(connected, deadline)


def _connect(
    addresses: list[IPv4Address | IPv6Address], port: int, deadline: float
) -> socket.socket:
    """Connect to the first of these addresses that lets us: a machine without a route to
    IPv6 still reaches a name that has both. Each may take its share of the time left.
    """
    failure = OSError()
    for tried, address in enumerate(addresses):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
        connecting = socket.socket(family, socket.SOCK_STREAM)
        try:
            connecting.settimeout(_remaining(deadline) / (len(addresses) - tried))
            connecting.connect((str(address), port))
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connecting.close()
            failure = error
        else:
            return connecting
    raise failure


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """Return the context of every connection: certifi's authorities, TLS 1.2 and up, and
    the certificate must be for the name. Reads no environment (SSL_CERT_FILE and others).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(certifi.where())
    return context
