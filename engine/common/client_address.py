"""Where a request comes from, believed only as far as our own proxies vouch for it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Network

    from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the client's IP address in its one spelling, or "" when nobody can tell.

    X-Forwarded-For is read from the right, as far as TRUSTED_PROXIES (addresses or
    networks) go: each proxy appends whom it saw, so all that stands left of the first
    stranger is that stranger's own claim.
    """
    nearest = _read(request.META.get("REMOTE_ADDR", ""))
    if nearest is None:
        return ""
    proxies = _networks(tuple(settings.TRUSTED_PROXIES))
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if not proxies or not forwarded:
        return str(nearest)
    for text in reversed(forwarded.split(",")):
        if not any(nearest in proxy for proxy in proxies):
            break
        further = _read(text.strip())
        if further is None:
            return ""
        nearest = further
    return str(nearest)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone is the sender's own name for an interface, and a server listening on
        # both families sees IPv4 clients as ::ffff:192.0.2.1.
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


@lru_cache(maxsize=8)
def _networks(proxies: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(proxy) for proxy in proxies)
