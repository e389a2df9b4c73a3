"""Which addresses a partner may have us call.

A URL is read here once, by one strict grammar, and its parts go to the socket as they were
read: two parsers that disagree about where the host ends are how guards of this kind are
usually passed. What a name resolves to is judged by networks written out below, because
`ipaddress.is_global` answers True in Python 3.11 for 64:ff9b::a9fe:a9fe (169.254.169.254
behind NAT64), for 6to4 of 127.0.0.1 and for multicast.

Sources: the IANA special-purpose registries for IPv4 and IPv6; RFC 4291 (2000::/3 is all the
unicast space that is given out), 6052 and 8215 (NAT64), 3056 and 7526 (6to4), 4380 (Teredo),
9637 (3fff::/20).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import ClassVar, NoReturn
from urllib.parse import urlsplit

from django.conf import settings

from engine.common.errors import ZopayError

URL_CHARACTERS_MAX = 2048
HOST_CHARACTERS_MAX = 253
HTTPS_PORT = 443
FIRST_OPEN_PORT = 1024
PORT_MAX = 65_535

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_LOOPBACK_NETWORKS = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

# Printable ASCII as RFC 3986 allows it: no space, control, backslash, or " < > ^ ` { | }.
_CHARACTERS = re.compile(r"[!#-;=?-\[\]_a-z~]+", re.IGNORECASE | re.ASCII)
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([^#]*)(#.*)?", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]+)(?::(.*))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label of a public name is letters, or an A-label such as xn--p1ai.
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{0,58}}[a-z0-9])", re.ASCII)
# What inet_aton and browsers read as an IPv4 address: the last part is a number.
_NUMBER_LAST = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.ASCII)
_LOCAL_NAMES = (
    *("localhost", "local", "localdomain", "internal", "intranet", "private"),
    *("corp", "home", "lan", "home.arpa"),
)

_SENTENCES = {
    "too_long": f"The URL is longer than {URL_CHARACTERS_MAX} characters.",
    "characters": "The URL holds a character that does not belong into one: only printable "
    "ASCII without spaces and backslashes (write a name like bücher.example as xn--…).",
    "malformed": "This is not a URL of the form https://name/path.",
    "scheme": "The URL must begin with https://.",
    "userinfo": "The URL must not hold a user name or password.",
    "fragment": "The URL must not hold a fragment (#…).",
    "port": f"The port must be {HTTPS_PORT}, or from {FIRST_OPEN_PORT} to {PORT_MAX}.",
    "numeric_host": "The host must be a name, not an IP address in any spelling.",
    "not_public": "The host must be a public DNS name in its plain spelling.",
    "own_host": "The URL points back to this server.",
    "private_address": "The name resolves to an address that is not on the public internet.",
}


class AddressRefused(ZopayError):
    """We will not call this address. `reason` is a stable word, the message a sentence.

    Neither holds the URL, whose path may be a secret, nor the address a name resolved to,
    which would tell a stranger about the network we stand in.
    """

    code: ClassVar[str] = "address_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(_SENTENCES[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that passed `read_url`, in parts; `host` is lower-case and without brackets."""

    scheme: str
    host: str
    port: int
    path: str  # and query; begins with "/"

    @property
    def authority(self) -> str:
        """Return host and port as the Host header and the URL spell them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.scheme == "https" and self.port == HTTPS_PORT
        return host if is_default else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def check_url(url: str, *, allow_loopback: bool) -> str:
    """Return the URL in its one spelling, or raise `AddressRefused`. Asks no network.

    Admitted: https on a public DNS name, port 443 (the default) or 1024-65535. The ports
    between belong to services that are not web servers and that a POST might still upset.
    With `allow_loopback` also http and https on 127.0.0.1, localhost and [::1], from port
    1024 up; that is for development and never for production.
    """
    return read_url(url, allow_loopback=allow_loopback).url


def read_url(url: str, *, allow_loopback: bool) -> Target:
    """Read a URL as `check_url` does, and return it in parts."""
    if len(url) > URL_CHARACTERS_MAX:
        _refuse("too_long")
    if not _CHARACTERS.fullmatch(url):
        _refuse("characters")
    found = _URL.fullmatch(url)
    if found is None:
        _refuse("malformed")
    scheme, authority, path, fragment = found.groups()
    if "@" in authority:
        _refuse("userinfo")
    if fragment is not None:
        _refuse("fragment")
    split = _AUTHORITY.fullmatch(authority)
    if split is None:
        _refuse("malformed")
    host, is_loopback = _read_host(split[1].lower(), allow_loopback=allow_loopback)
    if scheme.lower() != "https" and not (is_loopback and scheme.lower() == "http"):
        _refuse("scheme")
    target = Target(
        scheme=scheme.lower(),
        host=host,
        port=_read_port(split[2], scheme.lower()),
        path=path if path.startswith("/") else f"/{path}",
    )
    if _is_our_own(target):
        _refuse("own_host")
    return target


def judge_address(address: str, *, allow_loopback: bool) -> IPv4Address | IPv6Address:
    """Return the address that a name resolved to, or raise `AddressRefused`."""
    if not _is_admitted(address, allow_loopback=allow_loopback):
        _refuse("private_address")
    return ip_address(address)


def is_loopback_address(address: IPv4Address | IPv6Address) -> bool:
    """Tell loopback itself; an address that merely wraps one is not it."""
    return any(address in network for network in _LOOPBACK_NETWORKS)


def _refuse(reason: str) -> NoReturn:
    raise AddressRefused(reason)


def _read_host(host: str, *, allow_loopback: bool) -> tuple[str, bool]:
    """Return the host and whether it is one of the three spellings of loopback."""
    bare = host.removeprefix("[").removesuffix("]")
    if allow_loopback and bare in LOOPBACK_HOSTS and (bare == host) == (":" not in bare):
        return bare, True
    if host.startswith("[") or _NUMBER_LAST.fullmatch(host):
        _refuse("numeric_host")
    is_local = host.endswith(tuple(f".{name}" for name in _LOCAL_NAMES))
    if is_local or len(host) > HOST_CHARACTERS_MAX or not _NAME.fullmatch(host):
        _refuse("not_public")
    return host, False


def _read_port(text: str | None, scheme: str) -> int:
    if text is None and scheme == "https":
        return HTTPS_PORT
    if text is None or not _PORT.fullmatch(text):
        _refuse("port")
    port = int(text)
    is_default = scheme == "https" and port == HTTPS_PORT
    if not is_default and not FIRST_OPEN_PORT <= port <= PORT_MAX:
        _refuse("port")
    return port


def _is_our_own(target: Target) -> bool:
    """A developer's receiver shares 127.0.0.1 with us, so there the port decides as well."""
    ours = urlsplit(str(settings.ZOPAY_PUBLIC_URL))
    if target.host in LOOPBACK_HOSTS:
        return ours.hostname in LOOPBACK_HOSTS and target.port == ours.port
    return target.host == ours.hostname


