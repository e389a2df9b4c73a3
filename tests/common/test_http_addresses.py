"""Which URLs and which addresses we call: a corpus of what others have been fooled with."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.http_addresses import AddressRefused, check_url, judge_address

LONG_LABEL = "a" * 63
NAME_253 = ".".join([LONG_LABEL, LONG_LABEL, LONG_LABEL, "b" * 57, "com"])

ADMITTED = [
    ("https://hooks.partner.com", "https://hooks.partner.com/"),
    ("https://hooks.partner.com:443/in", "https://hooks.partner.com/in"),
    ("HTTPS://Hooks.Partner.COM/In?A=%2Fb", "https://hooks.partner.com/In?A=%2Fb"),
    ("https://hooks.partner.com?a=1", "https://hooks.partner.com/?a=1"),
    ("https://hooks.partner.com:1024/", "https://hooks.partner.com:1024/"),
    ("https://hooks.partner.com:65535/", "https://hooks.partner.com:65535/"),
    ("https://xn--bcher-kva.xn--p1ai/", "https://xn--bcher-kva.xn--p1ai/"),
    ("https://1.2.3.four.com/", "https://1.2.3.four.com/"),
    ("https://0x7f.com/", "https://0x7f.com/"),
    ("https://partner.com/@me/a:b;c,d", "https://partner.com/@me/a:b;c,d"),
    ("https://partner.com//127.0.0.1/..", "https://partner.com//127.0.0.1/.."),
    (f"https://{NAME_253}/", f"https://{NAME_253}/"),
    ("https://partner.com/" + "a" * 2028, "https://partner.com/" + "a" * 2028),
]

REFUSED = [
    ("https://partner.com/" + "a" * 2029, "too_long"),
    # Characters: what one parser strips, another splits at.
    ("", "characters"),
    ("https://partner.com\\@127.0.0.1/", "characters"),
    ("https://127.0.0.1\\@partner.com/", "characters"),
    ("https:\\\\partner.com/", "characters"),
    (" https://partner.com/", "characters"),
    ("https://partner.com/ ", "characters"),
    ("https://partner.com/a\r\nHost: 127.0.0.1", "characters"),
    ("https://part\tner.com/", "characters"),
    ("https://partner.com/\n", "characters"),
    ("https://partner.com/\x00", "characters"),
    ("https://partner.com/\x7f", "characters"),
    ("https://partner.com/\x85", "characters"),
    ("https://bücher.com/", "characters"),
    ("https://ｐartner.com/", "characters"),
    ("https://１２７.0.0.1/", "characters"),
    ("https://①②⑦.⓪.⓪.①/", "characters"),
    ("https://127。0。0。1/", "characters"),
    ("https://partner.com／@127.0.0.1/", "characters"),
    ("https://part\u200bner.com/", "characters"),
    ("https://раrtner.com/", "characters"),
    ("https://partner.com/ſ", "characters"),
    ("https://partner.com/\udcff", "characters"),
    ('https://partner.com/"', "characters"),
    ("https://partner.com/<b>", "characters"),
    ("https://partner.com/{a}|`^", "characters"),
    # Form
    ("partner.com", "malformed"),
    ("//partner.com/", "malformed"),
    ("https:partner.com", "malformed"),
    ("https:/partner.com/", "malformed"),
    ("https://", "malformed"),
    ("https:///partner.com/", "malformed"),
    ("https://:443/", "malformed"),
    ("https://[::1/", "malformed"),
    ("https://::1/", "malformed"),
    ("https://partner.com]:443/", "malformed"),
    ("https://[::1]partner.com/", "malformed"),
    # Scheme
    ("http://partner.com/", "scheme"),
    ("http://partner.com:8080/", "scheme"),
    ("ftp://partner.com:2121/", "scheme"),
    ("gopher://partner.com:7070/", "scheme"),
    ("wss://partner.com:4443/", "scheme"),
    # User information and fragments
    ("https://user@partner.com/", "userinfo"),
    ("https://user:password@partner.com/", "userinfo"),
    ("https://partner.com@127.0.0.1/", "userinfo"),
    ("https://partner.com:443@127.0.0.1/", "userinfo"),
    ("https://@partner.com/", "userinfo"),
    ("https://partner.com#@127.0.0.1/", "fragment"),
    ("https://partner.com/#", "fragment"),
    # Ports
    ("https://partner.com:/", "port"),
    ("https://partner.com:0/", "port"),
    ("https://partner.com:22/", "port"),
    ("https://partner.com:25/", "port"),
    ("https://partner.com:80/", "port"),
    ("https://partner.com:442/", "port"),
    ("https://partner.com:444/", "port"),
    ("https://partner.com:1023/", "port"),
    ("https://partner.com:65536/", "port"),
    ("https://partner.com:65979/", "port"),  # 443 modulo 2^16
    ("https://partner.com:00443/", "port"),
    ("https://partner.com:+443/", "port"),
    ("https://partner.com:443:443/", "port"),
    ("https://partner.com:8443:127.0.0.1/", "port"),
    # 127.0.0.1 and 169.254.169.254 in every spelling that some resolver reads
    ("https://127.0.0.1/", "numeric_host"),
    ("https://127.0.0.1./", "numeric_host"),
    ("https://127.1/", "numeric_host"),
    ("https://127.0.1/", "numeric_host"),
    ("https://0/", "numeric_host"),
    ("https://0.0.0.0/", "numeric_host"),
    ("https://2130706433/", "numeric_host"),
    ("https://017700000001/", "numeric_host"),
    ("https://0177.0.0.1/", "numeric_host"),
    ("https://0177.0.0.01/", "numeric_host"),
    ("https://0x7f000001/", "numeric_host"),
    ("https://0X7F.0.0.1/", "numeric_host"),
    ("https://0x7f.0x0.0x0.0x1/", "numeric_host"),
    ("https://127.0.0.0x/", "numeric_host"),
    ("https://0xa9fea9fe/", "numeric_host"),
    ("https://2852039166/", "numeric_host"),
    ("https://169.254.169.254/latest/", "numeric_host"),
    ("https://425.510.425.510/", "numeric_host"),
    ("https://8.8.8.8/", "numeric_host"),
    ("https://partner.com.1/", "numeric_host"),
    ("https://[::1]/", "numeric_host"),
    ("https://[::]/", "numeric_host"),
    ("https://[::ffff:127.0.0.1]/", "numeric_host"),
    ("https://[fe80::1%25eth0]/", "numeric_host"),
    ("https://[2606:4700::1111]/", "numeric_host"),
    ("https://[v1.a]/", "numeric_host"),
    ("https://[]/", "numeric_host"),
    ("https://%31%32%37.0.0.1/", "numeric_host"),
    ("https://127.0.0.%31/", "not_public"),
    ("https://partner%2ecom/", "not_public"),
    ("https://partner.com%00.evil.com/", "not_public"),
    ("https://partner.com%40127.0.0.1.nip.io/", "not_public"),
    # Names that are not public, or not names
    ("https://localhost/", "not_public"),
    ("https://LOCALHOST:8000/", "not_public"),
    ("https://localhost.localdomain/", "not_public"),
    ("https://a.localhost/", "not_public"),
    ("https://printer.local/", "not_public"),
    ("https://metadata.google.internal/", "not_public"),
    ("https://metadata/", "not_public"),
    ("https://router.lan/", "not_public"),
    ("https://nas.home.arpa/", "not_public"),
    ("https://com/", "not_public"),
    ("https://partner.com./", "not_public"),
    ("https://localhost./", "not_public"),
    ("https://./", "not_public"),
    ("https://.partner.com/", "not_public"),
    ("https://partner..com/", "not_public"),
    ("https://-partner.com/", "not_public"),
    ("https://partner-.com/", "not_public"),
    ("https://part_ner.com/", "not_public"),
    ("https://part*ner.com/", "not_public"),
    ("https://partner.c/", "not_public"),
    ("https://partner.c0m/", "not_public"),
    ("https://partner.xn--/", "not_public"),
    (f"https://{LONG_LABEL}a.com/", "not_public"),
    (f"https://a{NAME_253}/", "not_public"),
    (f"https://a.{NAME_253}/", "not_public"),
]

# The first and the last address of everything refused, and those with names of their own.
BAD_IPV4 = [
    *("0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255"),  # noqa: S104 - not bound
    *("100.64.0.0", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.0", "127.0.0.1", "127.255.255.255"),
    *("168.63.129.16", "169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255"),
    *("172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.192", "192.0.0.255"),
    *("192.0.2.0", "192.0.2.255", "192.31.196.0", "192.52.193.255", "192.88.99.1"),
    *("192.168.0.0", "192.168.255.255", "192.175.48.1", "198.18.0.0", "198.19.255.255"),
    *("198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "224.0.0.0"),
    *("239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255"),
]
# Their neighbours on both sides, which strangers may well own.
GOOD_IPV4 = [
    *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
    *("126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255"),
    *("169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0"),
    *("192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0"),
    *("198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255"),
    *("8.8.8.8", "93.184.215.14"),
]
BAD_IPV6 = [
    *("::", "::1", "100::", "100::1", "fc00::", "fd00:ec2::254", "fd20:ce::254", "fdff::1"),
    *("fe80::", "fe80::a9fe:a9fe", "febf::1", "fec0::1", "feff::1", "ff00::", "ff02::1"),
    *("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1fff:ffff::1", "4000::", "5f00::1"),
    *("2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff:ffff::1"),
    *("2001:db8::", "2001:db8:ffff::1", "2002::1", "2620:4f:8000::1", "3ffe::1", "3fff::"),
    *("3fff:fff::1", "64:ff9b::", "64:ff9a::808:808", "64:ff9b:0:0:0:1:808:808"),
    *("64:ff9b:1::1", "64:ff9b:2::808:808", "::ffff:0:808:808", "2606:4700::1%eth0"),
    *("fe80::1%2", "1::"),
]
GOOD_IPV6 = [
    *("2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1"),
    *("2003::1", "2606:4700:4700::1111", "2a00:1450::1", "3ffd::1", "3fff:1000::1"),
    *("64:ff9b::808:808", "64:ff9b::93.184.215.14"),
]


def within(network, ipv4, shift=0):
    return str(IPv6Address(int(IPv6Address(network)) | int(IPv4Address(ipv4)) << shift))


def obfuscated(ipv4):
    return IPv4Address(int(IPv4Address(ipv4)) ^ 0xFFFF_FFFF)


EMBEDDINGS = {
    "mapped": lambda ipv4: within("::ffff:0:0", ipv4),
    "compatible": lambda ipv4: within("::", ipv4),
    "nat64": lambda ipv4: within("64:ff9b::", ipv4),
    "nat64_of_local_use": lambda ipv4: within("64:ff9b:1::", ipv4),
    "nat64_of_local_use_at_48": lambda ipv4: within("64:ff9b:1::", ipv4, shift=40),
    "6to4": lambda ipv4: within("2002::1", ipv4, shift=80),
    "teredo_server": lambda ipv4: within("2001::f7f7:f7f7", ipv4, shift=64),
    "teredo_client": lambda ipv4: within("2001:0:808:808::", obfuscated(ipv4)),
}


def reason_of(url, *, allow_loopback=False):
    with pytest.raises(AddressRefused) as refused:
        check_url(url, allow_loopback=allow_loopback)
    return refused.value.reason


def is_admitted(address, *, allow_loopback=False):
    try:
        judge_address(address, allow_loopback=allow_loopback)
    except AddressRefused as refused:
        return refused.reason != "private_address"
    return True


@pytest.mark.parametrize(("url", "spelling"), ADMITTED)
def test_a_public_address_is_admitted_in_one_spelling(url, spelling):
    assert check_url(url, allow_loopback=False) == spelling
    assert check_url(spelling, allow_loopback=False) == spelling


@pytest.mark.parametrize(("url", "reason"), REFUSED)
def test_anything_else_is_refused_and_told_why(url, reason):
    assert reason_of(url) == reason


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/in",
        "http://localhost:9000/in",
        "http://[::1]:9000/in",
        "https://localhost:9443/in",
    ],
)
def test_loopback_is_for_development_alone(url):
    assert check_url(url, allow_loopback=True) == url
    assert reason_of(url) in {"numeric_host", "not_public"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.2:9000/", "numeric_host"),
        ("http://127.1:9000/", "numeric_host"),
        ("http://2130706433:9000/", "numeric_host"),
        ("http://[::ffff:127.0.0.1]:9000/", "numeric_host"),
        ("http://[127.0.0.1]:9000/", "numeric_host"),
        ("http://[localhost]:9000/", "numeric_host"),
        ("http://localhost.:9000/", "not_public"),
        ("http://a.localhost:9000/", "not_public"),
        ("http://169.254.169.254:8000/", "numeric_host"),
        ("http://partner.com:9000/", "scheme"),
        ("ftp://127.0.0.1:9000/", "scheme"),
        ("http://127.0.0.1/", "port"),
        ("http://127.0.0.1:22/", "port"),
        ("http://127.0.0.1:443/", "port"),
        ("http://u@127.0.0.1:9000/", "userinfo"),
    ],
)
def test_development_admits_no_more_than_loopback(url, reason):
    assert reason_of(url, allow_loopback=True) == reason


def test_we_do_not_call_ourselves(settings):
    settings.ZOPAY_PUBLIC_URL = "https://Pay.House.com"

    assert reason_of("https://pay.house.com/connect/v1/quotes") == "own_host"
    assert reason_of("https://PAY.house.COM:8443/") == "own_host"
    assert check_url("https://hooks.house.com/", allow_loopback=False)


def test_in_development_we_are_one_port_of_this_machine(settings):
    settings.ZOPAY_PUBLIC_URL = "http://127.0.0.1:8000"

    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert reason_of(f"http://{host}:8000/", allow_loopback=True) == "own_host"
        assert check_url(f"http://{host}:9000/", allow_loopback=True)


@pytest.mark.parametrize("url", [url for url, _ in REFUSED if len(url) > 12])
def test_a_refusal_does_not_repeat_the_address(url):
    with pytest.raises(AddressRefused) as refused:
        check_url(url, allow_loopback=False)

    assert url not in refused.value.message
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("address", GOOD_IPV4 + GOOD_IPV6)
def test_public_addresses_are_called(address):
    assert is_admitted(address)


@pytest.mark.parametrize("address", BAD_IPV4 + BAD_IPV6)
def test_no_other_address_is(address):
    assert not is_admitted(address)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("ipv4", BAD_IPV4)
def test_wrapping_an_address_in_ipv6_does_not_hide_it(embedding, ipv4):
    wrapped = EMBEDDINGS[embedding](ipv4)
    # ::1 is at once loopback and 0.0.0.1 in the oldest embedding.
    assert not is_admitted(wrapped)
    assert not is_admitted(wrapped, allow_loopback=True)


@pytest.mark.parametrize("embedding", sorted(EMBEDDINGS.keys() - {"nat64"}))
def test_of_the_embeddings_only_dns64s_is_in_honest_use(embedding):
    assert not is_admitted(EMBEDDINGS[embedding]("8.8.8.8"))


@given(st.ip_addresses(v=4))
def test_nat64_is_judged_by_what_is_inside(ipv4):
    assert is_admitted(EMBEDDINGS["nat64"](ipv4)) == is_admitted(str(ipv4))


@given(st.ip_addresses())
def test_we_are_stricter_than_the_library(address):
    """Hypothesis draws from the special-purpose registries on purpose."""
    if is_admitted(str(address)):
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.0.0.1", "1.2.3.4 ", "[::1]"])
def test_what_is_not_an_address_is_not_judged_one(text):
    assert not is_admitted(text, allow_loopback=True)


def test_development_admits_the_loopback_network():
    for address in ("127.0.0.1", "127.255.255.254", "::1"):
        assert is_admitted(address, allow_loopback=True)
        assert not is_admitted(address)
    assert not is_admitted("10.0.0.1", allow_loopback=True)
