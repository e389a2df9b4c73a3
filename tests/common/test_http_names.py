"""Names, the addresses behind them, and the certificates that must be for the name."""

import pytest

from engine.common import http_sockets
from engine.common.http import AddressRefused, NoAnswer, post
from tests.internet import METADATA, PUBLIC, PUBLIC_IPV6, Authority, Internet
from tests.receiver import Receiver, drip

NAME = "hooks.partner.com"
URL = f"https://{NAME}/in"
LATE_SECONDS = 3


@pytest.fixture
def internet(monkeypatch):
    return Internet(monkeypatch)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def believed(authority, monkeypatch):
    """Has the authority believed beside those of certifi, and nothing else changed."""
    http_sockets.trusted.cache_clear()
    http_sockets.trusted().load_verify_locations(cadata=authority.pem)
    yield authority
    http_sockets.trusted.cache_clear()


@pytest.fixture
def partner(internet, believed, tmp_path):
    """The receiver of hooks.partner.com, to which the wires of its two addresses lead."""
    names_asked_for = []
    context = believed.context_of_server(tmp_path, NAME)
    context.sni_callback = lambda _, name, __: names_asked_for.append(name)
    with Receiver(context=context) as receiver:
        receiver.names_asked_for = names_asked_for
        internet.names[NAME] = [[PUBLIC]]
        internet.wires = {PUBLIC: receiver.port, PUBLIC_IPV6: receiver.port}
        yield receiver


def send(url=URL):
    return post(url, body=b"{}", headers={}, timeout_seconds=5)


def test_a_name_is_called_at_its_address_and_by_its_name(internet, partner):
    reply = send(f"https://{NAME.upper()}:443/in")

    assert (reply.status, reply.head) == (200, b"ok")
    assert (internet.asked, internet.dialled) == ([NAME], [PUBLIC])
    assert partner.names_asked_for == [NAME]
    assert partner.requests[0].startswith(
        b"POST /in HTTP/1.1\r\nHost: hooks.partner.com\r\nContent-Length: 2\r\n"
    )


def test_a_port_of_its_own_is_part_of_the_host_header(internet, partner):
    send(f"https://{NAME}:8443/in")

    assert b"\r\nHost: hooks.partner.com:8443\r\n" in partner.requests[0]


@pytest.mark.parametrize(
    "addresses",
    [
        [METADATA],
        [PUBLIC, METADATA],
        [METADATA, PUBLIC],
        [PUBLIC, PUBLIC_IPV6, "127.0.0.1"],
        [PUBLIC, "::1"],
        [PUBLIC_IPV6, "fd00:ec2::254"],
        [PUBLIC, "fe80::1%eth0"],
        [PUBLIC, "::ffff:127.0.0.1"],
        [PUBLIC, "::127.0.0.1"],
        [PUBLIC, "64:ff9b::a9fe:a9fe"],
        [PUBLIC, "64:ff9b:1::a9fe:a9fe"],
        [PUBLIC, "2002:a9fe:a9fe::1"],
        [PUBLIC, "2001:0:a9fe:a9fe::f7f7:f7f7"],
        [PUBLIC, "2001:0:808:808::5601:5601"],
        [PUBLIC] * 9 + ["10.0.0.1"],
    ],
)
def test_one_bad_address_refuses_the_name(internet, partner, addresses):
    internet.names[NAME] = [addresses]

    with pytest.raises(AddressRefused) as refused:
        send()

    assert refused.value.reason == "private_address"
    assert not any(address in refused.value.message for address in addresses)
    assert internet.dialled == []
    assert partner.connections == 0


@pytest.mark.parametrize("later", [["127.0.0.1"], [METADATA], ["::1"]])
def test_only_the_address_that_was_checked_is_dialled(internet, partner, later):
    """DNS that changes between check and connect: the second answer is never asked for."""
    with Receiver() as trap:
        internet.names[NAME] = [[PUBLIC], later]
        internet.wires |= {later[0]: trap.port}

        assert send().status == 200

        assert (internet.asked, internet.dialled) == ([NAME], [PUBLIC])
        assert (partner.connections, trap.connections) == (1, 0)

        # The next delivery looks again, and sees what became of the name.
        with pytest.raises(AddressRefused):
            send()
        assert internet.dialled == [PUBLIC]
        assert trap.connections == 0


