"""Whose address it is, when proxies and liars stand in between."""

import pytest
from django.test import RequestFactory

from engine.common.client_address import client_address


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "address"),
    [
        # Nobody is trusted: the header is a stranger's claim.
        ("198.51.100.1", "203.0.113.7", [], "198.51.100.1"),
        ("198.51.100.1", "203.0.113.7", ["10.0.0.1"], "198.51.100.1"),
        # One proxy, two proxies, a network of proxies.
        ("10.0.0.1", "203.0.113.7", ["10.0.0.1"], "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7, 10.0.0.2", ["10.0.0.0/8"], "203.0.113.7"),
        # What the client wrote itself stands further left, and is not read.
        ("10.0.0.1", "192.0.2.9, 203.0.113.7, 10.0.0.2", ["10.0.0.0/8"], "203.0.113.7"),
        ("10.0.0.1", "nonsense, 203.0.113.7", ["10.0.0.1"], "203.0.113.7"),
        # Every hop is ours: the furthest one asked.
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", ["10.0.0.0/8"], "10.0.0.3"),
        ("10.0.0.1", None, ["10.0.0.1"], "10.0.0.1"),
        # A proxy that cannot say whom it saw vouches for nobody.
        ("10.0.0.1", "unknown", ["10.0.0.1"], ""),
        ("10.0.0.1", "203.0.113.7,", ["10.0.0.1"], ""),
        ("", "203.0.113.7", ["10.0.0.1"], ""),
        # One spelling.
        ("::ffff:203.0.113.7", None, [], "203.0.113.7"),
        ("2001:DB8:0:0::1", None, [], "2001:db8::1"),
        ("::ffff:10.0.0.1", "2001:db8::1", ["10.0.0.1"], "2001:db8::1"),
        ("fe80::1%eth0", None, [], ""),
    ],
)
def test_an_address_is_believed_as_far_as_our_proxies_vouch(
    settings, remote, forwarded, proxies, address
):
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}

    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)

    assert client_address(request) == address
