"""What may be written into a partner's name, its hosts and a key's networks."""

import pytest
from django.core.exceptions import ValidationError

from engine.partners.validation import exact_network, validate_host, visible_text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Acme", "Acme"),
        ("  Acme\t Payroll \n", "Acme Payroll"),
        ("Ac\u200bme", "Acme"),  # zero-width space
        ("Ac\u200d\u2060\ufeffme", "Acme"),  # joiner, word joiner, byte order mark
        ("\u202eemcA\u202c", "emcA"),  # right-to-left override
        ("\u2066Acme\u2069", "Acme"),  # isolates
        ("Acme\u2028Bank", "AcmeBank"),  # line separator
        ("Ac\u00adme\x00\x1b[31m", "Acme[31m"),  # soft hyphen, NUL, escape
        ("\u3164\u115f\u2800", ""),  # letters that look like nothing
        ("\U000e0041Acme", "Acme"),  # tag letters
        ("Société Générale", "Société Générale"),
        ("شركة", "شركة"),
        ("株式会社", "株式会社"),
    ],
)
def test_a_name_keeps_only_what_can_be_seen(written, read):
    assert visible_text(written) == read


@pytest.mark.parametrize(
    "host",
    ["example.com", "pay.example.co.uk", "a-b.example", "xn--bcher-kva.example", "1.example"],
)
def test_a_public_host_name_is_taken(host):
    validate_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example",
        "Example.com",
        "https://example.com",
        "example.com/",
        "example.com:443",
        "user@example.com",
        "*.example.com",
        "example.com.",
        ".example.com",
        "-a.example.com",
        "a-.example.com",
        "a..example.com",
        "example.com\n",
        "example.com\\evil",
        "ex ample.com",
        "b\u00fccher.example",
        "exampl\u0435.com",  # Cyrillic e
        "\uff45xample.com",  # full-width e
        "192.0.2.1",
        "[2001:db8::1]",
        "0x7f.1",
        "localhost",
        "app.localhost",
        "printer.local",
        "vault.internal",
        "nas.lan",
        "router.home.arpa",
        "a" * 64 + ".example",
        ("a" * 60 + ".") * 5 + "example",
    ],
)
def test_anything_else_is_no_host(host):
    with pytest.raises(ValidationError):
        validate_host(host)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.7", "203.0.113.7/32"),
        ("2001:DB8:0:0::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
    ],
)
def test_a_network_is_written_one_way(written, read):
    assert exact_network(written) == read


@pytest.mark.parametrize(
    "network",
    ["", "203.0.113.7/24", "203.0.113.0/33", "203.0.113", "example.com", "*", "٢٠٣.0.113.0/24"],
)
def test_what_is_no_exact_network_is_refused(network):
    with pytest.raises(ValidationError):
        exact_network(network)