def test_an_address_without_a_route_leaves_the_others(internet, partner):
    internet.names[NAME] = [[PUBLIC_IPV6, PUBLIC]]
    internet.wires[PUBLIC_IPV6] = OSError(101, "Network is unreachable")

    assert send().status == 200
    assert internet.asked == [NAME]
    assert internet.dialled == [PUBLIC_IPV6, PUBLIC]


def test_no_more_than_four_addresses_are_dialled(internet, partner):
    addresses = [f"93.184.215.{number}" for number in range(100)]
    internet.names[NAME] = [addresses]
    internet.wires = dict.fromkeys(addresses, ConnectionRefusedError())

    with pytest.raises(NoAnswer) as failed:
        send()

    assert failed.value.reason == "refused"
    assert internet.dialled == addresses[:4]


def refused_certificate(receiver):
    with pytest.raises(NoAnswer) as failed:
        send()
    assert failed.value.reason == "tls"
    assert failed.value.__context__ is None
    assert receiver.requests == []
    return failed.value.message


def test_a_certificate_for_another_name_is_refused(internet, believed, tmp_path):
    internet.names[NAME] = [[PUBLIC]]
    context = believed.context_of_server(tmp_path, "other.partner.com", "partner.com", PUBLIC)
    with Receiver(context=context) as receiver:
        internet.wires[PUBLIC] = receiver.port

        assert refused_certificate(receiver) == (
            "No secure connection to the receiver: Hostname mismatch, certificate is not "
            "valid for 'hooks.partner.com'."
        )


def test_a_certificate_of_yesterday_is_refused(internet, believed, tmp_path):
    internet.names[NAME] = [[PUBLIC]]
    with Receiver(context=believed.context_of_server(tmp_path, NAME, days=-1)) as receiver:
        internet.wires[PUBLIC] = receiver.port

        assert "certificate has expired" in refused_certificate(receiver)


def test_an_authority_of_the_environment_is_not_believed(
    internet, authority, tmp_path, monkeypatch
):
    bundle = tmp_path / "authority.pem"
    bundle.write_text(authority.pem)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(bundle))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    http_sockets.trusted.cache_clear()
    internet.names[NAME] = [[PUBLIC]]
    with Receiver(context=authority.context_of_server(tmp_path, NAME)) as receiver:
        internet.wires[PUBLIC] = receiver.port

        assert "unable to get local issuer certificate" in refused_certificate(receiver)
    assert not (tmp_path / "keys").exists()


def test_a_receiver_that_speaks_plainly_is_refused(internet, partner):
    with Receiver(rude=True) as plain:
        internet.wires[PUBLIC] = plain.port

        assert "wrong version number" in refused_certificate(plain)


@pytest.mark.parametrize(
    "record", [b"\x16\x03\x03\x40\x00", b"\x16\x03\x03\x00\x7a\x02\x00\x00"]
)
def test_a_handshake_that_drips_is_left_when_the_time_is_over(internet, partner, record):
    with Receiver(lambda: drip(record), rude=True) as slow:
        internet.wires[PUBLIC] = slow.port

        with pytest.raises(NoAnswer) as failed:
            post(URL, body=b"{}", headers={}, timeout_seconds=0.8)

    assert failed.value.reason == "timeout"
    assert 800 <= failed.value.milliseconds < LATE_SECONDS * 1000


def test_an_encrypted_drip_is_left_when_the_time_is_over(internet, partner):
    partner.answer = lambda: drip(b"HTTP/1.1 200 OK\r\nX-A: a")

    with pytest.raises(NoAnswer) as failed:
        post(URL, body=b"{}", headers={}, timeout_seconds=0.8)

    assert failed.value.reason == "timeout"
    assert 800 <= failed.value.milliseconds < LATE_SECONDS * 1000


def test_an_encrypted_flood_is_left_at_64_kb(internet, partner):
    def flood():
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for _ in range(200):
            yield b"A" * 50_000

    partner.answer = flood

    reply = send()

    assert (reply.status, reply.head) == (200, b"A" * 2048)