_REFUSED_IPV4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # "this network"; Linux connects 0.0.0.0 to itself
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a carrier's NAT; Alibaba's metadata, 100.100.100.200
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's metadata, which looks public and is not
            "169.254.0.0/16",  # link-local; the metadata of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata, 192.0.0.192
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112, a sink
            "192.52.193.0/24",  # multicast tunnels
            "192.88.99.0/24",  # relays of 6to4, withdrawn
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112, a sink
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and 255.255.255.255
        ),
    )
)

# Everything outside 2000::/3 is refused: loopback, unspecified, IPv4-compatible ::/96 and
# IPv4-mapped ::ffff:0:0/96, NAT64 of local use 64:ff9b:1::/48, discard 100::/64, unique local
# fc00::/7 (with the metadata of AWS and Google), link-local fe80::/10, site-local fec0::/10,
# multicast ff00::/8. Within it, refused as well:
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo 2001::/32, benchmarking, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address inside, and withdrawn
            "2620:4f:8000::/48",  # AS112, a sink
            "3ffe::/16",  # 6bone, given back
            "3fff::/20",  # documentation
        ),
    )
)
# The one embedding in honest use: on a network of IPv6 alone, DNS64 gives every receiver that
# has only IPv4 an address from here. It is judged by the IPv4 address inside.
_NAT64 = IPv6Network("64:ff9b::/96")


@lru_cache(maxsize=4096)
def _is_admitted(text: str, *, allow_loopback: bool) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if allow_loopback and is_loopback_address(address):
        return True
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address not in _NAT64:
            return address in _GLOBAL_IPV6 and not any(
                address in network for network in _REFUSED_IPV6
            )
        address = IPv4Address(int(address) & 0xFFFF_FFFF)
    return not any(address in network for network in _REFUSED_IPV4)
